"""A graph of OpenVINO whose matrix products are computed on whole numbers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from palate.core.arrays import Floats
from palate.nn.language.tokenize import TokenIds
from palate.nn.telemetry import import_openvino

METHOD = 2  # one more whenever the same model gives other vectors
_SMOOTHING = 0.8
_MOST_ERROR = 0.003  # of a product, as a share of its square; what is worse stays as it is
_SAMPLE = 512  # rows that the error is measured on
_LEAST = 1e-6
_STEPS = 255

TEXTS = (
    "Wireless Noise Cancelling Over-Ear Headphones, 30 h Battery, Black",
    "Neutrogena Oil-Free Acne Wash, Pink Grapefruit, 6 fl oz (Pack of 3)",
    "Avery Easy Peel White Address Labels for Laser Printers, 1 x 2-5/8 Inch, Box of 3000 (5160)",
    "LEGO City Fire Station 60320, 540 pieces, ages 6+",
    "HP 62XL High-yield Ink Cartridge - Tri-color",
    "cast iron skillet 26 cm",
    "SKU 88-1042/B  M8x40 hex bolt A2-70 (100 pcs)",
    "WOMEN'S RUNNING SHOES SIZE 38 *** SALE *** -40%",
    "The Matrix. 1999. Action, Science Fiction. A hacker learns that the world he lives in is a "
    "simulation and joins those who fight the machines behind it.",
    "Toy Story. Animation, Children's, Comedy",
    "Kind of Blue - Miles Davis (1959), modal jazz",
    "Pride and Prejudice. Jane Austen. Classics, Romance",
    "brand: L'Oreal. price: 12.99. category: Skin Care > Face > Creams & Moisturizers",
    "genre: rock; mood: melancholic; tempo: slow; instruments: guitar, drums, bass",
    "recently viewed: running shoes, sports watch, protein bar. bought: water bottle",
    "Great battery, love it! Would buy again.",
    "Broke after one day. Terrible quality, do not waste your money on this.",
    "it's ok i guess, shipping was slow but the colour is as in the picture",
    "My daughter has sensitive skin and this is the only lotion that does not irritate it. It "
    "smells faintly of almonds, absorbs within a minute and leaves no film. The pump stopped "
    "working when the bottle was half empty, so I had to unscrew it, which is why I take off a "
    "star. I have since ordered two more and the second one works as it should.",
    "something funny for a rainy evening with the family",
    "How do I reset my router to factory settings?",
    "what is the best beginner camera under 500 dollars",
    "Central bank leaves interest rates unchanged as inflation slows for a third month",
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period a year ago.",
    "Researchers report that the protein folds in two steps, the second of which is blocked by a "
    "single mutation; the finding may explain why the drug fails in one patient out of ten.",
    "Preheat the oven to 180 degrees. Whisk three eggs with the sugar until pale, fold in the "
    "flour, then the melted butter, and bake for thirty-five minutes.",
    "Two-bedroom flat near the station, balcony, lift, no pets, available from 1 March.",
    "Senior data engineer, remote, Python and Spark, five years of experience",
    "This professional office chair is built for long days at the desk. Its mesh back lets air "
    "through, the lumbar support can be moved up and down by ten centimetres, and the armrests "
    "turn in three directions. The base is made of polished aluminium with five castors that suit "
    "carpet and hard floors alike. The gas spring has been tested for one hundred thousand cycles "
    "and carries up to 150 kilograms. Assembly takes about a quarter of an hour; all tools are in "
    "the box. The cover can be taken off and washed at thirty degrees. Covered by a guarantee of "
    "five years on all moving parts. Colours: graphite, sand, moss. Dimensions: 68 x 66 x 118 cm. "
    "Weight: 17.5 kg. Not suitable for outdoor use.",
    "A retired detective is called back to the coast where he grew up when a fisherman finds a "
    "locked suitcase in his net. As winter storms cut the village off from the mainland, he "
    "understands that someone there has known the answer for thirty years, and that his own "
    "brother may have been the last to see the missing girl alive. A quiet, patient crime novel "
    "about memory, loyalty and the price of keeping a promise, by the author of two earlier books "
    "with the same hero, which have been translated into eleven languages.",
    "https://example.com/item?id=12345&ref=mail",
    "a",
    "2024",
    "\U0001f600\U0001f44d\U0001f525",
    'Ω≈ç√∫ ± 5 µm, 3/4", 220–240 V ~ 50/60 Hz',
    "降噪蓝牙耳机 头戴式 续航30小时 黑色",
    "三体。刘慈欣。科幻小说。地球文明与三体文明的第一次接触",
    "家常菜谱大全：一百道简单易学的中式菜肴",
    "质量很好，物流也快，下次还会来买。",
    "酒店位置不错，但是房间太小，隔音很差，早餐也一般，不推荐。",
    "一个女孩站在海边，手里拿着一只红色的风筝",
    "適合初學者的古典吉他，附琴袋與調音器",
    "コードレス掃除機 軽量 1.2kg 吸引力が強くて静かです",
    "무선 키보드 한글 자판, 조용하고 가볍습니다",
    "Zapatillas de deporte para mujer, muy cómodas y ligeras",
    "Une histoire d'amour bouleversante dans le Paris des années vingt",
    "Kaffeemaschine mit Mahlwerk und Milchschäumer, leicht zu reinigen",
    "Смартфон с хорошей камерой и большим экраном",
    "ساعة يد رجالية مقاومة للماء",
    "हाथ से बना सूती कुर्ता, गर्मियों के लिए",
    "Giày chạy bộ nam, đế êm, thoáng khí",
    "İyi bir ürün, hızlı kargo, teşekkürler",
)


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
