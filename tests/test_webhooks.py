"""Signatures of webhooks, beside the public library for Standard Webhooks."""

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hanjul import BadInput, InvalidSignature, webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"test": 2432232314}'
NOW = 1_614_265_330


def test_the_vector_of_the_standard() -> None:
    headers = webhooks.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, BODY, SECRET)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    webhooks.verify(BODY, headers, SECRET, now_s=NOW)


@given(st.text(), st.binary(min_size=24, max_size=64))
def test_the_public_library_verifies_what_we_sign_and_we_what_it_signs(body: str, key: bytes) -> None:
    secret, now = "whsec_" + base64.b64encode(key).decode(), datetime.now(UTC)
    text = body.encode(errors="replace").decode()

    Webhook(secret).verify(text, webhooks.sign("msg_1", now.timestamp(), text, secret), json_parse=False)

    theirs = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    webhooks.verify(text, theirs | {"webhook-signature": Webhook(secret).sign("msg_1", now, text)}, secret)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": ""}, "the header webhook-id is missing"),
        ({"webhook-timestamp": ""}, "the header webhook-timestamp is missing"),
        ({"webhook-signature": ""}, "the header webhook-signature is missing"),
        ({"webhook-id": "msg_2"}, "no signature is of this body, id, timestamp and secret"),
        ({"webhook-timestamp": str(NOW + 1)}, "no signature is of this body, id, timestamp and secret"),
        ({"webhook-timestamp": str(NOW - 301)}, "webhook-timestamp is 301 s old; 300 s are allowed"),
        ({"webhook-timestamp": str(NOW + 400)}, "webhook-timestamp is 400 s in the future; 300 s are allowed"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp is no number of seconds: 'soon'"),
        ({"webhook-timestamp": "nan"}, "webhook-timestamp is no number of seconds: 'nan'"),
        ({"webhook-timestamp": "-1"}, "webhook-timestamp is no number of seconds: '-1'"),
        ({"webhook-timestamp": "9" * 400}, "webhook-timestamp is no number of seconds: '" + "9" * 40 + "'"),
        ({"webhook-signature": "v1a,abc"}, "webhook-signature has no signature of version v1"),
        ({"webhook-signature": "v1,abc"}, "no signature is of this body, id, timestamp and secret"),
        ({"webhook-signature": "v1,é\ud800"}, "no signature is of this body, id, timestamp and secret"),
        ({"webhook-signature": "v1," + " v1," * 60}, "webhook-signature has more than 50 signatures"),
    ],
)  # fmt: skip
def test_what_is_not_signed_is_refused_and_the_error_says_why(change: dict[str, str], why: str) -> None:
    headers = webhooks.sign("msg_1", NOW, BODY, SECRET) | change

    with pytest.raises(InvalidSignature) as refused:
        webhooks.verify(BODY, headers, SECRET, now_s=NOW)

    assert str(refused.value) == why


def test_another_body_or_another_secret_is_refused() -> None:
    headers = webhooks.sign("msg_1", NOW, BODY, SECRET)

    with pytest.raises(InvalidSignature):
        webhooks.verify(BODY + b" ", headers, SECRET, now_s=NOW)
    with pytest.raises(InvalidSignature):
        webhooks.verify(BODY, headers, OTHER, now_s=NOW)


def test_while_secrets_rotate_either_side_may_have_both() -> None:
    both, one = webhooks.sign("msg_1", NOW, BODY, [OTHER, SECRET]), webhooks.sign("msg_1", NOW, BODY, SECRET)

    webhooks.verify(BODY, both, SECRET, now_s=NOW)
    webhooks.verify(BODY, both, OTHER, now_s=NOW)
    webhooks.verify(BODY, one, [OTHER, SECRET], now_s=NOW)


def test_names_of_headers_are_known_in_any_case_and_the_clock_is_now() -> None:
    headers = {name.title(): value for name, value in webhooks.sign("msg_1", time.time(), BODY, SECRET).items()}

    webhooks.verify(BODY, headers, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_QUJD", [], "whsec_" + "A" * 400])
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(BadInput) as refused:
        webhooks.sign("msg_1", NOW, BODY, secret)

    assert "QUJD" not in str(refused.value)
    assert "AAAA" not in str(refused.value)


@pytest.mark.parametrize("msg_id", ["", "a.b", "a\nb", "한"])
def test_an_id_that_could_be_read_in_two_ways_is_refused(msg_id: str) -> None:
    with pytest.raises(BadInput):
        webhooks.sign(msg_id, NOW, BODY, SECRET)
