"""Requests of every shape that a generator can think of: an answer each, and never one that begins with 5."""

import json
from typing import Any

import httpx
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.conftest import serve

from hanjul.api import anybody, jobs_router
from hanjul.api.schemas import EnqueueBody, UniqueBody
from hanjul.jobs import Jobs

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(alphabet='\x00\ud800\udfff"\\{}', max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
unique = st.dictionaries(st.sampled_from(list(UniqueBody.model_fields)), anything, max_size=4)
body = st.fixed_dictionaries({"kind": st.just("mail") | anything}).flatmap(
    lambda given: st.dictionaries(st.sampled_from(list(EnqueueBody.model_fields)), anything | unique, max_size=4).map(
        lambda more: {**more, **given}
    )
)
raw = st.binary(max_size=60) | (body | anything).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
headers = st.sampled_from([{}, {"Idempotency-Key": "k"}, {"Content-Type": "application/json; charset=\xff"}])
questions = st.tuples(
    st.sampled_from(["jobs", "processing", "queues", "jobs/{}", "jobs/{}/events", "jobs/{}/explain"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.dictionaries(st.sampled_from(["status", "queue", "kind", "key", "limit", "before", "wait"]),
                    st.sampled_from(["failed", "pending", "1", "0", "-1", "0.01", "nan", "\x00", "", "9" * 30]), max_size=3),
)  # fmt: skip


async def test_no_request_makes_the_server_fail(jobs: Jobs) -> None:
    web = FastAPI()
    web.include_router(jobs_router(jobs, auth=anybody))
    requests: list[Any] = []

    @settings(max_examples=100, database=None, derandomize=True)
    @given(raw, headers, questions)
    def gather(content: bytes, more: dict[str, str], question: tuple[str, str, dict[str, str]]) -> None:
        path, name, parameters = question
        requests.append(("POST", "/jobs", {"content": content, "headers": {"Content-Type": "application/json", **more}}))
        requests.append(("GET", f"/{path.format(name)}", {"params": parameters}))

    gather()
    async with serve(web) as http:
        answers: list[httpx.Response] = []
        for method, path, how in requests:
            try:
                answers.append(await http.request(method, path, **how))
            except (httpx.InvalidURL, UnicodeEncodeError):  # it cannot even be sent
                continue

    assert [answer for answer in answers if answer.status_code >= 500] == []
    assert {200, 202, 422} <= {answer.status_code for answer in answers}
    assert all(answer.status_code < 400 or "detail" in answer.json() for answer in answers)
