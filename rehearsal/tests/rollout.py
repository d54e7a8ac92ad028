"""`pulumi` for a script that calls it: runs the real program against the emulated account, as an update."""

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rehearsal.deployment import Deployment, DeploymentError, Resource
from rehearsal.engine import deploy
from rehearsal.laptop import ROOT
from rehearsal.project import Project
from rehearsal.stack import STACK, RehearsedStack
from rehearsal.tests.second_up import SecondUp
from rehearsal.wire import reveal

SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
EXCLUDE = "--exclude="
PROGRAM = """#!{python}
import json, sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:{port}", data=json.dumps(sys.argv[1:]).encode())
answer = json.load(urllib.request.urlopen(request, timeout=300))
sys.stdout.write(answer["said"])
sys.exit(answer["code"])
"""


class Rollout(SecondUp):
    """An update with a new image: new revisions of task definitions, and the service put on its own."""

    def __init__(self, stack: RehearsedStack, before: Deployment, held: set[str]) -> None:
        super().__init__(stack.emulator, before)
        self._ecs = stack.emulator.client("ecs")
        self._held = held

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        before = self._before[resource.urn]
        if resource.urn in self._held or before.inputs == resource.inputs:
            return before.id, reveal(before.outputs)
        self.changed.append(resource.name)
        if resource.type == TASK:
            return self._cloud.create(resource)
        assert resource.type == SERVICE, f"a new image changes {resource.name}, too"
        self._ecs.update_service(
            cluster=resource.inputs["cluster"],
            service=before.outputs["name"],
            taskDefinition=resource.inputs["taskDefinition"],
        )
        return before.id, reveal(before.outputs) | resource.inputs


class PulumiStandIn:
    """What the program `pulumi` in a folder does, while the context is open.

    Attributes:
        deployment: of the stack, as it is now.
        config: what the next update is made from.
        calls: the arguments of each call.
        fails: the next update of everything does.
    """

    def __init__(self, stack: RehearsedStack, folder: Path) -> None:
        assert stack.deployment is not None
        self._stack = stack
        self._folder = folder
        self.deployment = stack.deployment
        self.config = dict(stack.config)
        self.calls: list[list[str]] = []
        self.fails = False

    @contextlib.contextmanager
    def running(self) -> Iterator[Path]:
        """Yield the folder for PATH."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code, said = stand_in.call(arguments)
                body = json.dumps({"code": code, "said": said}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self._folder.mkdir(exist_ok=True)
            program = self._folder / "pulumi"
            program.write_text(PROGRAM.format(python=sys.executable, port=server.server_address[1]))
            program.chmod(0o755)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield self._folder
            server.shutdown()

    def call(self, arguments: list[str]) -> tuple[int, str]:
        """Return the exit code and what is said."""
        self.calls.append(arguments)
        if arguments[:2] == ["stack", "output"]:
            return 0, json.dumps(self.deployment.outputs)
        assert arguments[:3] == ["up", "--yes", "--skip-preview"], arguments
        excluded = arguments[3:]
        assert all(one.startswith(EXCLUDE) for one in excluded), arguments
        if self.fails and not excluded:
            self.fails = False
            return 255, "error: update failed\n"
        return self._up({one.removeprefix(EXCLUDE) for one in excluded})

    def _up(self, held: set[str]) -> tuple[int, str]:
        before = {resource.urn: resource for resource in self.deployment.resources}
        assert held <= before.keys()
        cloud = Rollout(self._stack, self.deployment, held)
        try:
            after = deploy(Project(ROOT), STACK, self.config, cloud=cloud, log=lambda _: None)
        except DeploymentError as error:
            return 255, str(error)
        after.resources[:] = [before[r.urn] if r.urn in held else r for r in after.resources]
        self.deployment = after
        return 0, f"updated {', '.join(sorted(cloud.changed)) or 'nothing'}\n"
