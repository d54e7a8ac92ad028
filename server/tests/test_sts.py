"""Asking STS over real TLS, where a stand-in answers all that STS, or somebody in its place, could."""

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rehearsal.certificates import CertificateAuthority
from rehearsal.processes import free_port
from server.tests.tokens import NOW, parameters
from server.tracking_server import sts
from server.tracking_server.errors import StartError
from server.tracking_server.refusal import Refusal
from server.tracking_server.sts import LONGEST_BYTES, REFUSED, Sts, sts_origin
from server.tracking_server.token import Place, Token

ARN = "arn:aws:sts::123456789012:assumed-role/vision-writer/ada"
# As AWS writes it.
IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>{ARN}</Arn>
    <UserId>AROAEXAMPLE:ada</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
"""
MANY = f'<!DOCTYPE x [<!ENTITY a "{ARN}">]>' + IDENTITY.replace(ARN, "&a;")


def error(code: str, message: str = "It is wrong.") -> str:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )


class StandIn:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        stand_in = self
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: Callable[[Any], None] = lambda _: None
        self.silent = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]

            def do_GET(self) -> None:
                stand_in.asked.append((self.path, dict(self.headers)))
                stand_in.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        authority = CertificateAuthority(folder)
        certificate = authority.issue("sts", "localhost")
        self.bundle = authority.bundle
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.chain, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.place = Place(
            server_id="mlflow.example.com",
            region="eu-west-1",
            sts=f"https://localhost:{self._server.server_port}",
        )

    def answers(self, status: int, text: str, **headers: str) -> None:
        def answer(handler: Any) -> None:
            body = text.encode()
            handler.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answer = answer

    def end(self) -> None:
        self.silent.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(stand_in.bundle))
    yield stand_in
    stand_in.end()


def question(place: Place) -> str:
    return f"{place.sts}/?" + "&".join(f"{name}={value}" for name, value in parameters().items())


def ask(place: Place) -> str | Refusal:
    async def asked() -> str | Refusal:
        async with Sts(place) as session:
            return await session.ask(
                Token(question=question(place), key="", signed_at=NOW, expires=NOW + 900)
            )

    return asyncio.run(asked())


def test_sts_gets_the_signed_bytes_and_our_own_name_and_names_the_signer(stand_in: StandIn) -> None:
    stand_in.answers(200, IDENTITY)
    assert ask(stand_in.place) == ARN
    ((path, headers),) = stand_in.asked
    assert path == question(stand_in.place).removeprefix(stand_in.place.sts)
    assert headers["x-mlflow-server-id"] == "mlflow.example.com"
    assert headers["Host"] == stand_in.place.sts.removeprefix("https://")


def test_an_answer_with_the_usual_first_line_is_read_too(stand_in: StandIn) -> None:
    stand_in.answers(200, f'<?xml version="1.0" encoding="UTF-8"?>\n{IDENTITY}')
    assert ask(stand_in.place) == ARN


@pytest.mark.parametrize("code", sorted(REFUSED))
@pytest.mark.parametrize("status", [400, 403])
def test_a_token_that_sts_refuses_is_refused_with_a_command(
    stand_in: StandIn, status: int, code: str
) -> None:
    stand_in.answers(status, error(code))
    refusal = ask(stand_in.place)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.rule) == (401, code)
    assert ": " in refusal.message
    assert "{" not in refusal.message


@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20261123T115959Z is now earlier than 20261123T120000Z (…)",
        "Signature not yet current: 20261123T121600Z is still later than 20261123T121500Z",
    ],
)
def test_a_signature_that_is_only_too_old_or_new_is_the_clocks_fault(stand_in: StandIn, message: str) -> None:
    stand_in.answers(403, error("SignatureDoesNotMatch", message))
    refusal = ask(stand_in.place)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "RequestExpired"
    assert "timedatectl" in refusal.message


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, error("Throttling")),
        (403, error("AccessDenied")),
        (500, error("InternalFailure")),
        (500, error("SignatureDoesNotMatch")),
        (503, ""),
        (403, ""),
        (404, "<html>not here</html>"),
        (204, ""),
        (201, IDENTITY),
        (200, ""),
        (200, "{}"),
        (200, "<html>log in to the hotel's network</html>"),
        (200, f"<html><Arn>{ARN}</Arn></html>"),
        (200, error("SignatureDoesNotMatch")),
        (200, IDENTITY.replace("<Arn>", f"<Arn>{ARN}</Arn><Arn>")),
        (200, IDENTITY.replace(ARN, "&a;")),
        (200, MANY),
        (200, " " * LONGEST_BYTES + IDENTITY),
    ],
)
def test_whatever_else_is_answered_lets_nobody_in(stand_in: StandIn, status: int, text: str) -> None:
    stand_in.answers(status, text)
    assert ask(stand_in.place) == sts.UNAVAILABLE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(stand_in: StandIn, status: int) -> None:
    stand_in.answers(status, "", Location=f"{stand_in.place.sts}/elsewhere")
    assert ask(stand_in.place) == sts.UNAVAILABLE
    assert len(stand_in.asked) == 1


def test_a_compressed_answer_is_not_blown_up(stand_in: StandIn) -> None:
    stand_in.answers(200, IDENTITY, **{"Content-Encoding": "gzip"})
    assert ask(stand_in.place) == ARN
    assert stand_in.asked[0][1]["Accept-Encoding"] == "identity"


def test_an_answer_that_does_not_end_is_cut_off(stand_in: StandIn) -> None:
    ended = threading.Event()

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 1024)
        except OSError:
            ended.set()

    stand_in.answer = answer
    assert ask(stand_in.place) == sts.UNAVAILABLE
    assert ended.wait(sts.SECONDS)


def test_silence_is_borne_for_so_long_only(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "SECONDS", 0.2)
    stand_in.answer = lambda _: stand_in.silent.wait(60)  # type: ignore[assignment,return-value]
    assert ask(stand_in.place) == sts.UNAVAILABLE


def test_no_sts_is_no_login() -> None:
    place = Place(server_id="x", region="eu-west-1", sts=f"https://localhost:{free_port()}")
    assert ask(place) == sts.UNAVAILABLE


def test_somebody_with_another_authoritys_certificate_is_not_asked(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.answers(200, IDENTITY)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert ask(stand_in.place) == sts.UNAVAILABLE
    assert stand_in.asked == []


def test_somebody_with_a_certificate_for_another_name_is_not_asked(stand_in: StandIn) -> None:
    stand_in.answers(200, IDENTITY)
    address = stand_in.place.sts.replace("localhost", "127.0.0.1")
    assert ask(Place(server_id="x", region="eu-west-1", sts=address)) == sts.UNAVAILABLE
    assert stand_in.asked == []


def test_a_proxy_of_the_environment_is_not_used(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    stand_in.answers(200, IDENTITY)
    assert ask(stand_in.place) == ARN


def test_neither_log_nor_refusal_says_the_token(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for status, text in ((200, "x"), (403, error("SignatureDoesNotMatch")), (302, ""), (500, "x")):
        stand_in.answers(status, text, Location="/")
        said.append(repr(ask(stand_in.place)))
    stand_in.answer = lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n")
    said.append(repr(ask(stand_in.place)))
    nowhere = Place(server_id="x", region="eu-west-1", sts=f"https://localhost:{free_port()}")
    said.append(repr(ask(nowhere)))
    text = caplog.text + "".join(said)
    assert "STS does not answer" in text
    assert not [word for word in ("X-Amz", "0123456789abcdef", "IQoJ", "ASIA") if word in text]


def test_sts_is_found_as_every_sdk_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    assert sts_origin("eu-west-1") == "https://sts.eu-west-1.amazonaws.com"
    assert sts_origin("us-east-1") == "https://sts.us-east-1.amazonaws.com"
    assert sts_origin("cn-north-1") == "https://sts.cn-north-1.amazonaws.com.cn"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:4566/")
    assert sts_origin("eu-west-1") == "https://127.0.0.1:4566"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:4566", "https://x.example/path", "https://a:b@x.example"]
)
def test_another_address_than_an_https_host_ends_the_start(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(StartError, match="unset AWS_ENDPOINT_URL"):
        sts_origin("eu-west-1")
