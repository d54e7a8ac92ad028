"""Evaluate what train.py made on the part that was held back, and report."""

import argparse
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import mlflow
import pandas as pd
from sklearn.metrics import classification_report, precision_score, recall_score
from storage import get, join, put

from mlflow_team import log_artifact_async, track_input, track_output


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data", help="where preprocess.py and train.py put what they made")
    parser.add_argument("--trial", default="1", help="which of train.py's models")
    options = parser.parse_args()
    with (
        TemporaryDirectory() as folder,
        # Ends first, and waits for its uploads: then the folder may go.
        mlflow.start_run(run_name="evaluate", tags={"num_trial": options.trial}),
    ):
        test, model = join(options.data, "test.csv"), join(options.data, f"model-{options.trial}.joblib")
        track_input(test)
        track_input(model)
        table = pd.read_csv(io.BytesIO(get(test)))
        # Who can write to this folder could run code here: it is our own.
        found = joblib.load(io.BytesIO(get(model))).predict(table.iloc[:, :-1])
        mlflow.log_metrics(
            {
                "accuracy": float((found == table["benign"]).mean()),
                "precision": float(precision_score(table["benign"], found)),
                "recall": float(recall_score(table["benign"], found)),
            }
        )
        report = Path(folder) / "report.txt"
        report.write_text(classification_report(table["benign"], found, target_names=["malignant", "benign"]))
        log_artifact_async(report)
        track_output(put(report.read_bytes(), options.data, f"report-{options.trial}.txt"))


if __name__ == "__main__":
    main()
