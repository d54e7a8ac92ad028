"""Shows the tracking server's UI in a browser, which cannot log in: a proxy on this machine does it.

Other people may work on this machine, and any page in the browser can ask 127.0.0.1 for something. So the UI
stands under a path that nobody can guess and that no other place is told; without it nothing is passed on.
"""

import asyncio
import os
import secrets
import signal
import ssl
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from html import escape
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy
from yarl import URL

from .login_error import LoginError
from .token import TOKENS, TokenSource
from .ui_settings import UiSettings

ADDRESS = "127.0.0.1"
CONNECT_SECONDS = 10
SHUTDOWN_SECONDS = 1
PIECE_BYTES = 64 * 1024
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
# The browser's login is ours; its Referer would tell the path. The body's Expect was answered here. Cookies
# are those of every program that serves on this machine: a browser does not tell ports apart.
OURS = {"host", "referer", "expect", "cookie"}
THEIRS = {"set-cookie"}
PRIVATE = {"Referrer-Policy": "no-referrer"}


class Proxy:
    """Passes on what our own page in the browser asks, logged in.

    Attributes:
        path: under which the UI stands, with a slash at both ends.
    """

    def __init__(self, settings: UiSettings, tokens: TokenSource) -> None:
        self._settings = settings
        self._tokens = tokens
        self._session: aiohttp.ClientSession
        self._proxy: str | None = None
        self.path = f"/{secrets.token_urlsafe(32)}/"

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[str]:
        """Serve while the context is open and yield the UI's address.

        Raises:
            OSError: the port is taken.
        """
        # From the environment, as MLflow's own client takes it; aiohttp's own way would also take a password
        # for the server from ~/.netrc, and fail on having two logins.
        if proxy := select_proxy(self._settings.uri, get_environ_proxies(self._settings.uri)):
            self._proxy = prepend_scheme_if_needed(proxy, "http")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._settings.trust, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(), requote_redirect_url=False,
        ) as self._session:  # fmt: skip
            app = web.Application()
            app.router.add_route("*", "/{anything:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
            await runner.setup()
            try:
                site = web.TCPSite(runner, ADDRESS, port)
                await site.start()
                workspace = self._settings.workspace
                page = f"#/experiments?workspace={quote(workspace)}" if workspace else "#/experiments"
                yield f"http://{ADDRESS}:{runner.addresses[0][1]}{self.path}{page}"
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if reason := self._foreign(request):
            return _refusal(403, "PERMISSION_DENIED", reason)
        try:
            token = await asyncio.to_thread(self._tokens.token, self._settings.server.host)
        except LoginError as error:
            return _refusal(503, "TEMPORARILY_UNAVAILABLE", str(error))
        headers = _passed_on(request.headers, OURS)
        headers["Authorization"] = f"Bearer {token.text}"
        if "Origin" in request.headers:
            headers["Origin"] = self._settings.server.origin
        try:
            async with self._session.request(
                request.method,
                URL(f"{self._settings.uri}/{request.raw_path.removeprefix(self.path)}", encoded=True),
                headers=headers,
                proxy=self._proxy,
                data=request.content if request.body_exists else None,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                allow_redirects=False,
            ) as answer:
                if answer.status == web.HTTPUnauthorized.status_code:
                    self._tokens.drop(token.text)
                return await _stream(request, answer)
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
            return _refusal(
                502,
                "TEMPORARILY_UNAVAILABLE",
                f"{self._settings.server.origin} does not answer ({error or 'no answer in time'}): "
                f"curl -v {self._settings.uri}/health",
            )

    def _foreign(self, request: web.Request) -> str | None:
        """Say why a request is not our own page's."""
        port = request.get_extra_info("sockname")[1]
        hosts = {f"{ADDRESS}:{port}", f"localhost:{port}"}
        if len(request.headers.getall("Host", [])) != 1 or request.headers["Host"] not in hosts:
            return f"this address is http://{ADDRESS}:{port} and no other"
        if not request.raw_path.startswith(self.path):
            return "open the address that mlflow-team ui printed"
        if any(each != f"http://{request.headers['Host']}" for each in request.headers.getall("Origin", [])):
            return "another site may not use this login"
        # The page itself may be opened from a link, as the file is that hands it to the browser.
        page = request.method == "GET" and request.raw_path.partition("?")[0] == self.path
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not (
            page and request.headers.get("Sec-Fetch-Mode") == "navigate"
        ):
            return "another site may not use this login"
        return None


def _passed_on(headers: CIMultiDictProxy[str], ours: set[str]) -> CIMultiDict[str]:
    """Return the headers that concern the other end, doubled ones too."""
    named = {name.strip().lower() for line in headers.getall("Connection", []) for name in line.split(",")}
    left_out = HOP_BY_HOP | named | ours
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in left_out)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.extend(_passed_on(answer.headers, THEIRS))
    response.headers.update(PRIVATE)
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            await response.write(piece)
        await response.write_eof()
    except (aiohttp.ClientError, TimeoutError):
        if request.transport:  # half an answer must not look like a whole one
            request.transport.abort()
    except ConnectionResetError:
        pass  # the browser has gone
    return response


def _refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status, headers=PRIVATE)


def serve(settings: UiSettings, *, port: int, browser: bool) -> None:
    """Serve the UI until Ctrl-C.

    Raises:
        LoginError: nobody can log in.
        OSError: the port is taken.
    """
    TOKENS.token(settings.server.host)  # who cannot log in shall not meet that in a browser
    asyncio.run(_serve(settings, port=port, browser=browser))


async def _serve(settings: UiSettings, *, port: int, browser: bool) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Proxy(settings, TOKENS).serving(port) as address:
        print(f"mlflow-team: {settings.uri}, logged in, until Ctrl-C:\n{address}", flush=True)
        with _page(address) as page:
            if browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, page.as_uri())
            await ended.wait()


@contextmanager
def _page(address: str) -> Iterator[Path]:
    """Keep the address in a file of ours: what a program is told, as a browser, everybody here can read."""
    with tempfile.NamedTemporaryFile("w", suffix=".html") as page:
        page.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">')
        page.flush()
        yield Path(page.name)


def _has_screen() -> bool:
    """Tell whether a browser would have a window; a text browser would take the terminal."""
    return sys.platform != "linux" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
