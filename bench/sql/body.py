"""The messages of the suite: a hundred different ones of about 200 bytes, the same in every run."""

import json
import random
import string
from functools import cache

COUNT = 100
KINDS = ("email.send", "invoice.render", "webhook.deliver", "user.sync", "search.index")


@cache
def bodies() -> list[str]:
    """As JSON texts: keys repeat from one to the next, as in real queues, and values do not."""
    chance = random.Random(7)
    return [json.dumps(_body(number, chance)) for number in range(COUNT)]


def _body(number: int, chance: random.Random) -> dict[str, object]:
    return {
        "id": number,
        "kind": chance.choice(KINDS),
        "to": f"{_word(chance, 8)}@{_word(chance, 6)}.example",
        "trace": f"{chance.getrandbits(128):032x}",
        "args": {"plan": chance.choice(["free", "team"]), "days": chance.randrange(365)},
        "text": " ".join(_word(chance, 5) for _ in range(6)),
    }


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=length))
