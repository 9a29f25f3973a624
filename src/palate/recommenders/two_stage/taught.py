"""What the trees need not be taught: profiles and dislikes, where a trial shows no use of them.

What is known of people beside what they did helps with short histories, if at all, and may draw
long ones towards what is popular with such people. So for each length of history it is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.recommenders.two_stage.importance import FAMILIES
from palate.recommenders.two_stage.profiles import NEAR, SAID, profile_window
from palate.recommenders.two_stage.turned_down import DOWN, LIKE_IT

PROFILES: Final = "profiles"
DISLIKES: Final = "dislikes"
OPTIONAL: Final = {PROFILES: FAMILIES[NEAR], DISLIKES: FAMILIES[DOWN]}
ENDS: Final = {PROFILES: SAID, DISLIKES: LIKE_IT}
LENGTH: Final = "history length"


def optional_columns(names: Sequence[str]) -> dict[str, Mask]:
    """Which columns of the rows say what of people they need not: only what is there."""
    found = {}
    for family, called in OPTIONAL.items():
        columns = np.array([_is_of(name, called, ENDS[family]) for name in names], dtype=np.bool_)
        if columns.any():
            found[family] = columns
    return found


def _is_of(name: str, family: str, end: str) -> bool:
    start = name.partition(" (")[0]
    return FAMILIES.get(start.partition(":")[0]) == family or start.endswith(end)


def for_strangers(names: Sequence[str]) -> Mask:
    """The columns that only order strangers: popularity once more, of which trees have enough."""
    return np.array([name.startswith(profile_window(None)) for name in names], dtype=np.bool_)


def subsets(families: Sequence[str]) -> list[tuple[str, ...]]:
    """All that may be left out, nothing first, everything last."""
    return [some for count in range(len(families) + 1) for some in combinations(families, count)]


def silence(
    rows: Floats, names: Sequence[str], unheard: Mapping[str, Sequence[tuple[int, int]]]
) -> None:
    """Zeros, in place, in the columns of a family where the history is of such lengths.

    `rows` is (…, f); `unheard` are the shortest and longest histories, family by family.
    """
    columns = optional_columns(names)
    lengths: NDArray[np.float32] = rows[..., list(names).index(LENGTH)]
    for family, ranges in unheard.items():
        if family not in columns:
            continue
        places = np.flatnonzero(columns[family])
        for low, high in ranges:
            lines = (lengths >= low) & (lengths <= high)
            for place in places.tolist():
                rows[..., place][lines] = 0


def silenced(
    rows: Floats, names: Sequence[str], unheard: Mapping[str, Sequence[tuple[int, int]]]
) -> Floats:
    """The same rows, or a copy in which `silence` was kept."""
    if not unheard:
        return rows
    copy = rows.copy()
    silence(copy, names, unheard)
    return copy
