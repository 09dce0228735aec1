"""The receiver, as anybody might write one: it verifies, acts on each event once, and answers. And it has its moods.

`SECRET=whsec_... python -m examples.webhooks.receiver --port 8000 --diary diary.jsonl`
"""

import argparse
import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

MOODS = ("well", "errors", "limits", "stalls")
STALL_S = 3.0


class Diary:
    """What came, one line each; a receiver that was killed and started again goes on with it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o644)
        lines = path.read_text().splitlines()
        self.acted = {line["id"] for line in map(json.loads, lines) if line["acted"]}

    def write(self, **line: Any) -> None:
        """Add a line. What is acted upon is known before it is answered, or it would be done twice."""
        if line["acted"]:
            self.acted.add(line["id"])
        os.write(self._file, (json.dumps(line) + "\n").encode())


def receiver(secret: str, diary: Diary) -> FastAPI:
    """The application."""
    api = FastAPI(title="receiver")
    verifier = Webhook(secret)
    mood = {"is": "well"}

    @api.post("/hook")
    async def hook(request: Request) -> Response:
        body = await request.body()
        try:
            event = verifier.verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            diary.write(id=request.headers.get("webhook-id"), acted=False, answer=401, event=None)
            return Response(str(error), 401)
        seen = request.headers["webhook-id"]
        # half of what goes wrong goes wrong after the event was acted upon: then it comes a second time
        answer, acts = (200, True) if mood["is"] == "well" else (None, random.random() < 0.5)
        if mood["is"] == "limits":
            answer, acts = 429, False
        elif mood["is"] == "errors":
            answer = 500
        acted = acts and seen not in diary.acted
        diary.write(id=seen, acted=acted, again=seen in diary.acted and not acted, answer=answer, event=event, mood=mood["is"])
        if answer is None:
            await asyncio.sleep(STALL_S)
        return Response(status_code=answer or 200, headers={"Retry-After": "1"} if answer == 429 else None)

    @api.post("/mood/{name}")
    async def change(name: str) -> dict[str, str]:
        mood["is"] = name if name in MOODS else mood["is"]
        return mood

    return api


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--diary", type=Path, required=True)
    arguments = parser.parse_args()
    application = receiver(os.environ["SECRET"], Diary(arguments.diary))
    uvicorn.run(application, host="127.0.0.1", port=arguments.port, log_level="critical", access_log=False)
