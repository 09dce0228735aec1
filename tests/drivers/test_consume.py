"""Messages in a loop of one's own: `async for message in app.queue(...).consume()`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from hanjul import App, InvalidSettings, Retry
from hanjul.app import Queue
from hanjul.testing.waiting import until

AT_ONCE = Retry(base_s=0.01, jitter=0)


@pytest.fixture(params=["memory", "postgres"])
async def app(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[App]:
    async with App(dsn, driver=request.param) if request.param == "postgres" else App(driver="memory") as app:
        if app.memory is None:
            await app.queues.create("mail")
        else:
            await app.memory.create("mail")
        yield app


@pytest.fixture
def mail(app: App) -> Queue[Any]:
    return app.queue("mail")


async def send(app: App, *bodies: object) -> None:
    for body in bodies:
        await (app.queues if app.memory is None else app.memory).send("mail", body)


async def size(app: App) -> int:
    return await app.memory.size("mail") if app.memory is not None else (await app.queues.metrics("mail")).queue_length


async def test_a_message_is_acked_when_the_next_is_asked_for(app: App, mail: Queue[Any]) -> None:
    await send(app, 1, 2, 3)
    seen = []

    async with aclosing(mail.consume()) as messages:
        async for message in messages:
            seen.append(message.body)
            if len(seen) == 3:
                await until(lambda: seen == [1, 2, 3])
                await message.ack()
                break

    assert seen == [1, 2, 3]
    assert await size(app) == 0


async def test_a_loop_that_is_left_has_failed_its_message_and_gives_the_rest_back(app: App, mail: Queue[Any]) -> None:
    await send(app, 1, 2)

    async with aclosing(mail.consume(retry=AT_ONCE)) as messages:
        async for message in messages:
            assert message.body == 1
            break

    attempts = {}
    async with aclosing(mail.consume()) as messages:
        async for message in messages:
            attempts[message.body] = message.attempt
            await message.ack()
            if len(attempts) == 2:
                break
    assert attempts == {1: 2, 2: 1}


async def test_an_exception_in_the_loop_fails_the_message(app: App, mail: Queue[Any]) -> None:
    await send(app, 1)

    async def divide() -> None:
        async with aclosing(mail.consume(retry=AT_ONCE)) as messages:
            async for message in messages:
                1 // (message.body - 1)

    with pytest.raises(ZeroDivisionError):
        await divide()

    async with aclosing(mail.consume()) as messages:
        async for message in messages:
            assert message.attempt == 2
            break


async def test_bodies_come_as_their_type(app: App) -> None:
    @dataclass
    class Mail:
        to: str

    await send(app, {"to": "ada"})

    async with aclosing(app.queue("mail", into=Mail).consume()) as messages:
        async for message in messages:
            assert message.body == Mail("ada")
            break


async def test_the_lease_lasts_as_long_as_the_body_of_the_loop(app: App, mail: Queue[Any]) -> None:
    await send(app, 1)
    others = []

    async def somebody_else() -> None:
        others.extend([message async for message in app.queue("mail").consume()])

    async with aclosing(mail.consume(lease_s=0.6)) as messages:
        async for message in messages:
            other = asyncio.create_task(somebody_else())
            await asyncio.sleep(1.5)
            await message.ack()
            break

    other.cancel()
    await asyncio.wait({other})
    assert others == []


async def test_an_app_that_does_not_run_has_nothing_to_consume() -> None:
    with pytest.raises(InvalidSettings, match="while the app runs"):
        async for _ in App(driver="memory").queue("mail").consume():
            pass
