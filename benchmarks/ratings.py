"""How far predicted ratings are off: palate's predictors beside Surprise's, on the same ratings.

MovieLens-100K, five folds of ratings drawn by chance, as Surprise's own table has it, and the last
fifth by time, where people are asked with what they did before. Settings are the defaults of both.
Surprise runs in a Python of its own, which `--surprise` names: `python -m venv surprise` and
`surprise/bin/pip install scikit-surprise==1.1.5 pandas`.
usage: PALATE_DATA=… python benchmarks/ratings.py --surprise surprise/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.dataset import Dataset
from palate.core.histories import histories_of
from palate.core.split import Split

FOLDS = 5
SEED = 7
SOME = 300  # requests whose whole catalogue is predicted: a value each is dear
PREDICTORS: Mapping[str, Callable[[], Any]] = {
    "bias": palate.Bias,
    "item_knn": lambda: palate.ItemKNN(feedback="explicit"),
    "user_knn": lambda: palate.UserKNN(feedback="explicit"),
    "mf": lambda: palate.MF(method="svd"),
}
"""What is measured: a component that predicts values is one more line."""

PEER = """
import json, sys
import numpy as np, pandas as pd, surprise
from surprise import BaselineOnly, Dataset, KNNBaseline, Reader, SVD
table = pd.read_csv(sys.argv[1], dtype={"user_id": str, "item_id": str})
columns, reader = ["user_id", "item_id", "value"], Reader(rating_scale=(1, 5))
pearson = {"name": "pearson_baseline"}
made = {
    "BaselineOnly": lambda: BaselineOnly(verbose=False),
    "KNNBaseline, items": lambda: KNNBaseline(
        verbose=False, sim_options={**pearson, "user_based": False}),
    "KNNBaseline, users": lambda: KNNBaseline(
        verbose=False, sim_options={**pearson, "user_based": True}),
    "SVD": lambda: SVD(random_state=0),
}
errors = {}
for cut in [name for name in table.columns if name.startswith("held_")]:
    held = table[cut].to_numpy().astype(bool)
    train = Dataset.load_from_df(table.loc[~held, columns], reader).build_full_trainset()
    asked = list(table.loc[held, columns].itertuples(index=False, name=None))
    for name, make in made.items():
        said = np.array([one.est for one in make().fit(train).test(asked)])
        gap = said - table.loc[held, "value"].to_numpy()
        errors.setdefault(name, {})[cut] = [
            float(np.sqrt(np.mean(gap**2))), float(np.abs(gap).mean())]
print(json.dumps({"version": surprise.__version__, "errors": errors}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surprise", type=Path, help="a Python that has scikit-surprise")
    wanted = parser.parse_args()
    table = ratings(Path(os.environ["PALATE_DATA"]) / "movielens-plots" / "ratings.csv.gz")
    errors: dict[str, dict[str, list[float]]] = {}
    for cut in [name for name in table.columns if name.startswith("held_")]:
        for name, make in PREDICTORS.items():
            errors.setdefault(name, {})[cut] = of_chance(make(), table, cut)
            print(name, cut, errors[name][cut], flush=True)
    figures: dict[str, Any] = {"ratings": len(table), "palate": summed(errors)}
    if wanted.surprise is not None:
        peer = surprise(wanted.surprise, table)
        figures["surprise"] = {"version": peer["version"], **summed(peer["errors"])}
    figures["by time, asked with what was before"] = by_time(table)
    print(json.dumps(figures, indent=1))
    print(record("ratings", figures))


def ratings(path: Path) -> pl.DataFrame:
    """The ratings, and in `held_0` … which of them each fold holds out."""
    table = palate.read(path).events.select("user_id", "item_id", "timestamp", "value")
    fold = np.random.default_rng(SEED).permutation(len(table)) % FOLDS
    return table.with_columns(pl.Series(f"held_{nth}", fold == nth) for nth in range(FOLDS))


def of_chance(recommender: Any, table: pl.DataFrame, cut: str) -> list[float]:
    """RMSE and MAE of a fold, of people with all that is learnt from as their history."""
    items = table.select("item_id").unique(maintain_order=True)
    train, held = table.filter(~pl.col(cut)), table.filter(cut)
    columns = ("user_id", "item_id", "timestamp", "value")
    data = Dataset(interactions=train.select(columns), items=items)
    known = data.user_ids.find(held["user_id"])
    asking = histories_of(data).take(np.maximum(known, 0))
    assert (known >= 0).all(), "everybody has ratings in each fold"
    said = recommender.fit(data).predict(asking, data.item_ids.rows(held["item_id"]))
    gap = said - held["value"].to_numpy()
    return [float(np.sqrt(np.mean(gap**2))), float(np.abs(gap).mean())]


def summed(errors: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Means over the folds, and the standard deviation of the RMSE over them."""
    found = {}
    for name, folds in errors.items():
        each = np.array(list(folds.values()))
        rmse, mae = each.mean(axis=0)
        deviation = float(each[:, 0].std(ddof=1))
        found[name] = {"rmse": rmse, "mae": mae, "rmse_deviation": deviation}
    return {
        name: {key: round(float(value), 4) for key, value in row.items()}
        for name, row in found.items()
    }


def surprise(python: Path, table: pl.DataFrame) -> Any:
    """The same folds, by Surprise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        table.with_columns(pl.col("^held_.*$").cast(pl.Int8)).write_csv(path)
        done = subprocess.run(
            [str(python), "-c", PEER, str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def by_time(table: pl.DataFrame) -> dict[str, Any]:
    """As `palate.compare` shows it."""
    split = palate.split_by_time(palate.read(table.select(pl.exclude("^held_.*$"))), test=0.2)
    models = {name: make().fit(split.train) for name, make in PREDICTORS.items()}
    found = palate.compare(models, split, beyond=False)
    rows = {}
    for name in found.rows:
        rows[name] = {"ndcg@10": round(found.cell(name, "ndcg@10").interval.mean, 4)}
        if name in found.errors:
            cells = found.errors[name].cells
            rows[name] |= {key: round(cell.interval.mean, 4) for key, cell in cells.items()}
    values = next(iter(found.errors.values())).values
    figures = {"requests": found.slices["all"].requests, "values": values, "rows": rows}
    return figures | {"item_knn, lists by value": lists_by_value(models["item_knn"], split)}


def lists_by_value(model: Any, split: Split) -> dict[str, Any]:
    """NDCG@10 of some requests: of the lists as they are, and in the order of predicted values."""
    drawn = np.random.default_rng(SEED).permutation(len(split.histories))[:SOME]
    found = palate.compare(
        {"as they are": model, "by value": ByValue(model)}, split.take(np.sort(drawn)), beyond=False
    )
    means = {name: found.cell(name, "ndcg@10").interval.mean for name in found.rows}
    return {"requests": SOME, **{name: round(mean, 4) for name, mean in means.items()}}


class ByValue:
    """A predictor whose lists are in the order of what it predicts."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def score(self, histories: Any) -> Any:
        """(n, n_items) predicted values."""
        n_items = len(histories.item_ids)
        rows = np.tile(np.arange(n_items, dtype=np.int32), len(histories))
        asking = histories.take(np.repeat(np.arange(len(histories)), n_items))
        return self.model.predict(asking, rows).reshape(len(histories), n_items)


if __name__ == "__main__":
    main()
