"""The UI's files: sent as the image's build has compressed them, and kept by browsers as long as they may."""

import gzip
import re
from io import BytesIO
from pathlib import Path

from flask import Flask, Response, request, send_file, send_from_directory
from werkzeug.security import safe_join

# The build writes a hash of the content into most names: what is behind such a name never changes.
HASHED = re.compile(r"\.[0-9a-f]{8,32}\.")
YEAR_SECONDS = 365 * 24 * 60 * 60  # as RFC 9111 holds for "never" in practice
COMPRESSED = ".gz"


def serve_assets(app: Flask) -> None:
    """Answer MLflow's routes for static files, from its own folder; its page itself stays MLflow's."""
    folder = Path(str(app.static_folder))
    app.view_functions["serve_static_file"] = lambda path: _answer(folder, path)
    app.view_functions["static"] = lambda filename: _answer(folder, filename)


def _answer(folder: Path, name: str) -> Response:
    compressed = safe_join(str(folder), name + COMPRESSED)
    if compressed and Path(compressed).is_file():
        if request.accept_encodings["gzip"]:
            answer = send_from_directory(folder, name + COMPRESSED)
        else:
            answer = _whole(Path(compressed), name)
        answer.vary.add("Accept-Encoding")
    else:
        answer = send_from_directory(folder, name)
    # Never public: whoever asks has logged in, and a cache in between would serve those who have not.
    answer.cache_control.private = True
    if HASHED.search(name):
        answer.cache_control.no_cache = None
        answer.cache_control.max_age = YEAR_SECONDS
        answer.cache_control.immutable = True
    return answer


def _whole(compressed: Path, name: str) -> Response:
    """Send what lies there compressed to one of the few that do not take it so."""
    about = compressed.stat()
    # Without a file behind it Flask makes none.
    etag = f"{about.st_mtime}-{about.st_size}"
    content = gzip.decompress(compressed.read_bytes())
    return send_file(BytesIO(content), download_name=Path(name).name, etag=etag)
