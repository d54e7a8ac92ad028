"""A lineage as a picture: data and runs in columns, from source to result."""

from pathlib import Path

from .bad_input import BadInputError
from .lineage import Lineage

FORMATS = (".svg", ".png", ".pdf")
COLUMN_INCHES, ROW_INCHES = 2.6, 0.7
LONGEST_LABEL = 28


def draw(lineage: Lineage, path: Path) -> None:
    """Write the picture.

    Raises:
        BadInputError: matplotlib is missing, or the file's ending is none of its formats.
    """
    try:
        # Without pyplot: no window system is asked, nothing of a notebook's changes.
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise BadInputError(["what draws pictures is not installed: pip install matplotlib"]) from None
    if path.suffix.lower() not in FORMATS:
        raise BadInputError([f"--picture {path}: ends in none of {', '.join(FORMATS)}"])
    edges = _edges(lineage)
    places = _places(lineage, edges)
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    figure = Figure(figsize=(COLUMN_INCHES * columns, ROW_INCHES * (rows + 1)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.axis("off")
    for start, end in edges:
        axes.annotate(
            "",
            places[end],
            places[start],
            arrowprops={"arrowstyle": "->", "color": "grey", "shrinkA": 40, "shrinkB": 40},
        )
    for node, (column, row) in places.items():
        label, colour = _look(lineage, node)
        axes.text(
            column, row, label, ha="center", va="center", fontsize=8, parse_math=False,
            bbox={"boxstyle": "round" if node in lineage.runs else "square", "facecolor": colour},
        )  # fmt: skip
    figure.savefig(path)


def _edges(lineage: Lineage) -> list[tuple[str, str]]:
    return [
        *((digest, run) for digest, runs in lineage.users.items() for run in runs),
        *((run, digest) for digest, runs in lineage.makers.items() for run in runs),
    ]


def _places(lineage: Lineage, edges: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Put each node a column behind the last of those before it; a circle ends after so many steps."""
    columns = dict.fromkeys([*lineage.names, *lineage.runs], 0)
    for _ in range(len(columns)):
        moved = False
        for start, end in edges:
            if columns[end] <= columns[start] < len(columns):
                columns[end], moved = columns[start] + 1, True
        if not moved:
            break
    rows: dict[int, int] = {}
    places = {}
    used = sorted(set(columns.values()))
    for node, column in columns.items():
        column = used.index(column)  # noqa: PLW2901 - without the gaps that a circle leaves
        places[node] = (column, rows.setdefault(column, 0))
        rows[column] += 1
    return places


def _look(lineage: Lineage, node: str) -> tuple[str, str]:
    if node not in lineage.runs:
        return f"{_short(lineage.names[node])}\n{node[:12]}", "white"
    name = _short(lineage.runs[node].info.run_name or "run")
    return f"{name}\n{node[:12]}", "gold" if node == lineage.asked else "lightblue"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
