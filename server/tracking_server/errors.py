"""Why a program of this package ends before its work: one sentence for people, an exit code for machines."""


class StartError(Exception):
    """The message says what is wrong and holds no secret."""

    exit_code = 1


class SettingsError(StartError):
    """Environment variables are missing or wrong; the message has a line for each."""

    exit_code = 2


class SchemaError(StartError):
    """The database's tables are not those that this image works with."""

    exit_code = 3


class DatabaseError(StartError):
    """The database cannot be reached, or does not let us in or do our work."""


class ArtifactRootError(StartError):
    """The artifact root is not there, or cannot be listed."""


class AccessListError(StartError):
    """The list of who may come in cannot be read."""


class AdoptionError(StartError):
    """What lies in the workspace `default` cannot become a team's."""
