"""Lists what a built image holds, as CycloneDX: Python's packages, with their licences, and Debian's."""

import argparse
import email.parser
import json
import re
import sys
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import IO, Any, cast

import docker
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from docker.errors import APIError, DockerException
from packageurl import PackageURL
from packaging.utils import canonicalize_name

MADE, FAILED, BAD_INPUT = 0, 1, 2
DPKG_STATUS = "var/lib/dpkg/status"
DEBIAN_RELEASE = ("usr/lib/os-release", "etc/os-release")
PYTHON_METADATA = re.compile(r"(.+\.dist-info)/METADATA")
# PEP 770: what a wheel's makers say they packed into it, such as krb5.
WHEEL_SBOM = re.compile(r"(.+\.dist-info)/sboms/.+\.json")
# What they packed into it, said or not, such as libpq and OpenSSL: auditwheel's folder, beside the package.
WHEEL_LIBRARY = re.compile(r"(?P<beside>.+/)(?P<package>[^/]+)\.libs/(?P<file>[^/]+\.so[^/]*)")
# Where the images named python:… put the interpreter that they compile: dpkg knows nothing of it.
COMPILED_PYTHON = re.compile(r"usr/local/bin/python3\.\d+")
WANTED = re.compile(
    "|".join(
        [
            DPKG_STATUS,
            *DEBIAN_RELEASE,
            PYTHON_METADATA.pattern,
            WHEEL_SBOM.pattern,
            WHEEL_LIBRARY.pattern,
            COMPILED_PYTHON.pattern,
        ]
    )
)
LONGEST_LICENCE = 100  # some packages put the whole text into the field

Files = Mapping[str, bytes]
# One object of CycloneDX's JSON.
Component = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the list and return 0; 1 when Docker or the list fails, 2 when there is no such image."""
    parser = argparse.ArgumentParser(prog="sbom.py", description=__doc__)
    parser.add_argument("image", help="name or id of an image that Docker has on this machine")
    parser.add_argument("--output", default="sbom.json", help="file, or - for stdout (default: sbom.json)")
    options = parser.parse_args(arguments)
    try:
        image, files = look_into(options.image)
        bom = bill(options.image, image, files)
        text = validated(bom)
        if options.output == "-":
            print(text)
        else:
            Path(options.output).write_text(f"{text}\n", encoding="utf-8")
            print(f"sbom: {options.output} lists {len(bom['components'])} packages of {options.image}")
    except APIError as error:
        if error.is_client_error():  # no such image, or no name of one
            return _fail(f"received {options.image!r}, allowed is what docker images lists", BAD_INPUT)
        return _fail(str(error), FAILED)
    except DockerException as error:
        return _fail(f"Docker does not answer: {error}", FAILED)
    except ValueError as error:
        return _fail(f"{options.image}: {error}", BAD_INPUT)
    except OSError as error:
        return _fail(f"{options.output}: {error.strerror}", BAD_INPUT)
    return MADE


def look_into(name: str) -> tuple[Mapping[str, Any], Files]:
    """Return Docker's description of an image, and those of its files that say what is installed.

    Nothing of the image is run.

    Raises:
        ImageNotFound: Docker does not have it.
        DockerException: Docker cannot be asked.
    """
    client = docker.from_env()
    try:
        image = client.images.get(name)
        container = client.containers.create(image, command=["none"])
        try:
            content = cast("Iterable[bytes]", container.export())
            return cast("Mapping[str, Any]", image.attrs), dict(_wanted(content))
        finally:
            container.remove(v=True)
    finally:
        client.close()


class _Stream:
    """Bytes that come in pieces, read as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        read, self._rest = self._rest[:size], self._rest[size:]
        return read


def _wanted(pieces: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=cast("IO[bytes]", _Stream(pieces)), mode="r|") as archive:
        for entry in archive:
            if entry.isfile() and WANTED.fullmatch(entry.name) and (content := archive.extractfile(entry)):
                named_only = COMPILED_PYTHON.fullmatch(entry.name) or WHEEL_LIBRARY.fullmatch(entry.name)
                yield entry.name, b"" if named_only else content.read()


def bill(name: str, image: Mapping[str, Any], files: Files) -> Component:
    """Return the bill of materials; the same image gives the same bill."""
    packages = [*python_packages(files), *debian_packages(files), *compiled_python(image, files)]
    if not packages:
        raise ValueError("no package is installed in it")
    identity = image["Id"]
    digests = image.get("RepoDigests") or []
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {identity}").urn,
        "version": 1,
        "metadata": {
            # When the image was made, not this list of it: the list is the same each time.
            "timestamp": image["Created"],
            "component": {
                "type": "container",
                "bom-ref": identity,
                "name": name,
                "version": identity,
                "properties": [{"name": "docker:repoDigest", "value": digest} for digest in digests],
            },
        },
        "components": sorted(packages, key=lambda package: package["bom-ref"]),
        "dependencies": [
            {"ref": identity, "dependsOn": sorted(package["bom-ref"] for package in packages)},
            *({"ref": package["bom-ref"]} for package in packages),
        ],
    }


def _component(name: str, purl: PackageURL, **more: Any) -> Component:
    described = {
        "type": "library",
        "bom-ref": str(purl),
        "name": name,
        "version": purl.version,
        "purl": str(purl),
    }
    return {key: value for key, value in (described | more).items() if value}


def python_packages(files: Files) -> Iterator[Component]:
    """Yield a component for each installed distribution, with what it says it brings inside itself."""
    for path, content in files.items():
        if match := PYTHON_METADATA.fullmatch(path):
            metadata = email.parser.BytesParser().parsebytes(content, headersonly=True)
            purl = PackageURL("pypi", None, canonicalize_name(metadata["Name"]), metadata["Version"])
            brought = [*_brought(purl, match[1], files), *_libraries(purl, match[1], files)]
            yield _component(metadata["Name"], purl, licenses=_licences(metadata), components=brought)


def _licences(metadata: Message) -> list[dict[str, Any]]:
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    classifiers = [text.split(" :: ") for text in metadata.get_all("Classifier", [])]
    named = {parts[-1] for parts in classifiers if parts[0] == "License"} - {"OSI Approved"}
    field = (metadata["License"] or "").strip()
    if not named and field and "\n" not in field and len(field) <= LONGEST_LICENCE:
        named = {field}
    return [{"license": {"name": name}} for name in sorted(named)]


def _brought(owner: PackageURL, folder: str, files: Files) -> Iterator[Component]:
    parts = [
        part
        for path, content in files.items()
        if (match := WHEEL_SBOM.fullmatch(path)) and match[1] == folder
        for part in json.loads(content).get("components", [])
    ]
    for text, name in sorted({part["purl"]: part["name"] for part in parts if "purl" in part}.items()):
        purl = PackageURL.from_string(text)
        if (purl.type, canonicalize_name(purl.name)) != (owner.type, owner.name):
            yield _component(name, purl, **{"bom-ref": f"{owner}#{purl}"})


def _libraries(owner: PackageURL, folder: str, files: Files) -> Iterator[Component]:
    """Yield the shared libraries inside a wheel; nobody says their versions, so no audit knows them."""
    for path in sorted(files):
        if (match := WHEEL_LIBRARY.fullmatch(path)) and (
            match["beside"] == f"{folder.rpartition('/')[0]}/"
            and canonicalize_name(match["package"]) == owner.name
        ):
            yield {"type": "file", "bom-ref": f"{owner}#{match['file']}", "name": match["file"]}


def debian_packages(files: Files) -> Iterator[Component]:
    """Yield a component for each package that dpkg has installed; none in an image without dpkg."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', _text(files, *DEBIAN_RELEASE), re.MULTILINE))
    distribution = f"{release.get('ID')}-{release.get('VERSION_ID')}"
    for paragraph in _text(files, DPKG_STATUS).split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            qualifiers = {"arch": fields["Architecture"], "distro": distribution}
            if source := fields.get("Source"):  # by which Debian's security tracker goes
                qualifiers["upstream"] = source.partition(" ")[0]
            name = fields["Package"]
            yield _component(name, PackageURL("deb", release.get("ID"), name, fields["Version"], qualifiers))


def compiled_python(image: Mapping[str, Any], files: Files) -> Iterator[Component]:
    """Yield the interpreter of an image named python:…, which names its version in PYTHON_VERSION."""
    environment = dict(pair.split("=", 1) for pair in image["Config"]["Env"] or [])
    if any(map(COMPILED_PYTHON.fullmatch, files)):
        version = environment.get("PYTHON_VERSION")
        yield _component("python", PackageURL("generic", None, "python", version), type="application")


def _text(files: Files, *paths: str) -> str:
    return next((files[path].decode() for path in paths if path in files), "")


def validated(bom: Component) -> str:
    """Return the bill as JSON.

    Raises:
        ValueError: it does not keep to CycloneDX 1.6.
    """
    text = json.dumps(bom, indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"its list is not CycloneDX 1.6: {fault}")
    return text


def _fail(reason: str, code: int) -> int:
    print(f"sbom: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
