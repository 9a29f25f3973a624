"""What others published on these splits: full ranking over the whole catalogue, one answer each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class PublishedRow:
    """A published recommender and its figures, `recall@k` (the hit rate here) and `ndcg@k`."""

    name: str
    metrics: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class PublishedSplit:
    """A split that figures were published on; its size tells it from others of the same name."""

    format: str
    names: tuple[str, ...]
    items: int
    requests: int
    masked: bool
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...]


def published_split(format: str, *, items: int, requests: int) -> PublishedSplit | None:
    """The published split with this many items and test requests, None for other data."""
    for split in _SPLITS:
        if (split.format, split.items, split.requests) == (format, items, requests):
            return split
    return None


def published_rows(format: str, name: str) -> list[PublishedRow]:
    """The figures published on a split, by the name of its folder; empty for other data."""
    wanted = name.lower()
    return [
        row
        for split in _SPLITS
        if split.format == format and wanted in split.names
        for row in split.rows
    ]


def _rows(
    metrics: Sequence[str],
    figures: Mapping[str, Sequence[float]],
    notes: Mapping[str, str] | None = None,
) -> tuple[PublishedRow, ...]:
    return tuple(
        PublishedRow(name, dict(zip(metrics, values, strict=True)), (notes or {}).get(name, ""))
        for name, values in figures.items()
    )


_BEAUTY: Final = PublishedSplit(
    format="sequence",
    names=("beauty", "amazon_beauty", "amazon-beauty"),
    items=12_101,
    requests=22_363,
    masked=True,
    rows=_rows(
        ("recall@10", "ndcg@10"),
        {
            "SASRec": (0.0605, 0.0318),
            "S3-Rec": (0.0647, 0.0327),
            "TIGER": (0.0648, 0.0384),
            "ActionPiece": (0.0775, 0.0424),
            "HSTU": (0.0788, 0.0439),
            "LC-Rec": (0.0791, 0.0438),
            "FuXi-α": (0.0809, 0.0451),
            "DuoRec": (0.0845, 0.0443),
            "SASRec + sampled softmax": (0.0921, 0.0531),
            "eSASRec": (0.0928, 0.0523),
            "EnsRec": (0.0980, 0.0565),
            "BSARec-CE": (0.1004, 0.0609),
        },
        {
            "EnsRec": "sum of language-model and ID scores",
            "BSARec-CE": "as run by RecBoard, mean of 5 seeds",
        },
    ),
    notes=(
        "Days, not seconds, were recorded: 44% of neighbouring events of a person share a day. "
        "Such ties stand in the order of the file, here as in every published figure.",
    ),
)

_OFFICE: Final = PublishedSplit(
    format="minionerec",
    names=("office", "office_products", "office_products_5_2016-10-2018-11"),
    items=3_459,
    requests=4_866,
    masked=False,
    rows=_rows(
        ("recall@3", "ndcg@3", "recall@5", "ndcg@5", "recall@10", "ndcg@10"),
        {
            "GRU4Rec": (0.0629, 0.0528, 0.0789, 0.0595, 0.1019, 0.0669),
            "SASRec": (0.0861, 0.0769, 0.0949, 0.0805, 0.1120, 0.0858),
            "LC-Rec": (0.0921, 0.0807, 0.1048, 0.0859, 0.1237, 0.0920),
            "HSTU": (0.1134, 0.1031, 0.1252, 0.1079, 0.1400, 0.1126),
            "TIGER": (0.0986, 0.0852, 0.1163, 0.0960, 0.1408, 0.1002),
            "BIGRec": (0.1069, 0.0961, 0.1204, 0.1017, 0.1434, 0.1091),
            "S-DPO": (0.1169, 0.1033, 0.1356, 0.1110, 0.1587, 0.1255),
            "D3": (0.1204, 0.1055, 0.1406, 0.1139, 0.1634, 0.1213),
            "MiniOneRec": (0.1217, 0.1088, 0.1420, 0.1172, 0.1634, 0.1242),
        },
    ),
    notes=(
        "The published train file holds about three times the training events that the histories "
        "of the valid and test rows hold.",
    ),
)

_SCIENTIFIC: Final = PublishedSplit(
    format="unisrec",
    names=("scientific",),
    items=4_385,
    requests=8_442,
    masked=False,
    rows=_rows(
        ("recall@10", "ndcg@10", "recall@50", "ndcg@50"),
        {
            "VQ-Rec": (0.1238, 0.0645, 0.2409, 0.0901),
            "MISSRec": (0.1360, 0.0753, 0.2431, 0.0983),
        },
        {"MISSRec": "with IDs, pre-trained, uses images too"},
    ),
    notes=(),
)

_SPLITS: Final = (_BEAUTY, _OFFICE, _SCIENTIFIC)
