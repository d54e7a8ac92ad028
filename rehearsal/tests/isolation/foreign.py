"""Requests of the other team with the first team's ids, all of them or one among its own."""

from collections.abc import Iterator, Mapping

from rehearsal.tests.isolation.entry import FRESH, Entry, Values
from rehearsal.tests.isolation.sameness import difference, leaked
from rehearsal.tests.isolation.values import COMMON, fresh, making, nowhere
from rehearsal.tests.isolation.world import Cell, World

OTHER = "other team's writer"


def ids(entry: Entry) -> tuple[str, ...]:
    """Return the names in an entry that stand for a team's own."""
    return tuple(name for name in entry.names if name not in COMMON)


def cells(world: World, entry: Entry, target: str) -> Iterator[Cell]:
    """Yield a cell with all ids foreign and, under the first path, one with each alone."""
    names = ids(entry)
    yield cell(world, entry, target, names)
    if len(names) > 1 and target == entry.targets[0]:
        yield from (cell(world, entry, target, (name,)) for name in names)


def cell(world: World, entry: Entry, target: str, foreign: tuple[str, ...]) -> Cell:
    def asked_both() -> str:
        asked = []
        # What does not exist is new each time: the request itself may have brought it into being.
        for source in (world.own, nowhere(world.own)):
            sent = {name: source[name] for name in foreign} | {"fresh": fresh()}
            request = entry.request(target, _mixed(sent, making(world.other, world.other_api)))
            asked.append((world.send(request, OTHER), sent))
        (theirs, sent), (absent, absent_sent) = asked
        where = f"{entry.line} at {target} with {foreign or 'no ids'} of the other team: "
        if found := difference(theirs, absent, sent, absent_sent):
            return where + found
        shown = leaked(theirs, world.own, sent)
        return f"{where}shows {shown} in {theirs.text[:300]}" if shown else ""

    return asked_both


def _mixed(foreign: Mapping[str, str], own: Values) -> Values:
    return lambda name: foreign[plain] if (plain := name.removeprefix(FRESH)) in foreign else own(name)
