"""A shop with its own static encoder: learnt in seconds from a language model, without it later.

The student knows the words of this catalogue and reads tens of thousands of texts a second. Both
are asked what people choose next, on events that neither has seen. The data are made up.
"""

import tempfile
from pathlib import Path

from rich.console import Console

import palate
from palate.data.samples import synthetic


def main() -> None:
    data = synthetic(n_users=300, n_items=400, seed=4)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "student"
        report = palate.distill(data, model="muse", out=out, dim=64)
        Console().print(report.render())

        encoder = palate.Static(model=str(out))
        model = palate.Pipeline(encoders={"text": encoder}, recommender=palate.Content()).fit(data)
        found = model.recommend(text="a telescope for watching the moon", k=3)
    titles = dict(data.items.select("item_id", "title").iter_rows())
    for item in found.table["item_id"]:
        print(f"for somebody who wants to watch the moon: {titles[item]}")


if __name__ == "__main__":
    main()
