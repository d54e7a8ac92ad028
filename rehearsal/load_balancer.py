"""The load balancer's data plane: the declared listeners and target group, served on loopback."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

import aiohttp
import requests
from aiohttp import web
from yarl import URL

from rehearsal.certificates import CertificateAuthority
from rehearsal.emulator import Emulator
from rehearsal.processes import listening_socket, wait_until
from rehearsal.unrehearsed import UnrehearsedError

CHUNK_BYTES = 64 * 1024
START_SECONDS = 10.0
# RFC 9110 section 7.6.1: these belong to one hop.
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoadBalancer:
    """Serves each declared listener on a free loopback port and forwards to one target.

    Attributes:
        ports: declared port to published port, as `docker run --publish` would map them.
    """

    def __init__(self, emulator: Emulator, authority: CertificateAuthority, load_balancer_arn: str) -> None:
        self._elb = emulator.client("elbv2")
        self._acm = emulator.client("acm")
        self._authority = authority
        self._arn = load_balancer_arn
        self._target = ""
        self.ports: dict[int, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load-balancer", daemon=True)
        self._runners: list[web.AppRunner] = []
        self._session: aiohttp.ClientSession | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_SECONDS)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def register(self, target: str) -> None:
        """Register the one target, `host:port`, once it passes the declared health check.

        Raises:
            NotReadyError: it does not.
            UnrehearsedError: the target group is of another kind.
        """
        (group,) = self._elb.describe_target_groups(LoadBalancerArn=self._arn)["TargetGroups"]
        if group["Protocol"] != "HTTP" or group["TargetType"] != "ip":
            raise UnrehearsedError(f"an HTTP target group of type ip is rehearsed, declared was {group}")
        url = f"http://{target}{group['HealthCheckPath']}"
        wanted = group["Matcher"]["HttpCode"]

        def reason() -> str | None:
            try:
                status = requests.get(url, timeout=group["HealthCheckTimeoutSeconds"]).status_code
            except requests.RequestException as error:
                return str(error)
            return None if str(status) == wanted else f"{url} answers {status}, healthy is {wanted}"

        seconds = group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"]
        wait_until(reason, what="target group", seconds=seconds)
        self._target = target

    async def _start(self) -> None:
        attributes = self._elb.describe_load_balancer_attributes(LoadBalancerArn=self._arn)["Attributes"]
        idle_seconds = float(
            next(a["Value"] for a in attributes if a["Key"] == "idle_timeout.timeout_seconds")
        )
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=idle_seconds),
            connector=aiohttp.TCPConnector(limit=0),
        )
        for listener in self._elb.describe_listeners(LoadBalancerArn=self._arn)["Listeners"]:
            await self._serve(listener, idle_seconds)

    async def _serve(self, listener: dict[str, Any], idle_seconds: float) -> None:
        (action,) = listener["DefaultActions"]
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._handler(action, listener))
        runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=idle_seconds, shutdown_timeout=1.0,
            auto_decompress=False,
        )  # fmt: skip
        await runner.setup()
        self._runners.append(runner)
        socket = listening_socket()
        await web.SockSite(runner, socket, ssl_context=self._tls(listener)).start()
        self.ports[int(listener["Port"])] = socket.getsockname()[1]

    def _tls(self, listener: dict[str, Any]) -> ssl.SSLContext | None:
        if listener["Protocol"] == "HTTP":
            return None
        (declared,) = listener["Certificates"]
        described = self._acm.describe_certificate(CertificateArn=declared["CertificateArn"])["Certificate"]
        if described["Status"] != "ISSUED":
            raise UnrehearsedError(f"certificate {declared['CertificateArn']} is {described['Status']}")
        # ACM never gives the private key away: one of our own for the same name stands in.
        certificate = self._authority.issue("load-balancer", described["DomainName"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate.chain, certificate.key)
        return context

    def _handler(self, action: dict[str, Any], listener: dict[str, Any]) -> Handler:
        if action["Type"] != "forward":
            raise UnrehearsedError(f"listener action {action['Type']}: forward alone is rehearsed")
        scheme = str(listener["Protocol"]).lower()

        async def forward(request: web.Request) -> web.StreamResponse:
            return await self._forward(request, scheme, int(listener["Port"]))

        return forward

    async def _forward(self, request: web.Request, scheme: str, port: int) -> web.StreamResponse:
        if self._session is None or not self._target:
            return web.Response(status=503, text="no healthy target")
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP]
        headers += [
            ("X-Forwarded-For", request.remote or ""),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Port", str(port)),
        ]
        try:
            async with self._session.request(
                request.method,
                URL(f"http://{self._target}{request.raw_path}", encoded=True),
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        response.headers.add(name, value)
                await response.prepare(request)
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    await response.write(chunk)
                await response.write_eof()
                return response
        except TimeoutError:
            return web.Response(status=504, text="the target did not answer within the idle timeout")
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"the target closed the connection: {error}")

    def _end(self) -> None:
        async def close() -> None:
            if self._session is not None:
                await self._session.close()
            for runner in self._runners:
                await runner.cleanup()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
