"""The API as it was: it transcribes in its own process, after the answer. `uvicorn examples.stt.naive:api`.

While a recording is transcribed, Python does little else: the answers to all others wait. What was accepted is known to this
process alone, and gone with it; and a second server cannot help.
"""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from fastapi import BackgroundTasks, FastAPI, UploadFile

import hanjul
from examples.stt import sessions, stt

database = hanjul.Database(os.environ["DATABASE_URL"], max_connections=4)
one_at_a_time = threading.Lock()  # the model is one, and not made for several threads


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    """Connected to the database while the API runs."""
    async with database:
        yield


api = FastAPI(title="transcriptions, as it was", lifespan=lifespan)


@api.post("/recordings", status_code=202)
async def upload(file: UploadFile, background: BackgroundTasks) -> dict[str, int]:
    """Keep the recording, answer, then transcribe it, in a thread of this process."""
    filename, audio = await sessions.uploaded(file)
    async with database.connection() as conn:
        cursor = await conn.execute("insert into sessions (filename, audio) values (%s, %s) returning id", [filename, audio])
        [[session_id]] = await cursor.fetchall()
    background.add_task(transcribe, session_id, audio)
    return {"session_id": session_id}


def transcribe(session_id: int, audio: bytes) -> None:
    """Transcribe one session, unless this process ends first; then nobody does."""
    with one_at_a_time:
        transcript = stt.transcribe(audio, lambda _fraction: None)
    with psycopg.connect(os.environ["DATABASE_URL"]) as conn:
        conn.execute("update sessions set transcript = %s, transcribed_at = now() where id = %s", [transcript, session_id])
