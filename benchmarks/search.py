"""Searching by words: is what somebody asks for found? Wishes with known answers, four ways to ask.

Three catalogues: films with plots (MovieLens), beauty products and Chinese captions, both by their
titles alone. Kinds of wishes: a title exactly; with a slip (a letter left out, doubled, swapped or
wrong); in part (some of its words in a row); and in somebody's own words, written by hand for this
(`wishes/*.csv`): what happens in a film, what kind of product or video it shall be. Right is, for
titles, every item of the same title (or with that part); for kinds, every item of the kind, which
no model was shown. Beside the default pipeline stand cosines of single encoders, each over the
default template. Half of the wishes, drawn by seed, were for choosing settings ("tuning"); what is
reported is the other half.
usage: PALATE_DATA=../shared/data python benchmarks/search.py [CATALOGUE …]
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import palate
from palate.core.arrays import Floats
from palate.core.dataset import Dataset

WISHES = Path(__file__).parent / "wishes"
MOST_ITEMS = 6_000  # drawn by seed where a catalogue has more
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


def drawn(count: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST_ITEMS])


def untouched(ids: list[str], titles: list[str]) -> Dataset:
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    return Dataset(interactions=nothing, items=pl.DataFrame({"item_id": ids, "title": titles}))


CATALOGUES = {"films": films, "beauty": beauty, "captions": captions, "office": office}


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
    with (WISHES / f"{name}.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            answer = line["answer"]
            right = set().union(*(rows_of.get(one, ()) for one in answer.split("|")))
            if not rows_of:
                right = {row for row, title in enumerate(titles) if re.search(answer, title, re.I)}
            if right:
                found.append(Wish("words", line["wish"], frozenset(right)))
    return found


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
    other = str(random.choice(list(set(bare(title)) - {" ", letter.lower()}) or ["x"]))
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
