"""Names of the tags, parameters and artifacts in which the package records, beside MLflow's own.

They are read back months later: a name that has once been written stays.
"""

# On a run, made when it starts.
COMMAND = "mlflow_team.command"  # JSON list: what followed `python`, secrets masked
WORKING_DIRECTORY = "mlflow_team.working_directory"  # below the repository's root, or absolute outside one
GIT_DIRTY = "mlflow_team.git.dirty"  # true or false
GIT_DIFF = "mlflow_team.git.diff"  # stored, none, or "withheld: <why>"
PYTHON = "mlflow_team.python"  # version
PLATFORM = "mlflow_team.platform"
HOST = "mlflow_team.host"
ACCELERATOR = "mlflow_team.accelerator"
NOTEBOOK = "mlflow_team.notebook"
LOCAL_ID = "mlflow_team.local_id"  # by which the process that made it finds the run again
HEARTBEAT = "mlflow_team.heartbeat"  # seconds since 1970 by the server's clock, and seconds between two
# On a run, made when it ends or later.
INCOMPLETE = "mlflow_team.incomplete"  # JSON: lost, why and, until they are sent, spooled
CONTRACT_MISSING = "mlflow_team.contract.missing"  # JSON list of what the contract asks for
ERROR = "mlflow_team.error"  # the last line of the traceback, secrets masked
UPLOADS_FAILED = "mlflow_team.uploads.failed"  # JSON list of paths with reasons
NOTIFIED = "mlflow_team.notified"  # the state that the chat was last told of
REPRODUCES = "mlflow_team.reproduces"  # id of the run that this one repeats
REPRODUCED_BY = "mlflow_team.reproduced_by"  # id of the newest run that repeated this one
IMPORTED = "mlflow_team.import."
IMPORT_KEY = f"{IMPORTED}key"  # which row of which sheet
IMPORT_ARTIFACTS = f"{IMPORTED}artifacts"  # digest of those that are there
# On an experiment.
CONTRACT = "mlflow_team.contract"  # JSON, see contract.py

# Artifacts.
FOLDER = "provenance"
DIFF = f"{FOLDER}/diff.patch"
REQUIREMENTS = f"{FOLDER}/requirements.txt"

# Parameters that teams look for; a second input or output gets _2, a third _3.
INPUT_DATA_PATH, INPUT_DATA_PATH_S3 = "INPUT_DATA_PATH", "INPUT_DATA_PATH_S3"
OUTPUT_DATA_PATH, OUTPUT_DATA_PATH_S3 = "OUTPUT_DATA_PATH", "OUTPUT_DATA_PATH_S3"
