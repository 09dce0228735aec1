"""What is hidden where requests are shown."""

import pytest

from hanjul.net.credentials import is_credential, redacted_headers, redacted_url


@pytest.mark.parametrize(
    "name",
    ["Authorization", "AUTHORIZATION", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "apikey", "api_key",
     "X-Auth-Token",
     "X-Access-Token", "X-Secret", "X-Password", "X-Hub-Signature-256", "webhook-signature", "X-Amz-Security-Token",
     "X-Auth", "X-CSRF-Token",
     "X-Goog-Api-Key", "Private-Token", "x-session-id", "Authentication-Token", " Authorization "],
)  # fmt: skip
def test_these_are_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "Accept", "User-Agent", "Idempotency-Key", "X-Request-Id", "Author", "X-Author", "Date", "webhook-id"],
)
def test_these_are_not(name: str) -> None:
    assert not is_credential(name)


def test_headers_are_shown_without_them() -> None:
    headers = {"Authorization": "Bearer 1", "X-Number": 5, "cookie": None}

    assert redacted_headers(headers) == {"Authorization": "***", "X-Number": 5, "cookie": "***"}
    assert redacted_headers(None) == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("https://ada:pw@example.com/", "https://***@example.com/"),
        ("https://ada:p@w@example.com/@x", "https://***@example.com/@x"),
        ("https://example.com/?api_key=1&q=2&access_token=3#f", "https://example.com/?api_key=***&q=2&access_token=***#f"),
        ("https://example.com/?X-Amz-Signature=abc", "https://example.com/?X-Amz-Signature=***"),
        ("https://example.com/?sig=abc&jwt=d&pwd=e&code=f", "https://example.com/?sig=***&jwt=***&pwd=***&code=***"),
        ("https://example.com/?signal=abc", "https://example.com/?signal=abc"),
        ("not a url", "not a url"),
    ],
)  # fmt: skip
def test_urls_are_shown_without_them(url: str, shown: str) -> None:
    assert redacted_url(url) == shown
