"""The seeded stack, and what is asked of it: a cell that is not as it should be is a sentence."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from rehearsal.stack import RehearsedStack
from rehearsal.teams import OTHER_TEAM, TEAM
from rehearsal.tests.isolation.callers import callers
from rehearsal.tests.isolation.catalog import CATALOG
from rehearsal.tests.isolation.client import Answer, Api, Front, Request
from rehearsal.tests.isolation.entry import FRESH, Entry, Kind, Values, read
from rehearsal.tests.isolation.installed import OWN, installed_routes
from rehearsal.tests.isolation.kept import Kept, kept
from rehearsal.tests.isolation.sameness import difference
from rehearsal.tests.isolation.seed import seed
from rehearsal.tests.isolation.values import making, nowhere, standing

# More than the server's processors: most of a request is waiting for Postgres and S3.
THREADS = 4
GONE = 404

Cell = Callable[[], str]


class World:
    """Two seeded teams.

    Attributes:
        own, other: what the vision and the speech team have, by name.
        targets: each entry of the catalog with each path that the installed MLflow serves it under.
        cells: how many were asked, by kind.
    """

    def __init__(self, stack: RehearsedStack) -> None:
        self.stack = stack
        port = urlsplit(stack.tracking_uri).port
        assert port is not None
        self.front = Front(port, stack.emulator.ca_bundle)
        self.callers = callers(stack)
        self.cells: Counter[str] = Counter()
        self.api = Api(self.front, self.callers["writer"])
        self.other_api = Api(self.front, self.callers["other team's writer"])
        self.own = seed(self.api, self._put, TEAM)
        self.other = seed(self.other_api, self._put, OTHER_TEAM)
        self.targets = tuple(_served(CATALOG))

    def _put(self, uri: str, body: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.stack.emulator.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def kept(self) -> Kept:
        return kept(self.stack)

    def send(self, request: Request, caller: str) -> Answer:
        return self.front.send(request.having(*self.callers[caller]))

    def of_kind(self, *kinds: Kind) -> Iterator[tuple[Entry, str]]:
        return ((entry, target) for entry, target in self.targets if entry.kind in kinds)

    def ask(self, name: str, cells: Iterable[Cell]) -> list[str]:
        """Run cells a few at a time; return the sentences of those that are not as they should be."""
        with ThreadPoolExecutor(THREADS) as pool:
            said = list(pool.map(lambda cell: cell(), cells))
        self.cells[name] += len(said)
        assert said, f"no cell of {name}"
        return [each for each in said if each]

    def refused(self, entry: Entry, target: str, caller: str, expected: tuple[int, str]) -> Cell:
        """Expect a refusal, the same for the team's own ids as for ids that do not exist."""

        def cell() -> str:
            where = f"{caller}: {entry.line} at {target}: "
            absent = nowhere(self.own)
            theirs = self.send(entry.request(target, standing(self.own)), caller)
            if (theirs.status, theirs.error_code) != expected:
                return f"{where}expected {expected}, got {theirs.status} {theirs.text[:200]}"
            unknown = self.send(entry.request(target, standing(absent)), caller)
            found = difference(theirs, unknown, _sent(entry, self.own), _sent(entry, absent))
            return where + found if found else ""

        return cell

    def allowed(self, entry: Entry, target: str, caller: str, values: Values | None = None) -> Cell:
        """Expect success, and the seeded data where the route returns data."""

        def cell() -> str:
            where = f"{caller}: {entry.line} at {target}: "
            given = values or making(self.own, self.api)
            for step in entry.before:
                self.send(step.request(step.targets[-1], given), "writer")
            answer = self.send(entry.request(target, given), caller)
            if answer.status not in entry.succeeds:
                return f"{where}{answer.status} {answer.text[:300]}"
            missing = [name for name in entry.shows if self._shown(name, given) not in answer.text]
            if missing:
                return f"{where}no {missing} in {answer.text[:300]}"
            without_effect = self._without_effect(entry, given)
            return where + without_effect if without_effect else ""

        return cell

    def _without_effect(self, entry: Entry, values: Values) -> str:
        """Say what a write left as it was."""
        if entry.seen:
            line, *shown = entry.seen
            look = read(line)
            text = self.send(look.request(look.targets[0], values), "writer").text
            missing = [each for each in shown if self._shown(each, values) not in text]
            if missing:
                return f"afterwards {line} shows no {missing}: {text[:300]}"
        if entry.gone:
            look = read(entry.gone)
            status = self.send(look.request(look.targets[0], values), "writer").status
            if status != GONE:
                return f"afterwards {entry.gone} is answered {status}"
        return ""

    def _shown(self, name: str, values: Values) -> str:
        """Return the value of a name, or the text itself."""
        return values(name) if name.removeprefix(FRESH) in {*self.own, "fresh"} else name


def _sent(entry: Entry, own: dict[str, str]) -> dict[str, str]:
    return {name: own[name] for name in entry.names}


def _served(catalog: Iterable[Entry]) -> Iterator[tuple[Entry, str]]:
    routes = installed_routes() | {key: {""} for key in OWN}
    for entry in catalog:
        prefixes = tuple(routes.get(entry.key, ()))
        yield from ((entry, target) for target in entry.targets if target.startswith(prefixes))
