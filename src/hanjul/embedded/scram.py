"""SCRAM-SHA-256, the client's half: proves that we know the password, and that the server does.

Source: RFC 5802 and RFC 7677; PostgreSQL's use of it: "SASL Authentication" in its manual.
"""

import base64
import hashlib
import hmac
import secrets

MECHANISM = b"SCRAM-SHA-256"


def _sign(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


class Exchange:
    """One login: `first`, then `final(server_first)`, then `verify(server_final)`.

    >>> login = Exchange("pencil", user="user", nonce="rOprNGfwEbeRWgbNEkqO")
    >>> server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    >>> login.final(server.encode())[-46:]
    b'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
    >>> login.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    True
    """

    def __init__(self, password: str, *, user: str = "", nonce: str | None = None) -> None:
        self._password = password
        self._nonce = nonce or secrets.token_urlsafe(18)
        self._bare = f"n={user},r={self._nonce}".encode()
        self._server_signature = b""

    @property
    def first(self) -> bytes:
        """The client's first message."""
        return b"n,," + self._bare

    def final(self, server_first: bytes) -> bytes:
        """The client's proof. Raises ValueError if the answer does not continue our nonce."""
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        if not fields["r"].startswith(self._nonce):
            raise ValueError("the server did not continue our nonce")
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        reply = f"c=biws,r={fields['r']}".encode()
        transcript = b",".join((self._bare, server_first, reply))
        client_key = _sign(salted, b"Client Key")
        signature = _sign(hashlib.sha256(client_key).digest(), transcript)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = _sign(_sign(salted, b"Server Key"), transcript)
        return reply + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> bool:
        """Whether the server proved that it knows the password too."""
        expected = b"v=" + base64.b64encode(self._server_signature)
        return hmac.compare_digest(expected, server_final)
