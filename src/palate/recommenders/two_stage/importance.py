"""What each feature of the ranker is worth, what it means, and to which family it belongs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from palate.core.errors import ConfigError
from palate.core.learnt import agree
from palate.recommenders.two_stage.labels import LabelledRows
from palate.recommenders.two_stage.profiles import profile_window
from palate.recommenders.two_stage.recency import WINDOWS, window_feature
from palate.recommenders.two_stage.turned_down import ALIKE, DOWN, LIKE_IT

MEASURED_ROWS = 2_500

FAMILIES = {
    "directed": "behaviour",
    "adjacent": "behaviour",
    "conditional": "behaviour",
    "two steps": "behaviour",
    "ease": "behaviour",
    "together": "behaviour",
    "space": "behaviour",
    "similar users": "behaviour",
    "smoothed": "behaviour lent by content",
    "similar profiles": "the person's profile",
    "profile choices": "the person's profile",
    "profile popularity": "the person's profile",
    DOWN: "what was turned down",
    ALIKE: "what was turned down",
    "mix": "sum of retrievers",
    "popularity": "popularity",
    "trend": "popularity",
    "age": "popularity",
    "last chosen": "popularity",
    "interacted": "the person's own past",
    "history length": "the person's own past",
}

SIGNALS = {
    "directed": "followed the recent items",
    "directed:newest": "followed the newest item",
    "directed:second": "followed the second newest item",
    "adjacent": "came right after the recent items",
    "conditional": "how often it follows the recent items",
    "two steps": "followed what followed the recent items",
    "together": "chosen by the same people as the long history",
    "space": "who chose what: like the long history",
    "similar users": "chosen by people with a similar history",
    "smoothed": "followed items like the recent ones",
    "similar profiles": "chosen by people with a similar profile",
    "profile choices": "chosen more by people with such a profile than by others",
    DOWN: "how often people turned it down",
    ALIKE: "turned down by the people who turned down what this person did",
    "mix": "all retrievers together",
    "mix (gap)": "all retrievers together, behind the best",
    "mix (best)": "all retrievers together, of the best",
    "popularity": "popularity",
    "popularity (of newest)": "popularity of the newest item",
    "popularity (gap)": "popularity, against that of the newest item",
    "trend": "how often it is what people chose last",
    "age": "how long ago it was first chosen",
    "last chosen": "how long ago it was last chosen",
    "ease": "what the whole history points to",
    **{window_feature(days): f"popularity of the last {days:g} days" for days in WINDOWS},
    profile_window(None): "popularity with people of such a profile",
    **{
        profile_window(days): f"popularity of the last {days:g} days with such a profile"
        for days in WINDOWS
    },
    "history length": "length of the history",
    "interacted (age)": "how long ago the person chose it",
    "interacted (times)": "how often the person chose it lately",
}
COMPARISONS = {
    "": "like the recent items",
    ":newest": "like the newest item",
    ":lasting": "like the long history",
    ":map": "like what tends to follow",
    ":profile": "like the words of the person's profile",
    LIKE_IT: "like what the person turned down",
    " (nearest)": "like the nearest recent item",
    " (second nearest)": "like the second nearest recent item",
    " (nearest's age)": "age of the nearest recent item",
    " (newest three)": "like the newest three items",
}
SCALES = {
    " (z)": ", against others",
    " (place)": ", rank",
}

SIGNS = (":", " (")  # after these, the ranker says what of a signal a feature is


def importances(booster: Any, rows: LabelledRows, blocks: Collection[str]) -> pl.DataFrame:
    """Each feature's share of the trees' gain and of mean |SHAP| over the rows; zeros untrained."""
    shares = np.zeros((2, len(rows.names)))
    if booster is not None:
        shares[0] = booster.feature_importance("gain")
        step = max(1, -(-len(rows.labels) // MEASURED_ROWS))
        parts = booster.predict(rows.every(step), pred_contrib=True)
        shares[1] = np.abs(np.asarray(parts)[:, :-1]).mean(axis=0)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return pl.DataFrame(
        {
            "feature": rows.names,
            "meaning": [meaning(name, blocks) for name in rows.names],
            "family": [family(name, blocks) for name in rows.names],
            "gain": shares[0],
            "contribution": shares[1],
        }
    )


def check_importances(table: pl.DataFrame, names: Sequence[str]) -> None:
    """Raises `ValueError` for a table that is not one of `importances` of these features."""
    texts = dict.fromkeys(("feature", "meaning", "family"), pl.String)
    agree(table.schema == {**texts, "gain": pl.Float64, "contribution": pl.Float64}, "importances")
    agree(table["feature"].to_list() == list(names), "importances of other features")


def family(name: str, blocks: Collection[str]) -> str:
    """The block that a feature reads, or what else it is about."""
    source = name.partition(" (")[0].partition(":")[0]
    return source if source in blocks else FAMILIES.get(source, "context")


def meaning(name: str, blocks: Collection[str]) -> str:
    """A feature's name in plain words; a name that is not known stays."""
    for scale, words in SCALES.items():
        if name.endswith(scale):
            plain = _unscaled(name.removesuffix(scale), blocks)
            return f"{plain}{words}" if plain else name
    return _unscaled(name, blocks) or name


def _unscaled(name: str, blocks: Collection[str]) -> str:
    for block in blocks:
        if name.startswith(block) and name.removeprefix(block) in COMPARISONS:
            return f"{block}: {COMPARISONS[name.removeprefix(block)]}"
    if name.startswith("space") and name not in SIGNALS:
        compared = COMPARISONS.get(name.removeprefix("space"))
        return f"who chose what: {compared}" if compared else ""
    return SIGNALS.get(name, "")


def check_block_names(blocks: Iterable[str]) -> None:
    """Raises `ConfigError` for a block whose features the ranker would take for its own."""
    for name in blocks:
        if name in FAMILIES:
            raise ConfigError(
                f"a block cannot be called {name!r} beside the ranker, which has a signal of that "
                f"name: call its encoder something else (taken: {', '.join(sorted(FAMILIES))})"
            )
        if any(sign in name for sign in SIGNS):
            raise ConfigError(
                f"a block cannot be called {name!r} beside the ranker, which writes its features "
                "as 'NAME:newest' and 'NAME (place)': leave ':' and ' (' out of the encoder's name"
            )
