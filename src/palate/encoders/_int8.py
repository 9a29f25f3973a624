"""A graph of OpenVINO whose matrix products are computed on whole numbers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from palate.encoders._telemetry import import_openvino
from palate.encoders._tokens import TokenIds
from palate.types import Floats

METHOD = 2  # one more whenever the same model gives other vectors
_SMOOTHING = 0.8
_MOST_ERROR = 0.003  # of a product, as a share of its square; what is worse stays as it is
_SAMPLE = 512  # rows that the error is measured on
_LEAST = 1e-6
_STEPS = 255


@dataclass
class _Seen:
    """What enters a product: the range of every channel, and some of the `total` rows."""

    low: Floats
    high: Floats
    total: int
    count: int = 0
    rows: list[Floats] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Floats, total: int | None = None) -> _Seen:
        """Of the first rows; there will be `total`, by default no more."""
        seen = cls(rows[0], rows[0], len(rows) if total is None else total)
        seen.add(rows)
        return seen

    def add(self, rows: Floats) -> None:
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        wanted = np.linspace(0, self.total - 1, min(_SAMPLE, self.total)).astype(np.int64)
        wanted -= self.count
        self.rows.append(rows[wanted[(wanted >= 0) & (wanted < len(rows))]])
        self.count += len(rows)

    def sample(self) -> Floats:
        """(512, channels) at most, spread evenly."""
        rows: Floats = np.concatenate(self.rows)
        return rows


@dataclass(frozen=True)
class _Rounding:
    """How what enters is rounded: divided by `smooth`, to `low` … `high` in 255 steps."""

    smooth: Floats
    low: float
    high: float

    @classmethod
    def of(cls, seen: _Seen, weight: Floats) -> _Rounding:
        largest = np.maximum(np.maximum(np.abs(seen.low), np.abs(seen.high)), _LEAST)
        weights = np.maximum(np.abs(weight).max(axis=0), _LEAST)
        smooth = largest**_SMOOTHING / weights ** (1 - _SMOOTHING)
        smooth = np.maximum(smooth / smooth.mean(), 1e-4).astype(np.float32)
        low = min(float((seen.low / smooth).min()), 0.0)
        high = max(float((seen.high / smooth).max()), 0.0)
        step = max(high - low, _LEAST) / _STEPS
        zero = round(-low / step)  # nothing stays nothing
        return cls(smooth, -zero * step, (_STEPS - zero) * step)

    def __call__(self, rows: Floats) -> Floats:
        step = (self.high - self.low) / _STEPS
        rounded = np.clip(np.round((rows / self.smooth - self.low) / step), 0, _STEPS)
        return (rounded * step + self.low).astype(np.float32)


def quantise(graph: Any, batches: Iterable[TokenIds]) -> int:
    """Rounds what enters the products with weights, and the weights; gives how many there are.

    Channels of wide range are made narrower by what their weights are made wider (Xiao et al. 2023,
    SmoothQuant), ranges are those that `batches` of token ids show, weights have a scale a row. A
    product stays as it is where its result would be off by more than 0.3 % (in square, the mean
    over tokens).
    """
    groups = _products(graph)
    seen = _watched(graph, [nodes[0].input_value(0) for nodes in groups], batches)
    done = 0
    for nodes, entering in zip(groups, seen, strict=True):
        weights = [_weight(node) for node in nodes]
        together = np.concatenate(weights)
        rounding = _Rounding.of(entering, together)
        if _error(rounding, entering.sample(), together) <= _MOST_ERROR:
            _replace(nodes, weights, rounding)
            done += len(nodes)
    graph.validate_nodes_and_infer_types()
    return done


def _products(graph: Any) -> list[list[Any]]:
    """The products with constant weights, those that read the same together."""
    groups: dict[tuple[str, int], list[Any]] = {}
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.get_attributes()["transpose_a"]:
            continue
        weight = node.input_value(1).get_node()
        if weight.get_type_name() == "Constant" and len(weight.shape) == 2:
            source = node.input_value(0)
            key = (source.get_node().get_friendly_name(), source.get_index())
            groups.setdefault(key, []).append(node)
    return list(groups.values())


def _watched(graph: Any, sources: Sequence[Any], batches: Iterable[TokenIds]) -> list[_Seen]:
    ov = import_openvino()
    ops = ov.opset13
    probe = ov.Model([ops.result(source) for source in sources], graph.get_parameters(), "probe")
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(probe, "CPU", settings)
    batches = list(batches)
    tokens, texts = sum(ids.size for ids in batches), sum(map(len, batches))
    seen: list[_Seen] = []
    for ids in batches:
        for place, rows in enumerate(_rows(compiled([ids]))):
            if place < len(seen):
                seen[place].add(rows)
            else:  # after pooling a text is one row
                seen.append(_Seen.of(rows, tokens if len(rows) == ids.size else texts))
    return seen


def _rows(found: Mapping[Any, Any]) -> Iterator[Floats]:
    for values in found.values():
        yield np.array(values, dtype=np.float32).reshape(-1, values.shape[-1])


def _weight(node: Any) -> Floats:
    """(out, in) numbers."""
    weight: Floats = np.asarray(node.input_value(1).get_node().get_data(), dtype=np.float32)
    return weight if node.get_attributes()["transpose_b"] else weight.T


def _rounded(weight: Floats) -> tuple[Floats, Floats]:
    """Whole numbers from -127 to 127, and the scale of every row."""
    scale: Floats = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, 1e-12)
    return np.round(weight / scale), scale.astype(np.float32)


def _error(rounding: _Rounding, rows: Floats, weight: Floats) -> float:
    exact = rows @ weight.T
    whole, scale = _rounded(weight * rounding.smooth)
    off = rounding(rows) @ (whole * scale).T - exact
    size = np.maximum((exact**2).sum(axis=1), 1e-12)
    return float(((off**2).sum(axis=1) / size).mean())


def _replace(nodes: Sequence[Any], weights: Sequence[Floats], rounding: _Rounding) -> None:
    ops = import_openvino().opset13
    source = nodes[0].input_value(0)
    smoothed = ops.multiply(source, ops.constant(1 / rounding.smooth))
    low, high = np.float32(rounding.low), np.float32(rounding.high)
    entering = ops.fake_quantize(smoothed, low, high, low, high, _STEPS + 1)
    for node, weight in zip(nodes, weights, strict=True):
        whole, scale = _rounded(weight * rounding.smooth)
        if not node.get_attributes()["transpose_b"]:
            whole, scale = np.ascontiguousarray(whole.T), scale.T
        small = ops.constant(whole.astype(np.int8), dtype=np.int8)
        restored = ops.multiply(ops.convert(small, "f32"), ops.constant(scale))
        node.input(0).replace_source_output(entering.output(0))
        node.input(1).replace_source_output(restored.output(0))
