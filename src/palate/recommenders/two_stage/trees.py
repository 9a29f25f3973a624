"""Trees: learnt by LightGBM, and read by our own eyes before its parser, which trusts all, does.

Many rows are asked at once: a split is then one comparison of a whole column, which takes a third
of the time that LightGBM needs row by row, and gives the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from palate.core import progress
from palate.core.arrays import Floats, Mask
from palate.core.learnt import agree
from palate.recommenders._lightgbm import lgb
from palate.recommenders.two_stage.labels import LabelledRows
from palate.recommenders.two_stage.taught import for_strangers

HALVES = 2  # rows of trees, of other seeds, that add up
DEEPEST = 1000  # splits above a leaf: SHAP values are found by recursion
_BINNED: Final = {"max_bin": 63, "deterministic": True, "force_row_wise": True, "verbose": -1}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SPLITS = (
    *("split_feature", "split_gain", "threshold", "decision_type"),
    *("left_child", "right_child", "internal_count"),
)
_WHOLE = {*_SPLITS, "leaf_count"} - {"split_gain", "threshold"}
_MISSING = 0b1100  # bits of a decision: which values count as missing, 3 being no kind of these
FEWEST_ROWS = 4_096  # that are asked column by column: for fewer, LightGBM is as fast or faster
_BLOCK_ROWS = 16_384  # whose columns stay in the cache
_MOST_LEAVES = 256  # that a byte tells apart
_NOTHING = np.float32(1e-35)  # what LightGBM takes for 0

Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class _Tree:
    """`splits`, children before their parents: (place, column, threshold, left, right), where leaf
    number n is child ~n; what each leaf adds.
    """

    splits: list[tuple[int, int, NDArray[np.float32], int, int]]
    leaves: Doubles

    @classmethod
    def of(cls, tree: Mapping[str, str]) -> _Tree | None:
        """None for a tree that this is not made for: of more leaves than a byte tells apart, that
        asks which values are missing, or splits beyond the floats.
        """
        leaves = np.array(tree["leaf_value"].split(), dtype=np.float64)
        if len(leaves) > _MOST_LEAVES:
            return None
        if len(leaves) == 1:
            return cls([], leaves)
        whole = {name: [int(word) for word in tree[name].split()] for name in _WALKED}
        limits = np.array(tree["threshold"].split(), dtype=np.float64)
        missing = any(decision & _MISSING for decision in whole["decision_type"])
        if missing or np.abs(limits).max() >= np.finfo(np.float32).max:
            return None
        # a float is at most the limit just where it is at most the largest float that is
        rounded = limits.astype(np.float32)
        below = np.nextafter(rounded, np.float32(-np.inf))
        largest = np.where(rounded > limits, below, rounded)
        columns, left, right = (whole[name] for name in _WALKED[:3])
        each = [np.asarray(limit) for limit in largest]  # arrays, which numpy compares with sooner
        splits = list(zip(range(len(each)), columns, each, left, right, strict=True))
        return cls(splits[::-1], leaves)

    def leaf(self, columns: Sequence[Floats]) -> Any:
        """(n,) in which leaf each row ends."""
        found: dict[int, Any] = {}
        for place, column, threshold, left, right in self.splits:
            yes = found.pop(left) if left >= 0 else _NUMBERS[~left]
            no = found.pop(right) if right >= 0 else _NUMBERS[~right]
            chosen = np.less_equal(columns[column], threshold).view(np.uint8)
            chosen *= yes ^ no
            chosen ^= no
            found[place] = chosen
        return found.pop(0, 0)


_NUMBERS = list(np.arange(_MOST_LEAVES, dtype=np.uint8))
_WALKED = ("split_feature", "left_child", "right_child", "decision_type")


@dataclass(frozen=True)
class Boosting:
    """How trees are learnt from labelled rows."""

    n_estimators: int
    learning_rate: float
    num_leaves: int
    min_rows_per_leaf: int
    l2: float
    seed: int

    def trees(
        self,
        rows: LabelledRows,
        table: Any,
        deaf_to: Mask | None = None,
        *,
        halves: int = HALVES,
    ) -> str:
        """LightGBM's text of trees that split no column they are deaf to, nor those for strangers.

        They are learnt as `HALVES`, each with a seed of its own and as far as all would go: what
        these add up to costs no more than one row of trees, and depends less on chance. Of fewer
        `halves`, to choose by, it is as far. `table` is that of `binned(rows)`.
        """
        parameters = {
            "objective": "lambdarank",
            "learning_rate": self.learning_rate * HALVES,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "lambda_l2": self.l2,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambdarank_truncation_level": 15,
            **_BINNED,
        }
        deaf = for_strangers(rows.names)
        deaf |= False if deaf_to is None else deaf_to
        if deaf.any():
            parameters["feature_contri"] = (~deaf).astype(float).tolist()
        sizes = [-(-(self.n_estimators - half) // HALVES) for half in range(halves)]
        texts = []
        with progress.task("learn to rank: trees", sum(sizes), "trees") as advance:
            for half, size in enumerate(filter(None, sizes)):
                parameters["seed"] = self.seed * HALVES + half
                booster = lgb.train(
                    parameters, table, size, callbacks=[lambda _environment: advance(1)]
                )
                texts.append(str(booster.model_to_string()))
        return together(texts)


def binned(rows: LabelledRows) -> Any:
    """The rows with values sorted into bins: once, however many trees learn from them."""
    return lgb.Dataset(list(rows.parts), rows.labels, group=rows.groups, free_raw_data=False)


@dataclass(frozen=True)
class Trees:
    """A booster of LightGBM's, and its trees where they can be asked column by column."""

    booster: Any
    trees: Sequence[_Tree] = ()

    def predict(
        self, rows: Floats, *, num_threads: int = 0, pred_contrib: bool = False
    ) -> NDArray[np.float64]:
        """(n,) what the trees add up to, or (n, features + 1) SHAP values, as LightGBM's do."""
        own = bool(self.trees) and rows.dtype == np.float32 and not pred_contrib
        if not own or len(rows) < FEWEST_ROWS:
            found = self.booster.predict(rows, num_threads=num_threads, pred_contrib=pred_contrib)
            return np.asarray(found, dtype=np.float64)
        total = np.zeros(len(rows))
        step = -(-len(rows) // -(-len(rows) // _BLOCK_ROWS))  # blocks of one size
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            columns = np.ascontiguousarray(rows[block].T)
            columns[~(np.abs(columns) > _NOTHING)] = 0  # NaN, too, as LightGBM has it
            separate = list(columns)
            for tree in self.trees:
                total[block] += tree.leaves.take(tree.leaf(separate))
        return total

    def feature_importance(self, kind: str) -> NDArray[np.float64]:
        """(features,) as LightGBM has it: the "gain" of each, or how often the trees "split" it."""
        return np.asarray(self.booster.feature_importance(kind), dtype=np.float64)


def together(texts: Sequence[str]) -> str:
    """One text of the trees of several, which then add up."""
    head, *_ = texts[0].partition("\nTree=")
    kept = [line for line in head.splitlines() if not line.startswith("tree_sizes=")]
    trees = [tree for text in texts for tree in _blocks(text)[1:]]
    numbered = [f"{number}\n{tree.partition(chr(10))[2]}" for number, tree in enumerate(trees)]
    return "\nTree=".join(["\n".join(kept), *numbered]) + "\nend of trees\n"


def _blocks(text: str) -> list[str]:
    """The head of a booster's text, and its trees."""
    return text.partition("\nend of trees")[0].split("\nTree=")


def booster_of(text: str, n_features: int) -> Trees | None:
    """The booster that a text of LightGBM's describes, None for an empty one.

    It is built of another text, which holds the numbers of this one that scoring, gains and SHAP
    need, once they are known to be trees. Raises `ValueError` for what are none, and for trees of
    other than `n_features` features.
    """
    if not text:
        return None
    head, *blocks = _blocks(text)
    described = _pairs(head)
    last = described.get("max_feature_idx")
    agree(last == str(n_features - 1), f"trees of features 0 to {last}, not to {n_features - 1}")
    agree(bool(blocks), "a ranker's text without a tree")
    trees = [_checked(_pairs(block), n_features) for block in blocks]
    own = [_Tree.of(tree) for tree in trees]
    asked = [tree for tree in own if tree is not None]
    try:
        booster = lgb.Booster(model_str=_text(trees, n_features))
        return Trees(booster, asked if len(asked) == len(own) else ())
    except lgb.basic.LightGBMError as error:
        raise ValueError(f"LightGBM cannot read its trees: {error}") from error


def _pairs(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value for name, sign, value in lines if sign}


def _text(trees: Sequence[Mapping[str, str]], n_features: int) -> str:
    names = " ".join(f"Column_{column}" for column in range(n_features))
    head = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(n_features - 1),
        "objective": "lambdarank",
        "feature_names": names,
        "feature_infos": " ".join(["none"] * n_features),
    }
    blocks = [f"Tree={number}\n{_lines(tree)}" for number, tree in enumerate(trees)]
    return "\n\n".join([f"tree\n{_lines(head)}", *blocks, "end of trees\n"])


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in pairs.items())


def _checked(tree: Mapping[str, str], n_features: int) -> dict[str, str]:
    """What of a tree is passed on; `ValueError` for one that would be read beyond its end."""
    leaves = int(tree["num_leaves"])
    agree(leaves >= 1 and tree["num_cat"] == "0", "a tree without leaves, or with categories")
    agree(tree.get("is_linear", "0") == "0", "a tree of linear models")
    found = {"leaf_value": _numbers(tree, "leaf_value", leaves)}
    if leaves > 1:
        found |= {name: _numbers(tree, name, leaves - 1) for name in _SPLITS}
        found["leaf_count"] = _numbers(tree, "leaf_count", leaves)
        _check_splits(found, n_features)
        _check_children(found["left_child"], found["right_child"])
    shape = {"num_leaves": str(leaves), "num_cat": "0"}
    numbers = {name: " ".join(tree[name].split()) for name in found}
    return {**shape, **numbers, "is_linear": "0", "shrinkage": "1"}


def _numbers(tree: Mapping[str, str], name: str, length: int) -> NDArray[Any]:
    words = tree[name].split()
    agree(len(words) == length, f"{len(words)} of {name} in a tree, not {length}")
    if odd := [word for word in words if not _NUMBER.fullmatch(word)]:
        raise ValueError(f"{name} of a tree holds {odd[0][:20]!r}")
    if name in _WHOLE:
        whole = np.array([int(word) for word in words], dtype=np.int64)
        agree(bool((np.abs(whole) < 2**31).all()), f"{name} of a tree holds too large a number")
        return whole
    numbers = np.array(words, dtype=np.float64)
    agree(bool(np.isfinite(numbers).all()), f"{name} of a tree holds an infinite number")
    return numbers


def _check_splits(tree: Mapping[str, NDArray[Any]], n_features: int) -> None:
    feature, decision = tree["split_feature"], tree["decision_type"]
    agree(bool(((feature >= 0) & (feature < n_features)).all()), "a tree splits unknown features")
    plain = (decision >= 0) & (decision < 16) & (decision % 2 == 0)
    plain &= (decision & _MISSING) != _MISSING
    agree(bool(plain.all()), "a tree splits by what is no number")
    counts = bool((tree["internal_count"] > 0).all() and (tree["leaf_count"] >= 0).all())
    agree(counts, "a tree's parts hold fewer rows than none")


def _check_children(left: Numbers, right: Numbers) -> None:
    """Every split and leaf but the root hangs below one split that comes before it."""
    size = len(left)
    children = np.column_stack([left, right]).ravel()
    parents = np.repeat(np.arange(size), 2)
    inner = children >= 0
    splits, leaves = np.sort(children[inner]), np.sort(~children[~inner])
    whole = np.array_equal(splits, np.arange(1, size)) and np.array_equal(
        leaves, np.arange(size + 1)
    )
    agree(whole, "a tree whose splits do not lead to each of its leaves once")
    agree(bool((children[inner] > parents[inner]).all()), "a tree with a circle")
    depth = np.zeros(size, dtype=np.int64)
    for child, parent in zip(children[inner].tolist(), parents[inner].tolist(), strict=True):
        depth[child] = depth[parent] + 1
    agree(int(depth.max()) < DEEPEST, f"a tree of more than {DEEPEST} splits above a leaf")
