"""`python -m mlflow_team` is the command `mlflow-team`."""

import sys

from .command import main

sys.exit(main())
