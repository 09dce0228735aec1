"""Which headers stay behind at a redirect to somewhere else. PostgreSQL hides the same ones: tests/sql/test_net_find.py."""

import pytest

from hanjul.sender.credentials import is_credential

CREDENTIALS = [
    "Authorization", "AUTHORIZATION", "Proxy-Authorization", "X-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "apikey",
    "api_key", "X-Auth-Token", "X-Access-Token", "X-Secret", "X-Password", "X-Hub-Signature-256", "webhook-signature",
    "X-Amz-Security-Token", "X-Auth", "x_auth", "Auth-Value", "X-CSRF-Token", "X-Goog-Api-Key", "Private-Token",
    "Private-Key", "access_key",
    "x-session-id", "Authentication-Token", " Authorization ", "Key", "sig", "JWT", "pw", "pwd",
]  # fmt: skip
OTHERS = [
    "Content-Type", "Accept", "User-Agent", "Idempotency-Key", "X-Request-Id", "Author", "X-Author", "Date",
    "webhook-id", "Authority", "monkey", "design", "X-Key-Count", "",
]  # fmt: skip


@pytest.mark.parametrize("name", CREDENTIALS)
def test_these_are_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize("name", OTHERS)
def test_these_are_not(name: str) -> None:
    assert not is_credential(name)
