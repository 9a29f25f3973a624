"""Losses of networks that recommend: softmax over items, whole or of a sample; pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palate.nn.hardware import import_torch


@dataclass(frozen=True)
class Rivals:
    """The items that compete in a softmax, each once, and what their logits are corrected by.

    `corrections` are None where all items compete, by their places.
    """

    items: Any
    corrections: Any = None


def rivals_of(answers: Any, frequency: Any, negatives: int, hard: Any = None) -> Rivals:
    """All items where `negatives` is 0 or more than there are, else the answers and so many others.

    Others are drawn uniformly, by torch's own chance; an answer that is drawn is no rival twice
    (accidental hits). Each is corrected by the logarithm of how often it is to be expected there:
    `frequency` is its share of all answers (Yi et al. 2019, Sampling-Bias-Corrected Neural
    Modeling). `hard` are more items that are to compete, with no correction for that: they are
    there because they count for more than their share.
    """
    torch = import_torch()
    count = len(frequency)
    if not negatives or negatives >= count:
        return Rivals(torch.arange(count))
    share = negatives / count
    others = torch.randint(count, (negatives,))
    drawn = [answers, others] if hard is None else [answers, others, hard]
    items = torch.unique(torch.cat(drawn))
    expected = 1 - (1 - torch.clamp(frequency[items], max=1.0)) ** len(answers) + share
    return Rivals(items, torch.log(torch.clamp(expected, max=1.0)))


def softmax_loss(
    queries: Any,
    vectors: Any,
    rivals: Rivals,
    answers: Any,
    smoothing: float,
    more: tuple[Any, Any, Any] | None = None,
    weights: Any = None,
) -> Any:
    """The mean cross entropy of (n,) answers under (n, d) queries, which carry their temperature.

    `vectors` (m, d) are those of the rivals, `weights` (n,) how much each answer counts. `more`
    adds something to the logits of some: (queries, items, what).
    """
    torch = import_torch()
    logits = (queries @ vectors.T).float()
    if more is not None:
        lines, items, what = more
        places = torch.searchsorted(rivals.items, items).clamp(max=len(rivals.items) - 1)
        there = rivals.items[places] == items
        cells = torch.unique(torch.stack([lines[there], places[there]]), dim=1)
        logits = logits.index_put((cells[0], cells[1]), what.float(), accumulate=True)
    if rivals.corrections is not None:
        logits = logits - rivals.corrections
        answers = torch.searchsorted(rivals.items, answers)
    entropy = torch.nn.functional.cross_entropy
    if weights is None:
        return entropy(logits, answers, label_smoothing=smoothing)
    each = entropy(logits, answers, label_smoothing=smoothing, reduction="none")
    return (each * weights).sum() / weights.sum()
