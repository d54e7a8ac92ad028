"""What RDS puts before Postgres: TLS and its own login, then the bytes pass through."""

import asyncio
import contextlib
import socket
import ssl
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple, Self

from rehearsal.certificates import Certificate
from rehearsal.rds_login import INTERNAL_ERROR, LoginRefusedError, RdsLogin
from rehearsal.silence import drop_packets

# https://www.postgresql.org/docs/16/protocol-message-formats.html
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
CLEARTEXT_PASSWORD = 3
STARTUP_BYTES = range(8, 10_001)  # as Postgres allows
CHUNK_BYTES = 65536


class _Startup(NamedTuple):
    packet: bytes
    user: str
    database: str


class DatabaseFront:
    """Serves the login's address while the context is open, and relays to its Postgres.

    Attributes:
        most: sessions that were open at the same time.
    """

    def __init__(
        self, login: RdsLogin, certificate: Certificate, listener: socket.socket | None = None
    ) -> None:
        """Take the socket that listens at the login's port, or bind it.

        Raises:
            OSError: the port is taken.
        """
        self._login = login
        self._listener = listener or socket.create_server(("127.0.0.1", login.address.port))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.chain, certificate.key)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._listen()), name="database-front", daemon=True
        )
        self._listening: Future[asyncio.AbstractEventLoop] = Future()
        self._end = asyncio.Event()
        self._sessions: dict[asyncio.Task[None], Any] = {}  # and the socket of each
        self.most = 0
        self._buried = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._buried.set()
        self._listening.result().call_soon_threadsafe(self._end.set)
        self._thread.join()

    def cut(self) -> None:
        """Reset every open session; new ones are let in."""

        async def cut() -> None:
            sessions = list(self._sessions)
            for session in sessions:
                session.cancel()
            await asyncio.gather(*sessions, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cut(), self._listening.result()).result()

    def fall_silent(self) -> None:
        """Take and send nothing any more, as a host without power: who waits for an answer hears nothing."""
        # Whatever ends behind it, nobody is told.
        self._listening.result().call_soon_threadsafe(self._buried.wait)
        for each in (self._listener, *list(self._sessions.values())):
            with contextlib.suppress(OSError):  # one that has ended
                drop_packets(each)

    async def _listen(self) -> None:
        try:
            server = await asyncio.start_server(self._accept, sock=self._listener)
        except OSError as error:
            self._listening.set_exception(error)
            return
        self._listening.set_result(asyncio.get_running_loop())
        async with server:
            await self._end.wait()
            for session in self._sessions:
                session.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._sessions[session] = writer.get_extra_info("socket")
        self.most = max(self.most, len(self._sessions))
        session.add_done_callback(self._sessions.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            startup = await self._startup(reader, writer)
            if startup is not None:
                await self._relay(startup, reader, writer)
        except LoginRefusedError as refusal:
            writer.write(_fatal(refusal))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away; so does the session
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except Exception as error:  # noqa: BLE001 - no handshake or a check that broke: the door stays shut
            reason = f"{type(error).__name__}: {error}"
            writer.write(_fatal(self._login.refused("a client", reason, INTERNAL_ERROR, "internal error")))
        finally:
            writer.close()

    async def _startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Startup | None:
        """Agree on TLS and log in; None when it was a cancel request or nonsense.

        Raises:
            LoginRefusedError: RDS would not let this client in.
        """
        encrypted = False
        while True:
            size = await reader.readexactly(4)
            if int.from_bytes(size) not in STARTUP_BYTES:
                return None
            body = await reader.readexactly(int.from_bytes(size) - 4)
            code = int.from_bytes(body[:4])
            if code == SSL_REQUEST and not encrypted:
                writer.write(b"S")
                await writer.start_tls(self._tls)
                encrypted = True
            elif code == GSS_REQUEST:
                writer.write(b"N")
            elif code == CANCEL_REQUEST:
                await self._cancel(size + body)
                return None
            else:
                break
        words = [word.decode(errors="replace") for word in body[4:].split(b"\0")]
        parameters = dict(zip(words[::2], words[1::2], strict=False))
        user = parameters.get("user", "")
        startup = _Startup(size + body, user, parameters.get("database") or user)
        await asyncio.to_thread(self._login.check_encryption, user, startup.database, encrypted=encrypted)
        writer.write(b"R" + (8).to_bytes(4) + CLEARTEXT_PASSWORD.to_bytes(4))
        await reader.readexactly(1)
        password = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        await asyncio.to_thread(
            self._login.check_password, user, password.rstrip(b"\0").decode(errors="replace")
        )
        return startup

    async def _cancel(self, packet: bytes) -> None:
        _, upstream = await asyncio.open_unix_connection(self._login.postgres.socket)
        upstream.write(packet)
        upstream.close()

    async def _relay(
        self, startup: _Startup, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Open the same session at the real Postgres and pass bytes on until one side closes."""
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._login.postgres.socket)
        upstream_writer.write(startup.packet)
        pumps = [
            asyncio.ensure_future(_pump(reader, upstream_writer)),
            asyncio.ensure_future(_pump(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            upstream_writer.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()


def _fatal(refusal: LoginRefusedError) -> bytes:
    fields = {"S": "FATAL", "V": "FATAL", "C": refusal.code, "M": str(refusal)}
    body = b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4) + body
