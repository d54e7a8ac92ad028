"""Where a workspace's artifacts may lie, told from the address alone, so that no two readers can differ."""

# Where one reader of an address stops or changes it, and another does not.
AMBIGUOUS = frozenset("?#%\\")
NOWHERE = frozenset({"", ".", ".."})


def prefix(artifact_root: str, workspace: str) -> str:
    """Return what every address of a workspace starts with."""
    return f"{artifact_root}/workspaces/{workspace}/"


def is_inside(artifact_root: str, workspace: str, uri: str) -> bool:
    """Tell whether an address is one below the workspace's prefix, however it is read."""
    allowed = prefix(artifact_root, workspace)
    rest = uri.removeprefix(allowed)
    return (
        bool(workspace)
        and uri.startswith(allowed)
        and rest.isprintable()
        and AMBIGUOUS.isdisjoint(rest)
        and NOWHERE.isdisjoint(segment.strip() for segment in rest.split("/"))
    )


def refusal(artifact_root: str, workspace: str, uri: str, what: str) -> str:
    """Say which address was received for what, and which are allowed."""
    return f"{what}: received {uri!r}, allowed is an address below {prefix(artifact_root, workspace)}"
