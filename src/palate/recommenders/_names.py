"""Which names the blocks of features may have beside the ranker's own signals."""

from __future__ import annotations

from collections.abc import Iterable

from palate.errors import ConfigError
from palate.recommenders._importance import FAMILIES

SIGNS = (":", " (")  # after these, the ranker says what of a signal a feature is


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
