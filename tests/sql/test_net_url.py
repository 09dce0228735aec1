"""URLs as they are stored, and the errors of those that are none: pg_net's, which are libcurl's."""

import pytest

PLAIN = [
    "http://example.com/",
    "https://jsonplaceholder.typicode.com/todos/1",
    "http://127.0.0.1:8080/x",
    "http://localhost:54321/rest/v1/rpc/a_b?x=1&y=%20z",
    "https://a-b.c_d.example/a.b/c-d~e/'(x)*,;:@=+$!&/",
    "http://x:80/%7B%7d",
]
REBUILT = {
    "http://example.com": "http://example.com/",
    "http://example.com?a=1": "http://example.com/?a=1",
    "http://example.com?": "http://example.com/",
    "http://example.com/?": "http://example.com/",
    "http://example.com/#": "http://example.com/",
    "http://example.com/a#b": "http://example.com/a#b",
    "http://example.com#b?c": "http://example.com/#b?c",
    "HTTPS://Example.com/": "https://Example.com/",
    "http:/example.com/": "http://example.com/",
    "http:///example.com/": "http://example.com/",
    "http://x/a/./b": "http://x/a/b",
    "http://x/a/../b": "http://x/b",
    "http://x/../../b": "http://x/b",
    "http://x/a/..": "http://x/",
    "http://x/a/b/.": "http://x/a/b/",
    "http://x/a//../b": "http://x/a/b",
    "http://x/.a/..b/c./...": "http://x/.a/..b/c./...",
    "http://x/a/%2e%2e/%7B%7d": "http://x/a/%2e%2e/%7B%7d",
    "http://x/?a=/b?c": "http://x/?a=/b?c",
    "http://x/?q=../..": "http://x/?q=../..",
    "http://x/한/é?q=é#ß": "http://x/한/é?q=é#ß",
    "http://bücher.example/": "http://bücher.example/",
    "http://user:p%40w@x/": "http://user:p%40w@x/",
    "http://user@x:80/": "http://user@x:80/",
    "http://x:/": "http://x/",
    "http://x:00080/": "http://x:80/",
    "http://x:65535/": "http://x:65535/",
    "http://127.1": "http://127.0.0.1/",
    "http://0x7f000001/": "http://127.0.0.1/",
    "http://0X7F.1/": "http://127.0.0.1/",
    "http://2130706433/": "http://127.0.0.1/",
    "http://0177.0.0.01/": "http://127.0.0.1/",
    "http://1.2.3/": "http://1.2.0.3/",
    "http://0/": "http://0.0.0.0/",
    "http://4294967295:1/": "http://255.255.255.255:1/",
    "http://4294967296/": "http://4294967296/",  # no address, so a name, which nobody has
    "http://256.1.1.1/": "http://256.1.1.1/",
    "http://1.2.3.4.5/": "http://1.2.3.4.5/",
    "http://08.1.1.1/": "http://08.1.1.1/",
    "http://0x/": "http://0x/",
    "http://[::1]/": "http://[::1]/",
    "http://[0:0::0001]:8080/a": "http://[::1]:8080/a",
    "http://[::FFFF:127.0.0.1]/": "http://[::ffff:127.0.0.1]/",
    "http://[fe80::1%25eth0]/": "http://[fe80::1%25eth0]/",
    "http://x/a'b\"c<d>{e}|f\\g^h`i": "http://x/a'b\"c<d>{e}|f\\g^h`i",
}
INVALID = {
    "Unsupported URL scheme": ["localhost:6666", "mailto:x@y", "ftp://x/", "file:///etc/passwd", "gopher://x/", "javascript:1", "ws://x/"],
    "Bad scheme": ["", "x", "/a", "//x/a", " http://x/", "\nhttp://x/", "://x", "1http://x/", "?a"],
    "Unsupported number of slashes following scheme": ["http:x", "http:", "http:////x/"],
    "No host part in the URL": ["http://", "http:///", "http://?a", "http://#a", "http://user@/", "http://:80/"],
    "Bad hostname": [
        "http://a b/", "http://a@b@c/", "http://a\tb/", "http://a\nb/", "http://a<b/", "http://a%20b/", "http://x\\y/", "http://a;b/",
    ],
    "Bad IPv6 address": ["http://[]/", "http://[::1/", "http://[x]/", "http://[127.0.0.1]/", "http://[1:2:3:4:5:6:7:8:9]/"],
    "Bad path": ["http://x/a b", "http://x/a\nb", "http://x/ ", "http://x/a\x7f"],
    "Bad query": ["http://x/?a b", "http://x/?a\r\nb"],
    "Bad fragment": ["http://x/#a b"],
    "Bad login part": ["http://a b@x/"],
    "Port number was not a decimal number between 0 and 65535": [
        "http://x:65536/", "http://x:a/", "http://x:-1/", "http://x:8 0/", "http://[::1]x/", "http://x:1:2/",
        f"http://x:{'9' * 60}/",
    ],
}  # fmt: skip
STORED = "select url from net.http_request_queue where id = %s"


@pytest.mark.parametrize("url", PLAIN)
def test_a_plain_url_is_stored_as_it_is_and_rebuilding_it_would_change_nothing(shared, url):
    assert shared.one("select net._is_plain_url(%s)", url)
    assert shared.one("select net._rebuild_url(%s)", url) == url
    assert shared.one(STORED, shared.one("select net.http_get(%s)", url)) == url


@pytest.mark.parametrize(("url", "stored"), REBUILT.items())
def test_other_urls_are_stored_as_libcurl_rebuilds_them(shared, url, stored):
    assert shared.one(STORED, shared.one("select net.http_get(%s)", url)) == stored


@pytest.mark.parametrize("url", REBUILT.values())
def test_what_was_rebuilt_is_rebuilt_to_the_same(shared, url):
    assert shared.one("select net._rebuild_url(%s)", url) == url


@pytest.mark.parametrize("url", [url for url, stored in REBUILT.items() if url != stored])
def test_nothing_that_would_be_changed_is_taken_for_plain(shared, url):
    assert not shared.one("select net._is_plain_url(%s)", url)


@pytest.mark.parametrize(("reason", "url"), [(reason, url) for reason, urls in INVALID.items() for url in urls])
def test_what_is_no_url_is_refused_with_the_reason(shared, refused, reason, url):
    for call in ("http_get(%s)", "http_post(%s)", "http_delete(%s)", "http_request('GET', %s)", "http_get(%s, '{\"a\": 1}')"):
        with refused("XX000", f'invalid URL "{url}": {reason}'):
            shared.run(f"select net.{call}", url)


# Parameters


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ('{"a": 1}', "?a=1"),
        ('{"bb": "2", "a": "1", "c": true}', "?a=1&c=true&bb=2"),  # in the order of jsonb: length, then bytes
        ('{"a b": "c&d=é/?#한"}', "?a%20b=c%26d%3D%C3%A9%2F%3F%23%ED%95%9C"),
        ('{"a": null, "b": ""}', "?b="),
        ('{"": ""}', "?="),
        ('{"a": [1, {"b": "c"}]}', "?a=%5B1%2C%20%7B%22b%22%3A%20%22c%22%7D%5D"),
        ('{"a": "\\r\\nX: y"}', "?a=%0D%0AX%3A%20y"),
        ('{"a": "-._~"}', "?a=-._~"),
        ('{"a": null}', ""),
        ("{}", ""),
    ],
)
def test_params_are_encoded_and_appended(shared, params, query):
    assert shared.one(STORED, shared.one("select net.http_get('http://x', %s::jsonb)", params)) == f"http://x/{query}"


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("http://x/?q", "http://x/?q&a=1"),
        ("http://x/?q=1&", "http://x/?q=1&a=1"),
        ("http://x?", "http://x/?a=1"),
        ("http://x/b#c", "http://x/b?a=1#c"),
        ("http://x/b?q#c?d", "http://x/b?q&a=1#c?d"),
        ("http://x/%zz%41", "http://x/%zz%41?a=1"),
    ],
)
def test_params_come_after_the_query_and_before_the_fragment(shared, url, stored):
    assert shared.one(STORED, shared.one("select net.http_get(%s, '{\"a\": 1}')", url)) == stored


# The two encoders


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", ""),
        ("aZ09-._~", "aZ09-._~"),
        (" ", "%20"),
        ("a+b/c?d=e&f", "a%2Bb%2Fc%3Fd%3De%26f"),
        ("é한😀", "%C3%A9%ED%95%9C%F0%9F%98%80"),
        ("\x01\x7f%", "%01%7F%25"),
        (None, None),
    ],
)
def test_a_text_is_encoded_by_its_utf8_bytes(shared, text, encoded):
    assert shared.one("select net._urlencode_string(%s)", text) == encoded


@pytest.mark.parametrize(
    ("array", "stored"),
    [
        (["a=1", None, "b=%20"], "http://x/?a=1&b=%20"),
        (["a=é c"], "http://x/?a=é c"),
        ([None], "http://x/"),
        ([], "http://x/"),
        (None, "http://x/"),
    ],
)
def test_an_array_of_params_is_appended_as_it_is_without_nulls(shared, array, stored):
    assert shared.one("select net._encode_url_with_params_array('http://x', %s::text[])", array) == stored


def test_no_url_is_no_url(shared):
    assert shared.one("select net._encode_url_with_params_array(null, '{a=1}')") is None


def test_a_long_url_is_fine(shared):
    url = f"http://x/{'a/' * 50_000}?{'b' * 100_000}"

    assert shared.one(STORED, shared.one("select net.http_get(%s)", url)) == url
