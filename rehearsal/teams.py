"""Who works on the rehearsed stack, and with what: the people, roles and data that its config names."""

from typing import Any

from rehearsal.prerequisites import Prerequisites

TEAM, OTHER_TEAM = "vision", "speech"
# Ada joins the vision team in the rehearsal, Ben reads what it does; Grace is the speech team's.
PERSON, READER, OTHER_PERSON = "ada", "ben", "grace"
PLATFORM_ENGINEER = "hedy"
# Roles that the stack does not make: the vision team names the job's as a member, nobody the stranger's.
JOB, STRANGER = "nightly-training", "stranger"
# Data of the vision team's, to read and to write too.
PHOTOS, FEATURES = "rehearsal-photos", "rehearsal-features"


def settings(account: Prerequisites) -> dict[str, Any]:
    """Make them in the account and return the stack's config that names them."""
    people = {name: account.add_person(name) for name in (PERSON, READER, OTHER_PERSON, PLATFORM_ENGINEER)}
    for role in (JOB, STRANGER):
        # On AWS a job's own service takes its role; here the person who wrote the job does.
        account.add_role(role, path="/jobs/", trusts=people[PERSON])
    for bucket in (PHOTOS, FEATURES):
        account.add_bucket(bucket)
    return {
        "teams": {
            TEAM: {
                "writers": [people[PERSON]],
                "readers": [people[READER]],
                "members": [account.roles[JOB]],
                "dataBuckets": {PHOTOS: "read", FEATURES: "read-write"},
            },
            OTHER_TEAM: {"writers": [people[OTHER_PERSON]]},
        },
        "admins": [people[PLATFORM_ENGINEER]],
    }
