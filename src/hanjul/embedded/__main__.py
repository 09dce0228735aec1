"""Be a guard: `python -I -S __main__.py HOME BIN_DIR START_LOCK_FD`.

The packages are entered without their faces, which import what users need (a database client, JSON, asyncio). The guard needs
the standard library and its own room, and lives long: so it stays small, and starts at once.
"""

import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent


def _bare(name: str, path: Path) -> ModuleType:
    package = ModuleType(name)
    package.__path__ = [str(path)]
    return package


for _package in (_bare("hanjul", HERE.parent), _bare("hanjul.model", HERE.parent / "model"), _bare("hanjul.embedded", HERE)):
    sys.modules[_package.__name__] = _package

from hanjul.embedded.guard import main  # noqa: E402  only now are the packages bare

main()
