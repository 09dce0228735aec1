"""A job every second."""

from typing import Any

import hanjul

app = hanjul.App()


@app.cron("* * * * * *")
@app.job("tick")
async def tick(_payload: Any) -> None: ...
