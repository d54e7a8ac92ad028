"""What a run ran in: packages, accelerator, notebook."""

import json
import os
import subprocess
import sys
from importlib.metadata import Distribution, distributions

from .source_code import without_login

NVIDIA_SECONDS = 10.0


def requirements() -> str:
    """Return every installed package as pip would install it again; what it could not stands as a comment."""
    lines = {}
    for package in distributions():
        name = package.metadata["Name"]
        if name and name.lower() not in lines:  # the first on the path is the one that is imported
            lines[name.lower()] = _line(name, package)
    return "".join(f"{lines[name]}\n" for name in sorted(lines))


def _line(name: str, package: Distribution) -> str:
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    url = without_login(origin.get("url", ""))
    if "vcs_info" in origin:
        version = origin["vcs_info"]["commit_id"]
        inside = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
        return f"{name} @ {origin['vcs_info']['vcs']}+{url}@{version}{inside}"
    if "archive_info" in origin and url.startswith(("http://", "https://")):
        return f"{name} @ {url.partition('?')[0]}"  # a signed link's query lets in
    if "dir_info" in origin:
        return f"# from a folder, not installable elsewhere: {name}=={package.version}"
    return f"{name}=={package.version}"


def accelerators() -> str:
    """Return the names of the accelerators, `2 x NVIDIA A100`; empty without any."""
    if "torch" in sys.modules and (names := _of_torch(sys.modules["torch"])):
        return names
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _counted(done.stdout.splitlines()) if done.returncode == 0 else ""


def _of_torch(torch: object) -> str:
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():  # asking would make a context of hundreds of megabytes
        return _counted([cuda.get_device_name(number) for number in range(cuda.device_count())])
    return ""


def _counted(names: list[str]) -> str:
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def notebook() -> str:
    """Return the notebook's file, as far as its front end tells; empty outside one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return ""
    told = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(told or "a notebook without a name")
