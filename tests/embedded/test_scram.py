"""The login exchange, against the example of RFC 7677."""

import doctest

from hanjul.embedded import scram

SERVER_FIRST = b"r=%s+server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def test_the_example_of_the_standard_holds() -> None:
    assert doctest.testmod(scram) == (0, 4)


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    login = scram.Exchange("ours", nonce="n")
    impostor = scram.Exchange("guessed", nonce="n")
    login.final(SERVER_FIRST % b"n")
    impostor.final(SERVER_FIRST % b"n")

    assert not login.verify(b"v=" + impostor_signature(impostor))


def impostor_signature(impostor: scram.Exchange) -> bytes:
    import base64

    return base64.b64encode(impostor._server_signature)
