"""Data buckets: buckets that a team has already and that its roles get too."""

import re
from collections.abc import Mapping
from typing import Any

from config_reader import ConfigReader, config_path, words

READ, READ_WRITE = RIGHTS = ("read", "read-write")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
NAME = re.compile(
    r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    re.ASCII,
)
ALLOWED_NAME = "the name of a bucket: 3 to 63 of a-z, 0-9, . and -, without s3:// or a path"


def read_data_buckets(config: ConfigReader, path: str, buckets: Any) -> Mapping[str, str]:
    """Return `read` or `read-write` by name of the bucket, in alphabetical order."""
    if not isinstance(buckets, dict):
        config.refuse_shape(
            path,
            buckets,
            allowed=f"an object: {{<bucket>: {words(RIGHTS)}}}",
            first=config_path(path, "my-data"),
            example=READ,
        )
        return {}
    for name, right in buckets.items():
        entry = config_path(path, name)
        if not NAME.fullmatch(name):
            config.refuse(entry, name, allowed=ALLOWED_NAME, command=f"rm --path '{entry}'")
        elif right not in RIGHTS:
            config.refuse(
                entry, right, allowed=f"{words(RIGHTS)}; never delete", command=f"set --path '{entry}' {READ}"
            )
    return {name: buckets[name] for name in sorted(buckets)}
