"""The report's people: what they did, what they are recommended and why, and what they chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Rows
from palate.core.columns import ITEM, RANK, REASONS, USER
from palate.core.histories import ragged_positions
from palate.core.split import Split
from palate.core.visible import shorten
from palate.evaluation.report.html import Words, count, escape, named, say
from palate.evaluation.significance import user_codes
from palate.evaluation.slices import SHORT_HISTORY
from palate.pipeline.received import read_columns
from palate.text.profile import as_text

if TYPE_CHECKING:
    from palate.pipeline.pipeline import Pipeline


MOST_TITLES: Final = 12
RECOMMENDED: Final = 5
_MOST_ANSWERS: Final = 3
_LONGEST_REASON: Final = 320


@dataclass(frozen=True)
class User:
    """One request: (past) catalogue rows newest first, recommended rows and why, the answers.

    `later` holds what the same person chose after these, as far as the split asks about it;
    `known` what the model reads of them in the table of users.
    """

    name: str
    past: Rows
    recommended: Rows
    reasons: Sequence[str]
    answers: Rows
    later: Rows
    known: str = ""


def sample_requests(split: Split, count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Rows of `count` requests by as many people, by history length, a short one first.

    One request of each person is drawn, then one of each of `count` groups of equal size, from
    short histories to long ones; people whose next choice is known come before others.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(split.histories))
    answered = split.sealed.stops > split.sealed.starts
    order = order[np.argsort(~answered[order], kind="stable")]
    _, first = np.unique(user_codes(split.histories.user_ids)[order], return_index=True)
    rows = order[np.sort(first)]
    if (enough := answered[rows]).sum() >= count:
        rows = rows[enough]
    lengths = split.histories.lengths[rows]
    rows = rows[np.argsort(lengths, kind="stable")]
    count = min(count, len(rows))
    groups = np.array_split(rows, count) if count else []
    chosen = [
        int(rng.choice(_short_of(group, split) if not place else group))
        for place, group in enumerate(groups)
    ]
    return np.array(chosen, dtype=np.int64)


def _short_of(group: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """The requests with a short history in the first group; its shortest where none is short."""
    lengths = split.histories.lengths[group]
    for short in ((lengths > 0) & (lengths <= SHORT_HISTORY), lengths <= SHORT_HISTORY):
        if short.any():
            return group[short]
    shortest: NDArray[np.int64] = group[lengths == lengths.min()]
    return shortest


def meet_users(model: Pipeline, split: Split, rows: NDArray[np.int64]) -> list[User]:
    """Asks the model on behalf of the sampled requests."""
    if not len(rows):
        return []
    asking = split.histories.take(rows).in_catalogue(model.item_ids)
    found = model.recommend_histories(
        asking, k=RECOMMENDED, exclude_seen=split.exclude_seen, reasons=True
    )
    tables: Mapping[Any, Any] = found.table.sort(RANK).partition_by(USER, as_dict=True)
    users, facts = [], known_of_users(model, asking.user_ids)
    for place, row in enumerate(rows):
        name = str(asking.user_ids[place])
        table = tables.get((name,))
        start, stop = split.sealed.starts[row], split.sealed.stops[row]
        users.append(
            User(
                name=name,
                past=asking.row(place)[::-1],
                recommended=model.item_ids.rows(table[ITEM] if table is not None else []),
                reasons=[] if table is None else table[REASONS].to_list(),
                answers=split.sealed.items[start:stop],
                later=_chosen_later(split, int(row)),
                known=facts[place],
            )
        )
    return users


def known_of_users(model: Pipeline, names: pl.Series) -> list[str]:
    """What the encoders of people read of each: "age 31, occupation student"; "" for nothing."""
    table, read = model.data_.users, read_columns(model.user_encoders_.values())
    if table is None or not read:
        return [""] * len(names)
    columns = [column for column in table.columns if column in read]
    rows = pl.DataFrame({USER: names}).join(table, on=USER, how="left", maintain_order="left")
    texts = [(column, as_text(rows[column])) for column in columns]
    return [
        ", ".join(f"{column} {text[row]}" for column, text in texts if text[row] is not None)
        for row in range(len(names))
    ]


def _chosen_later(split: Split, request: int) -> Rows:
    """The answers to this person's later requests: those that follow, and know no less."""
    asking, sealed = split.histories, split.sealed
    rows = np.flatnonzero((asking.user_ids == asking.user_ids[request]).to_numpy())
    rows = rows[(rows > request) & (asking.lengths[rows] >= asking.lengths[request])]
    _, places = ragged_positions(sealed.starts[rows], sealed.stops[rows])
    return sealed.items[places]


def call(name: str, words: Words) -> str:
    """What to call a person: a mere number gets a noun."""
    return words["person"].format(name=name) if name.isdigit() else name


def users_section(
    users: Sequence[User], titles: Sequence[str], words: Words, *, on_map: bool
) -> str:
    """A card for each person."""
    cards = "".join(
        _card(place, user, titles, words, on_map=on_map) for place, user in enumerate(users)
    )
    return f'<div class="people">{cards}</div>'


def _card(place: int, user: User, titles: Sequence[str], words: Words, *, on_map: bool) -> str:
    title = named(call(user.name, words))
    known = f'<p class="why">{named(user.known, _LONGEST_REASON)}</p>' if user.known else ""
    button = ""
    if on_map:
        label = say(words, "on_map_label", name=escape(shorten(call(user.name, words), 60)))
        button = (
            f'<button type="button" data-person="{place}" aria-label="{label}" hidden>'
            f"{say(words, 'on_map')}</button>"
        )
    return (
        f'<article class="card person"><header><h3>{title}</h3>{button}</header>{known}'
        f"{_past(user, titles, words)}<h4>{say(words, 'recommended')}</h4>"
        f"{_recommended(user, titles, words)}{_truth(user, titles, words)}</article>"
    )


def _past(user: User, titles: Sequence[str], words: Words) -> str:
    total = len(user.past)
    if not total:
        return f"<h4>{say(words, 'history_none')}</h4>"
    shown = user.past[:MOST_TITLES]
    heading = say(words, "history")
    if len(shown) < total:
        heading = say(words, "history_of", shown=count(len(shown)), total=count(total))
    items = "".join(f'<li><span class="clamp">{named(titles[row])}</span></li>' for row in shown)
    return f'<h4>{heading}</h4><ol class="past">{items}</ol>'


def _recommended(user: User, titles: Sequence[str], words: Words) -> str:
    if not len(user.recommended):
        return f"<p>{say(words, 'recommended_none')}</p>"
    lines = []
    for row, reason in zip(user.recommended, user.reasons, strict=True):
        hit = "hit" if row in user.answers else "hit_later" if row in user.later else ""
        why = f'<span class="why">{named(reason, _LONGEST_REASON)}</span>' if reason else ""
        lines.append(
            f'<li{" class=hit" if hit else ""}><span class="title">{named(titles[row])}</span>'
            f"{_badge(hit, words)}{why}</li>"
        )
    return f'<ol class="next">{"".join(lines)}</ol>'


def _badge(hit: str, words: Words) -> str:
    if not hit:
        return ""
    kind = "badge later" if hit == "hit_later" else "badge"
    return f'<span class="{kind}"><span aria-hidden="true">✓</span> {say(words, hit)}</span>'


def _truth(user: User, titles: Sequence[str], words: Words) -> str:
    if not len(user.answers):
        return ""
    shown = ", ".join(f"<b>{named(titles[row])}</b>" for row in user.answers[:_MOST_ANSWERS])
    more = len(user.answers) - _MOST_ANSWERS
    tail = f" {say(words, 'and_more', count=count(more))}" if more > 0 else ""
    return f'<p class="truth">{say(words, "chosen_next", titles=shown + tail)}</p>'
