"""Which tokens of a text count how much: by how rare they are, or as histories teach."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask, unit_rows
from palate.core.errors import DataError
from palate.core.histories import Histories
from palate.core.progress import task
from palate.nn.hardware import import_torch
from palate.nn.language.inference import TokenVectors
from palate.nn.language.tokenize import Tokeniser, tokens_of_texts

MOST_TOKENS = 150_000  # whose states are held in memory
_NO_GAIN = (
    'pooling = "attention" found no weights that surely help, so every token counts alike: '
    'pooling = "mean" gives the same, and fits faster'
)
_TEXTS_AT_ONCE = 1024
_STEPS = 300
_LOOK_EVERY = 25
_PATIENCE = 4
_PAIRS = 128  # of a step
_RATE = 0.01
_SHARPNESS = np.float32(np.log(5.0))  # of the softmax over a batch, to begin with
_SHRINKAGE = 4.0  # over items, as `whiten` has it by default
_HELD_OUT = 5  # every so many-th person is kept to judge by
_MOST_JUDGED = 1024

Pairs: TypeAlias = NDArray[np.int64]


def rarity(texts: Sequence[str], tokenise: Tokeniser, vocabulary: int) -> Floats:
    """(vocabulary,) the logarithm of how rare every token is among texts."""
    counts = np.zeros(vocabulary)
    for ids in tokens_of_texts(texts, tokenise):
        counts[ids] += 1
    return np.log((1 + len(texts)) / (1 + counts)).astype(np.float32)


def attention(
    texts: Sequence[str],
    histories: Histories,
    tokenise: Tokeniser,
    states_of: Callable[[Sequence[str]], TokenVectors],
) -> Floats:
    """(d,) the vector of `learn_attention`, by the texts of some items, by chance.

    Raises `DataError` where nobody's history says which texts go together.
    """
    said = np.array([bool(text) and not text.isspace() for text in texts], dtype=np.bool_)
    near = Neighbours.of(histories, said)
    if not len(near.pairs):
        raise DataError(
            'pooling = "attention" learns from items that follow each other in a history, and '
            'nobody has two items with texts: choose another, such as "mean"'
        )
    rows: list[int] = []
    tokens = 0
    met = near.met()
    for start in range(0, len(met), _TEXTS_AT_ONCE):
        part = met[start : start + _TEXTS_AT_ONCE].tolist()
        pieces, owners = tokenise([texts[row] for row in part])
        lengths = np.bincount(owners, [len(ids) for ids in pieces], minlength=len(part))
        fits = tokens + np.cumsum(lengths) <= MOST_TOKENS
        rows += part[: int(fits.sum())]
        tokens += int(lengths[fits].sum())
        if not fits.all():
            break
    rows = rows or met[:1].tolist()  # one that is too long says how wide the states are
    found = learn_attention(states_of([texts[row] for row in rows]), near.among(rows))
    if not found.any():
        warnings.warn(_NO_GAIN, RuntimeWarning, stacklevel=3)
    return found


@dataclass(frozen=True)
class Neighbours:
    """Pairs of items that follow each other in histories: (n, 2) rows, and whose they are."""

    pairs: Pairs
    users: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Histories, usable: Mask) -> Neighbours:
        """Of usable items only; an item is not its own neighbour."""
        user = np.repeat(np.arange(len(histories)), histories.lengths)
        items = histories.items.astype(np.int64)
        pairs = np.stack([items[:-1], items[1:]], axis=1)
        kept = (user[1:] == user[:-1]) & (pairs[:, 0] != pairs[:, 1])
        kept &= usable[pairs].all(axis=1)
        return cls(pairs[kept], user[1:][kept])

    def met(self) -> NDArray[np.int64]:
        """The items, in the order in which pairs that are drawn by chance bring them."""
        drawn = np.random.default_rng(0).permutation(self.pairs).ravel()
        _, first = np.unique(drawn, return_index=True)
        return drawn[np.sort(first)]

    def among(self, rows: Sequence[int]) -> Neighbours:
        """The pairs of some items, by their places in `rows`."""
        place = np.full(int(self.pairs.max(initial=0)) + 1, -1, dtype=np.int64)
        place[list(rows)] = np.arange(len(rows))
        found = place[self.pairs]
        kept = (found >= 0).all(axis=1)
        return Neighbours(found[kept], self.users[kept])


def learn_attention(states: TokenVectors, near: Neighbours, *, seed: int = 0) -> Floats:
    """(d,) vector: a text is the mean of its tokens' states, weighted by softmax(states · vector).

    Learnt so that of all items of a batch the one that follows in a history is the most alike (in
    cosine, whitened; corrected for how often an item occurs), by Adam from zero, which is the
    mean. How high that one stands for people that it does not learn from says when to stop, and
    zero is kept where it does not stand surely higher (two standard errors). Method: Yang et al.
    2016, Hierarchical Attention Networks; loss: Yi et al. 2019, Sampling-Bias-Corrected Neural
    Modeling.
    """
    torch = import_torch()
    rng = np.random.default_rng(seed)
    held = rng.permutation(int(near.users.max(initial=0)) + 1)[near.users] % _HELD_OUT == 0
    judged = near.pairs[rng.permutation(np.flatnonzero(held))[:_MOST_JUDGED]]
    taught = near.pairs[~held]
    best = np.zeros(states.vectors.shape[1], dtype=np.float32)
    if len(judged) < 2 or len(taught) < 2:
        return best
    learner = _Learner(states, near)
    query, sharpness = (torch.tensor(v, requires_grad=True) for v in (best.copy(), _SHARPNESS))
    adam = torch.optim.Adam([query, sharpness], lr=_RATE)
    at_first = highest = learner.judge(query, judged)
    worse = 0
    with task("learn which tokens count", _STEPS, "steps") as did:
        for step in range(1, _STEPS + 1):
            adam.zero_grad()
            pairs = taught[rng.choice(len(taught), min(_PAIRS, len(taught)))]
            learner.loss(query, sharpness, pairs).backward()
            adam.step()
            did(1)
            if step % _LOOK_EVERY:
                continue
            found = learner.judge(query, judged)
            worse += 1
            if found.mean() > highest.mean():
                highest, worse = found, 0
                best = query.detach().numpy().copy()
            if worse == _PATIENCE:
                break
    gained = highest - at_first
    if gained.mean() <= 2 * gained.std() / len(gained) ** 0.5:
        best = np.zeros_like(best)
    vector: Floats = (best * learner.scale).astype(np.float32)
    return vector


def _whitening(vectors: Floats) -> Floats:
    """(d, d): what pipelines do to vectors before they compare them, lest it be learnt instead."""
    values, axes = np.linalg.eigh(np.cov(vectors.astype(np.float64), rowvar=False))
    floor = max(max(_SHRINKAGE / len(vectors), 1e-4) * values.sum(), 1e-9)
    whitening: Floats = (axes / np.sqrt(np.maximum(values, 0) + floor)).astype(np.float32)
    return whitening


class _Learner:
    """The loss of pairs of items under a vector, in units in which states have variance 1 / d."""

    def __init__(self, states: TokenVectors, near: Neighbours) -> None:
        self.torch = import_torch()
        self.starts = states.starts
        width = states.vectors.shape[1]
        self.scale = 1 / (max(float(states.vectors.std()), 1e-6) * width**0.5)
        self.flat = self.torch.from_numpy(states.vectors)
        sums = np.add.reduceat(states.vectors, states.starts[:-1], axis=0)
        means = unit_rows(sums)
        self.centre = self.torch.from_numpy(means.mean(axis=0))
        self.axes = self.torch.from_numpy(_whitening(means))
        often = np.bincount(near.pairs.ravel(), minlength=len(states)) / (2 * len(near.pairs))
        self.commonness = self.torch.from_numpy(np.log(np.maximum(often, 1e-9)).astype(np.float32))

    def pooled(self, query: Any, rows: NDArray[np.int64]) -> Any:
        """(n, d) directions of items less the mean of all, whitened as the mean would be."""
        first, last = self.starts[rows], self.starts[rows + 1]
        longest = int((last - first).max())
        places = np.minimum(first[:, None] + np.arange(longest), last[:, None] - 1)
        blank = self.torch.from_numpy(np.arange(longest) >= (last - first)[:, None])
        states = self.flat[self.torch.from_numpy(places)]
        scores = (states @ (query * self.scale)).masked_fill(blank, -self.torch.inf)
        pooled = (states * scores.softmax(dim=1).unsqueeze(2)).sum(dim=1)
        unit = self.torch.nn.functional.normalize
        return unit((unit(pooled, dim=1) - self.centre) @ self.axes, dim=1)

    def loss(self, query: Any, sharpness: Any, pairs: Pairs) -> Any:
        """The mean over pairs, asked for either item from the other."""
        one, other = pairs[:, 0], pairs[:, 1]
        alike = self.pooled(query, one) @ self.pooled(query, other).T * sharpness.exp()
        wanted = self.torch.arange(len(pairs))
        lines = []
        for table, asked in ((alike, other), (alike.T, one)):
            corrected = table - self.commonness[self.torch.from_numpy(asked)]
            lines.append(
                self.torch.nn.functional.cross_entropy(self._alone(corrected, asked), wanted)
            )
        return (lines[0] + lines[1]) / 2

    def _alone(self, table: Any, asked: NDArray[np.int64]) -> Any:
        """Without the other places at which an item stands that is asked for."""
        again = (asked[:, None] == asked) & ~np.eye(len(asked), dtype=np.bool_)
        return table.masked_fill(self.torch.from_numpy(again), -self.torch.inf)

    def judge(self, query: Any, pairs: Pairs) -> Floats:
        """(n,) one over the place of the item that followed, among those of `_PAIRS` pairs."""
        found = []
        with self.torch.no_grad():
            for start in range(0, len(pairs), _PAIRS):
                one, other = pairs[start : start + _PAIRS].T
                alike = self.pooled(query, one) @ self.pooled(query, other).T
                alike = self._alone(alike, other).numpy()
                found.append(1 / (alike >= alike.diagonal()[:, None]).sum(axis=1))
        places: Floats = np.concatenate(found)
        return places
