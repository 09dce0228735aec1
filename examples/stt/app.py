"""The API: it takes recordings, answers 202 at once, and shows how their jobs stand. `uvicorn examples.stt.app:api`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Response, UploadFile

import hanjul
from examples.stt import sessions
from hanjul.api import anybody, jobs_router

UPLOAD = """
with session as (insert into sessions (filename, audio) values (%s, %s) returning id)
select id, hanjul.enqueue_job('transcribe', jsonb_build_object('session_id', id), queue => 'stt', key => 'session ' || id)
from session
"""
"""Keep the recording and enqueue its job, in one statement: both are there, or neither."""

database = hanjul.Database(os.environ["DATABASE_URL"], max_connections=4)
jobs = hanjul.Jobs(database)


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    """Connected to the database while the API runs."""
    async with jobs:
        yield


api = FastAPI(title="transcriptions", lifespan=lifespan)
api.include_router(jobs_router(jobs, auth=anybody))  # GET /jobs/{id}, its events, cancel, retry; a real one asks for a token


@api.post("/recordings", status_code=202)
async def upload(file: UploadFile, response: Response) -> dict[str, str | int]:
    """Take a recording; who uploaded it need not wait for its transcript, only for the commit."""
    filename, audio = await sessions.uploaded(file)
    async with database.connection() as conn:
        cursor = await conn.execute(UPLOAD, [filename, audio])
        [(session_id, job_id)] = await cursor.fetchall()
    status_url = response.headers["Location"] = f"/jobs/{job_id}"
    return {"session_id": session_id, "job_id": str(job_id), "status_url": status_url}


@api.get("/sessions/{session_id}")
async def session(session_id: int) -> dict[str, Any]:
    """A recording, and what was said in it."""
    async with database.connection() as conn:
        found = await sessions.find(conn, session_id)
    if found is None:
        raise HTTPException(404, f"session {session_id} does not exist")
    return found
