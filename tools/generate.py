"""Write the sync clients from the async ones; `--check` only says whether they are fresh."""

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "hanjul"
TWINS = {"postgres/database.py": "postgres/database_sync.py", "queues/client.py": "queues/client_sync.py",
         "queues/topics.py": "queues/topics_sync.py", "jobs/client.py": "jobs/client_sync.py",
         "jobs/schedules.py": "jobs/schedules_sync.py", "net/client.py": "net/client_sync.py",
         "net/webhooks.py": "net/webhooks_sync.py"}  # fmt: skip

WORDS = {
    "AsyncPool": "Pool",
    "AsyncConnection": "Connection",
    "AsyncIterator": "Iterator",
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AbstractContextManager": "AbstractContextManager",
    "asynccontextmanager": "contextmanager",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "rows_on": "rows_on_sync",
    "BoundedAsyncConnection": "BoundedConnection",
    "Database": "DatabaseSync",
    "Queues": "QueuesSync",
    "Queue": "QueueSync",
    "Outbox": "OutboxSync",
    "Topics": "TopicsSync",
    "Handle": "HandleSync",
    "Schedules": "SchedulesSync",
    "Jobs": "JobsSync",
    "Http": "HttpSync",
    "Webhooks": "WebhooksSync",
    "RequestHandle": "RequestHandleSync",
    "pace": "pace_sync",
}
PHRASES = [
    (r"\basync (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"all tasks of one event loop", "all threads of one process"),
    (r" (\w+)\.py is made from this file\.", r""),
    (r"from hanjul\.queues\.topics import", "from hanjul.queues.topics_sync import"),
    (r"from hanjul\.jobs\.schedules import", "from hanjul.jobs.schedules_sync import"),
    (r"from hanjul\.net\.webhooks import", "from hanjul.net.webhooks_sync import"),
]


def twin(name: str) -> str:
    """The sync text of an async file."""
    text = (SOURCE / name).read_text("utf-8")
    for pattern, replacement in PHRASES:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"\b[A-Za-z_]+\b", lambda word: WORDS.get(word[0], word[0]), text)
    return _formatted(text.replace('"""', f'"""Generated from {Path(name).name}; do not edit. ', 1))


def _formatted(text: str) -> str:
    for command in (["check", "--quiet", "--fix-only", "--select", "F401,I,RET"], ["format", "--quiet"]):
        arguments = [sys.executable, "-m", "ruff", *command, "--stdin-filename", "src/hanjul/twin.py", "-"]
        text = subprocess.run(arguments, input=text, text=True, capture_output=True, check=True).stdout
    return text


def main() -> int:
    """Write or check every twin; return the exit code."""
    stale = []
    for name, target in TWINS.items():
        text, path = twin(name), SOURCE / target
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(target)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        print(f"not fresh: {', '.join(stale)}; run `make generate`")
        return 1
    print("generated files: " + ("written: " + ", ".join(stale) if stale else "fresh"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
