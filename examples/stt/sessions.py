"""What the API and `naive`, as it was before, share: uploads, and the table `sessions`."""

from typing import Any

from fastapi import HTTPException, UploadFile
from psycopg import AsyncConnection
from psycopg.rows import dict_row

LONGEST_BYTES = 16 << 20


async def uploaded(file: UploadFile) -> tuple[str, bytes]:
    """Name and content of an upload; an HTTPException if it is empty or too long."""
    audio = await file.read(LONGEST_BYTES + 1)
    if not audio:
        raise HTTPException(422, "the recording is empty")
    if len(audio) > LONGEST_BYTES:
        raise HTTPException(413, f"a recording may have {LONGEST_BYTES:,} bytes")
    return file.filename or "unnamed", audio


async def find(conn: AsyncConnection[Any], session_id: int) -> dict[str, Any] | None:
    """A session, without its sound."""
    columns = "id, filename, transcript, uploaded_at, transcribed_at"
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(f"select {columns} from sessions where id = %s", [session_id])
    return await cursor.fetchone()
