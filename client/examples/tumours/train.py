"""Train a classifier on what preprocess.py made: plain MLflow, and a line for what goes in and comes out."""

import argparse
import io

import joblib
import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from storage import get, join, put

from mlflow_team import track_input, track_output


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data", help="where preprocess.py put its tables")
    parser.add_argument("--strength", type=float, default=1.0, help="inverse of the regularization")
    parser.add_argument("--trial", default="1", help="number of the trial, by which a baseline is chosen")
    options = parser.parse_args()
    with mlflow.start_run(run_name="train", tags={"num_trial": options.trial}):
        source = join(options.data, "train.csv")
        track_input(source)
        mlflow.log_param("strength", options.strength)
        table = pd.read_csv(io.BytesIO(get(source)))
        model = LogisticRegression(C=options.strength, max_iter=1000)
        model.fit(table.iloc[:, :-1], table["benign"])
        mlflow.log_metric("train_accuracy", float(model.score(table.iloc[:, :-1], table["benign"])))
        packed = io.BytesIO()
        joblib.dump(model, packed)
        track_output(put(packed.getvalue(), options.data, f"model-{options.trial}.joblib"))


if __name__ == "__main__":
    main()
