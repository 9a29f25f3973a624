"""A page to look at: figures with intervals, a map of the catalogue, what matters, ten people.

`python report.py report.html` writes it there; without an argument it goes to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import palate
from palate.data.samples import synthetic


def main(path: Path) -> None:
    split = palate.split_by_time(synthetic(), test=0.2)
    quick = {"n_estimators": 20, "n_train_queries": 500}
    words = {"words": palate.Tfidf(), "attributes": palate.Attributes()}
    models = {
        "ranker": palate.Pipeline(encoders=words, recommender=palate.Ranker(**quick)),
        "ranker, ids only": palate.Pipeline(encoders={}, recommender=palate.Ranker(**quick)),
        "popular": palate.Pipeline(encoders={}, recommender=palate.Popular()),
    }
    for model in models.values():
        model.fit(split.train)
    comparison = palate.compare(models, split, reference="ranker, ids only")
    print(comparison)
    page = palate.write_report(
        path, model=models["ranker"], comparison=comparison, split=split, title="Planted data"
    )
    print(f"{page}: {page.stat().st_size / 1024:.0f} KiB, open it in a browser")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary) / "report.html")
