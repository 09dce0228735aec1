"""The work, and who does it. On each transcription server: `hanjul worker examples.stt.tasks:app`."""

import os
from dataclasses import dataclass

import psycopg

import hanjul
from examples.stt import stt

LEASE_S = 5.0
"""How long after a worker's death its job goes to another. Workers renew it; a job may take as long as it needs."""

app = hanjul.App()
app.job_workers("stt", concurrency=1, lease_s=LEASE_S)


@dataclass
class Recording:
    """What a job needs to know; the audio is in the table."""

    session_id: int


@app.job("transcribe", queue="stt", retry=hanjul.Retry(base_s=0.5), executor="process")
def transcribe(job: hanjul.Job[Recording]) -> dict[str, int]:
    """Transcribe one session. A worker may die at any line: to do it once more gives the same session."""
    session_id = job.payload.session_id
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
        row = conn.execute("select filename, audio from sessions where id = %s", [session_id]).fetchone()
        if row is None:
            raise hanjul.Reject(f"session {session_id} does not exist any more")  # trying again would not help
        filename, audio = row
        transcript = stt.transcribe(audio, lambda fraction: job.progress(fraction, filename))
        conn.execute("update sessions set transcript = %s, transcribed_at = now() where id = %s", [transcript, session_id])
    return {"words": len(transcript.split())}
