"""Split and scale the tumour measurements that ship with scikit-learn, for training and evaluation."""

import argparse
from pathlib import Path

import mlflow
import pandas as pd
import sklearn.datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from storage import put

from mlflow_team import track_input, track_output

SOURCE = Path(sklearn.datasets.__file__).parent / "data" / "breast_cancer.csv"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data", help="folder, or s3://bucket/prefix, for what is made")
    parser.add_argument("--held-back", type=float, default=0.3, help="part kept for the evaluation")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with mlflow.start_run(run_name="preprocess"):
        track_input(SOURCE)
        mlflow.log_params({"held_back": options.held_back, "seed": options.seed})
        table = pd.read_csv(SOURCE, skiprows=1, header=None)
        table.columns = [*(f"measure_{number}" for number in range(len(table.columns) - 1)), "benign"]
        train, test = train_test_split(table, test_size=options.held_back, random_state=options.seed)
        scaler = StandardScaler().fit(train.iloc[:, :-1])
        for name, part in (("train.csv", train), ("test.csv", test)):
            scaled = pd.DataFrame(scaler.transform(part.iloc[:, :-1]), columns=table.columns[:-1])
            scaled["benign"] = part["benign"].to_numpy()
            track_output(put(scaled.to_csv(index=False).encode(), options.data, name))
        mlflow.log_metrics({"rows_train": len(train), "rows_test": len(test)})


if __name__ == "__main__":
    main()
