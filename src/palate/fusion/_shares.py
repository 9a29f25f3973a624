"""How much each block counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from palate.errors import ConfigError, did_you_mean


def shares_of(names: Iterable[str], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Each block's share of 1: its weight (1 where left out) over the sum of all."""
    given, known = dict(weights or {}), list(names)
    for name in given:
        if name not in known:
            raise ConfigError(f"weights: no block is called {name!r}.{did_you_mean(name, known)}")
    chosen = {name: float(given.get(name, 1.0)) for name in known}
    total = sum(chosen.values())
    if known and not total:
        raise ConfigError("weights cannot be used: all blocks weigh 0, give one of them more")
    return {name: weight / total for name, weight in chosen.items()}
