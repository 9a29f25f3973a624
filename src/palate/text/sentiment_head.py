"""Vectors of texts → how positive they are: a calibrated linear head, kept as arrays."""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from palate.core.arrays import Floats
from palate.core.errors import DataError
from palate.core.learnt import agree, check_type

__all__ = ["Head", "decide", "fit_head", "judge", "probabilities"]

Head: TypeAlias = dict[str, Any]
Numbers: TypeAlias = NDArray[np.float64]


class _Head(TypedDict):
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    temperature: float
    values: Floats
    shares: Floats
    evenness: float


FOLDS = 5
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # inverse, of the ridge penalty
EVENNESS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_ITERATIONS = 2000


def fit_head(vectors: Floats, values: Numbers, *, seed: int = 0) -> Head:
    """A head that tells the `values` of texts from (n, d) `vectors`.

    `values` are what each text's class stands for, from -1 (negative) to 1. Multinomial logistic
    regression on standardised vectors; the ridge penalty is the one with the least log loss on held
    out folds, and one temperature calibrates the probabilities there.
    Raises `DataError` for fewer than two classes or two texts of a class.
    Methods: scikit-learn's LogisticRegression; Guo et al. 2017, On Calibration of Modern Neural
    Networks.
    """
    classes, labels, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise DataError(
            f"sentiment is learnt from two classes of texts or more, two texts each; there are "
            f"{counts.tolist()} texts of the values {classes.tolist()}"
        )
    mean = vectors.mean(axis=0, dtype=np.float64)
    scale = np.maximum(vectors.std(axis=0, dtype=np.float64), 1e-6)
    table = (vectors - mean) / scale
    held_out = [_held_out(table, labels, strength, seed) for strength in STRENGTHS]
    losses = [_log_loss(scores, labels, 1.0) for scores in held_out]
    best = int(np.argmin(losses))
    weights, bias = _trained(table, labels, STRENGTHS[best])
    temperature = _temperature(held_out[best], labels)
    shares = counts / counts.sum()
    return {
        "mean": mean.astype(np.float32),
        "scale": scale.astype(np.float32),
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
        "temperature": temperature,
        "values": classes.astype(np.float32),
        "shares": shares.astype(np.float32),
        "evenness": _evenness(softmax(held_out[best] / temperature, axis=1), shares, labels),
    }


def check_head(head: Head) -> None:
    """Raises `ValueError` for what is no head out of a folder; none at all is right."""
    if not head:
        return
    check_type(head, _Head, "head_")
    classes, width = len(head["values"]), len(head["mean"])
    shapes = {"mean": (width,), "scale": (width,), "weights": (classes, width)}
    shapes |= dict.fromkeys(("bias", "values", "shares"), (classes,))
    for name, shape in shapes.items():
        found = head[name].shape
        agree(found == shape, f"head_[{name!r}] has shape {found}, not {shape}")
    scales = [head["scale"], head["shares"], np.array([head["temperature"]])]
    agree(classes > 1 and all((scale > 0).all() for scale in scales), "head_ of zero")


def probabilities(head: Head, vectors: Floats) -> Floats:
    """(n, classes) calibrated probabilities, the classes from negative to positive."""
    table = (vectors - head["mean"]) / head["scale"]
    scores = (table @ head["weights"].T + head["bias"]) / head["temperature"]
    return np.asarray(softmax(scores.astype(np.float64), axis=1), dtype=np.float32)


def judge(head: Head, vectors: Floats) -> tuple[Floats, Floats]:
    """(n,) expected value from -1 to 1, and the probability of being negative."""
    found = probabilities(head, vectors)
    values = head["values"]
    return found @ values, found[:, values < 0].sum(axis=1)


def decide(head: Head, vectors: Floats) -> Floats:
    """(n,) the value of each text's class: the most probable for its share of the texts.

    Rare classes count more by the power of their share that had the best macro-F1 on held-out
    folds: where 19 of 20 reviews are good, the most probable class alone would never say bad.
    """
    found = probabilities(head, vectors) / head["shares"] ** head["evenness"]
    decided: Floats = head["values"][found.argmax(axis=1)]
    return decided


def _trained(table: Numbers, labels: NDArray[np.int64], strength: float) -> tuple[Numbers, Numbers]:
    """(classes, d) weights and (classes,) biases."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(table, labels)
    weights, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weights) == 1:  # of two classes, scikit-learn keeps the second
        weights, bias = np.vstack([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return weights, bias


def _held_out(table: Numbers, labels: NDArray[np.int64], strength: float, seed: int) -> Numbers:
    """(n, classes) scores of every text by a model that has not seen it."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(labels).min()))
    scores = np.zeros((len(labels), int(labels.max()) + 1))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(table, labels):
        weights, bias = _trained(table[train], labels[train], strength)
        scores[test] = table[test] @ weights.T + bias
    return scores


def _temperature(scores: Numbers, labels: NDArray[np.int64]) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: _log_loss(scores, labels, float(np.exp(log))), bounds=(-2, 2), method="bounded"
    )
    return float(np.exp(found.x))


def _evenness(chances: Numbers, shares: Numbers, labels: NDArray[np.int64]) -> float:
    from sklearn.metrics import f1_score

    scores = [
        f1_score(labels, (chances / shares**power).argmax(axis=1), average="macro", zero_division=0)
        for power in EVENNESS
    ]
    return EVENNESS[int(np.argmax(scores))]


def _log_loss(scores: Numbers, labels: NDArray[np.int64], temperature: float) -> float:
    found = log_softmax(scores / temperature, axis=1)[np.arange(len(labels)), labels]
    return float(-found.mean())
