"""Untyped last arguments: section 14 of the contract, and weak spot 22."""

import pytest

DELAY = "extract(epoch from vt - clock_timestamp())"
# what is written, headers, seconds of delay
UNTYPED = [
    ("60", None, 60),
    ("-60", None, -60),
    (" +60 ", None, 60),
    ("0", None, 0),
    ("2147483647", None, 2147483647),
    ('{"x-pgmq-group": "a"}', {"x-pgmq-group": "a"}, 0),
    (' {"h": 1}', {"h": 1}, 0),
    ("{}", {}, 0),
    ("null", None, 0),
    (None, None, 0),
    ("2999-01-01 00:00:00+00", None, None),
    ("2999-01-01T00:00:00Z", None, None),
    ("infinity", None, None),
]
DELAYS = [(text, delay_s) for text, headers, delay_s in UNTYPED if headers is None and text not in ("null", None)]
WRONG = [("later", "22007"), ("[1]", "22007"), ("1.5.", "22007"), ("99999999999", "22003"), ("{", "22P02")]


@pytest.fixture
def post(mail):
    """The queue `mail`, which the key `k` reaches."""
    mail.run("select pgmq.bind_topic('k', 'mail')")
    return mail


@pytest.mark.parametrize(("text", "headers", "delay_s"), UNTYPED)
@pytest.mark.parametrize("call", ["send('mail', '1', %s)", "send_batch_topic('k', '{1}', %s)", "send_batch('mail', '{1}', %s)"])
def test_weak_spot_22_an_untyped_third_argument_is_what_its_text_says(post, call, text, headers, delay_s):
    if "batch" in call and headers is not None:
        text = '{"' + text.replace('"', r"\"") + '"}'  # an array of one

    post.run(f"select pgmq.{call}", text)

    if delay_s is None:
        assert post.rows("select headers, vt = %s::timestamptz from pgmq.q_mail", text) == [(None, True)]
    else:
        [(got, delay)] = post.rows(f"select headers, {DELAY} from pgmq.q_mail")
        assert (got, delay) == (headers, pytest.approx(delay_s, abs=5))


@pytest.mark.parametrize(("text", "delay_s"), DELAYS)
@pytest.mark.parametrize(
    "call", ["send('mail', '1', '2', %s)", "send_batch('mail', '{1}', '{2}', %s)", "send_batch_topic('k', '{1}', '{2}', %s)"]
)
def test_weak_spot_22_an_untyped_delay_behind_headers_is_seconds_or_a_time(post, call, text, delay_s):
    post.run(f"select pgmq.{call}", text)

    if delay_s is None:
        assert post.rows("select headers, vt = %s::timestamptz from pgmq.q_mail", text) == [(2, True)]
    else:
        [(got, delay)] = post.rows(f"select headers, {DELAY} from pgmq.q_mail")
        assert (got, delay) == (2, pytest.approx(delay_s, abs=5))


@pytest.mark.parametrize(("text", "headers", "delay_s"), [("60", None, 60), ('{"h": 1}', {"h": 1}, 0)])
def test_weak_spot_22_send_topic_takes_headers_or_seconds(post, text, headers, delay_s):
    assert post.one("select pgmq.send_topic('k', '1', %s)", text) == 1

    [(got, delay)] = post.rows(f"select headers, {DELAY} from pgmq.q_mail")
    assert (got, delay) == (headers, pytest.approx(delay_s, abs=5))


def test_an_untyped_null_is_still_a_missing_delay_to_send_topic(post, refused):
    with refused("23502"):
        post.run("select pgmq.send_topic('k', '1', null)")


@pytest.mark.parametrize(("text", "sqlstate"), WRONG)
def test_a_text_that_says_nothing_is_refused(post, refused, text, sqlstate):
    with refused(sqlstate):
        post.run("select pgmq.send('mail', '1', %s)", text)


@pytest.mark.parametrize(
    "ids", ["'1'", "1", "'1'::bigint", "' 1 '", "'{1}'", "'{1, 7}'", "'{1}'::bigint[]", "array[1]::bigint[]"]
)
@pytest.mark.parametrize(("text", "delay_s"), [("60", 60), ("-60", -60), ("2999-01-01 00:00:00+00", None)])
def test_weak_spot_22_set_vt_takes_an_untyped_id_and_an_untyped_time(mail, ids, text, delay_s):
    mail.run("select pgmq.send('mail', '1')")

    assert mail.column(f"select msg_id from pgmq.set_vt('mail', {ids}, %s)", text) == [1]

    if delay_s is None:
        assert mail.one("select vt = %s::timestamptz from pgmq.q_mail", text) is True
    else:
        assert mail.one(f"select {DELAY} from pgmq.q_mail") == pytest.approx(delay_s, abs=5)


def test_set_vt_without_a_time_is_refused(mail, refused):
    mail.run("select pgmq.send('mail', '1')")

    with refused("23502"):
        mail.run("select pgmq.set_vt('mail', 1, null)")
    with refused("22P02"):
        mail.run("select pgmq.set_vt('mail', 'x', '1')")


def test_a_time_is_read_by_the_settings_of_its_session(mail):
    mail.run("set timezone = 'Asia/Seoul'")

    mail.run("select pgmq.send('mail', '1', '2999-01-01 09:00')")

    assert mail.one("select vt = '2999-01-01 00:00:00+00' from pgmq.q_mail") is True
