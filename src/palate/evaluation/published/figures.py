"""What others published on these splits: full ranking over the whole catalogue, one answer each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

ROUNDING: Final = 0.00015  # of the three figures that a bound is made of, to four decimals

SOURCES: Final = {
    "P": "own log",
    "X": "paper, quoted",
    "S": "summary",
    "R": "re-run",
    "": "",
}
"""How a figure became known: from the authors' log or repository, from their paper's text as others
give it, from a summary of it, from a run by others; "" where that was not written down."""


@dataclass(frozen=True)
class PublishedRow:
    """A published recommender and its figures, `recall@k` (the hit rate here) and `ndcg@k`.

    `source` is a key of `SOURCES`. `contradicted` holds figures that cannot be true beside the
    others, with the reason: they are no part of `metrics`.
    """

    name: str
    metrics: dict[str, float]
    note: str = ""
    source: str = ""
    contradicted: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, with what a reader must know."""
        return f"{self.name} ({self.note})" if self.note else self.name

    @property
    def left_out(self) -> list[str]:
        """A sentence for each figure that is not printed."""
        return [f"{self.name}'s {why}: not printed." for why in self.contradicted.values()]


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

    @property
    def remarks(self) -> list[str]:
        """What a reader of the figures must know: the notes, and what is not printed."""
        return [*self.notes, *(sentence for row in self.rows for sentence in row.left_out)]


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


def contradictions(figures: Mapping[str, float]) -> dict[str, str]:
    """The NDCG figures that the others rule out, by name, each with the reason.

    With one relevant item, what is found between places j and k adds at most 1 / log2(j + 2) and
    at least 1 / log2(k + 1) each: N@j + (R@k - R@j) / log2(k + 1) <= N@k <=
    N@j + (R@k - R@j) / log2(j + 2). Figures are rounded to four decimals.
    """
    known: dict[int, tuple[float, float]] = {0: (0.0, 0.0)}
    found: dict[str, str] = {}
    for k in sorted(int(name.partition("@")[2]) for name in figures if name.startswith("recall@")):
        recall, ndcg = figures[f"recall@{k}"], figures.get(f"ndcg@{k}")
        if ndcg is None:
            continue
        gains = [(ndcg_j, recall - recall_j, j) for j, (recall_j, ndcg_j) in known.items()]
        most = min(before + gain / math.log2(j + 2) for before, gain, j in gains)
        least = max(before + gain / math.log2(k + 1) for before, gain, _ in gains)
        if least - ROUNDING <= ndcg <= most + ROUNDING:
            known[k] = recall, ndcg
        else:
            bound = f"at most {most:.4f}" if ndcg > most else f"at least {least:.4f}"
            found[f"ndcg@{k}"] = (
                f"published NDCG@{k}, {ndcg:.4f}, contradicts its other figures ({bound})"
            )
    return found


def _row(
    name: str,
    figures: Mapping[str, float | None],
    source: str = "",
    note: str = "",
) -> PublishedRow:
    """A row as it was published, less what contradicts itself."""
    given = {metric: value for metric, value in figures.items() if value is not None}
    wrong = contradictions(given)
    kept = {metric: value for metric, value in given.items() if metric not in wrong}
    return PublishedRow(name, kept, note, source, wrong)


_Figures: TypeAlias = "tuple[float | None, ...]"


def _rows(
    metrics: Sequence[str], *rows: tuple[str, _Figures] | tuple[str, _Figures, str, str]
) -> tuple[PublishedRow, ...]:
    """Rows of (name, figures) or (name, figures, source, note)."""
    return tuple(
        _row(name, dict(zip(metrics, figures, strict=True)), *known)
        for name, figures, *known in rows
    )


_AT_10: Final = ("recall@10", "ndcg@10")
_AT_3_5_10: Final = ("recall@3", "ndcg@3", "recall@5", "ndcg@5", "recall@10", "ndcg@10")
_NOT_MASKED: Final = "history not masked"
_QWEN: Final = "Qwen3-0.6B"


def _only_10(recall: float | None, ndcg: float) -> _Figures:
    return (None, None, None, None, recall, ndcg)


_BEAUTY: Final = PublishedSplit(
    format="sequence",
    names=("beauty", "amazon_beauty", "amazon-beauty"),
    items=12_101,
    requests=22_363,
    masked=True,
    rows=_rows(
        _AT_10,
        ("SASRec", (0.0605, 0.0318)),
        ("S3-Rec", (0.0647, 0.0327)),
        ("TIGER", (0.0648, 0.0384)),
        ("ActionPiece", (0.0775, 0.0424)),
        ("HSTU", (0.0788, 0.0439)),
        ("LC-Rec", (0.0791, 0.0438)),
        ("FuXi-α", (0.0809, 0.0451)),
        ("DuoRec", (0.0845, 0.0443)),
        ("LLM cross-encoder", (0.0957, 0.0473), "X", _QWEN),
        ("TASTE", (0.1030, 0.0517), "P", _NOT_MASKED),
        ("eSASRec", (0.0928, 0.0523)),
        ("GRAM", (0.0890, 0.0531), "P", ""),
        ("SASRec + sampled softmax", (0.0921, 0.0531)),
        ("HSTU", (0.0948, 0.0541), "P", "RecBoard, mean of 5 seeds"),
        ("EnsRec", (0.0980, 0.0565), "", "sum of language-model and ID scores"),
        ("ICSRec", (0.0959, 0.0578), "P", ""),
        ("WEARec", (0.1016, 0.0599), "R", ""),
        ("BSARec-CE", (0.1004, 0.0609), "", "as run by RecBoard, mean of 5 seeds"),
        ("BSARec", (0.1008, 0.0611), "P", ""),
    ),
    notes=(
        "Days, not seconds, were recorded: 44% of neighbouring events of a person share a day. "
        "Such ties stand in the order of the file, here as in every published figure; with ties "
        "shuffled, a SASRec with cross-entropy falls from .0897 to .0842–.0859 (re-run).",
    ),
)

_TOYS: Final = PublishedSplit(
    format="sequence",
    names=("toys", "amazon_toys", "amazon-toys"),
    items=11_924,
    requests=19_412,
    masked=True,
    rows=_rows(
        _AT_10,
        ("TIGER", (0.0712, 0.0432)),
        ("SASRec + sampled softmax", (0.0970, 0.0580), "P", ""),
        ("HSTU", (0.0992, 0.0593), "P", ""),
        ("GRAM", (0.0987, 0.0603), "P", ""),
        ("TASTE", (0.1232, 0.0640), "P", _NOT_MASKED),
        ("BSARec", (0.1050, 0.0650), "P", "RecBoard"),
        ("ICSRec", (0.1055, 0.0657), "P", ""),
        ("LLM cross-encoder", (0.1223, 0.0682), "X", _QWEN),
    ),
    notes=(),
)

_SPORTS: Final = PublishedSplit(
    format="sequence",
    names=("sports", "amazon_sports", "amazon-sports"),
    items=18_357,
    requests=35_598,
    masked=True,
    rows=_rows(
        _AT_10,
        ("SASRec + sampled softmax", (0.0569, 0.0314), "P", ""),
        ("TASTE", (0.0633, 0.0338), "P", _NOT_MASKED),
        ("BSARec", (0.0596, 0.0342), "P", "RecBoard"),
        ("LLM cross-encoder", (0.0677, 0.0365), "X", _QWEN),
    ),
    notes=(),
)

_YELP: Final = PublishedSplit(
    format="sequence",
    names=("yelp",),
    items=20_033,
    requests=30_431,
    masked=True,
    rows=_rows(
        _AT_10,
        ("SASRec with an LLM in the loop", (0.0626, 0.0332), "X", "second-hand"),
    ),
    notes=(),
)

_OFFICE: Final = PublishedSplit(
    format="minionerec",
    names=("office", "office_products", "office_products_5_2016-10-2018-11"),
    items=3_459,
    requests=4_866,
    masked=False,
    rows=_rows(
        _AT_3_5_10,
        ("GRU4Rec", (0.0629, 0.0528, 0.0789, 0.0595, 0.1019, 0.0669)),
        ("SASRec", (0.0861, 0.0769, 0.0949, 0.0805, 0.1120, 0.0858)),
        ("LC-Rec", (0.0921, 0.0807, 0.1048, 0.0859, 0.1237, 0.0920)),
        ("HSTU", (0.1134, 0.1031, 0.1252, 0.1079, 0.1400, 0.1126)),
        ("TIGER", (0.0986, 0.0852, 0.1163, 0.0960, 0.1408, 0.1002)),
        ("BIGRec", (0.1069, 0.0961, 0.1204, 0.1017, 0.1434, 0.1091)),
        ("S-DPO", (0.1169, 0.1033, 0.1356, 0.1110, 0.1587, 0.1255)),
        ("SIDReasoner", _only_10(0.1648, 0.1208), "X", ""),
        ("D3", (0.1204, 0.1055, 0.1406, 0.1139, 0.1634, 0.1213)),
        ("MiniOneRec", (0.1217, 0.1088, 0.1420, 0.1172, 0.1634, 0.1242)),
        ("MiniOneRec", _only_10(0.1589, 0.1247), "R", "its checkpoints"),
        ("MiniOneRec", _only_10(0.1576, 0.1163), "R", "trained again"),
        ("Evo-Rec", _only_10(0.1710, 0.1299), "X", ""),
        ("V-STAR", _only_10(None, 0.1340), "S", ""),
        (
            "From interests to semantic ids",
            _only_10(0.1765, 0.1332),
            "X",
            "Qwen3-1.7B, mean of 3 seeds",
        ),
    ),
    notes=(
        "The published train file holds about three times the training events that the histories "
        "of the valid and test rows hold.",
    ),
)

_INDUSTRIAL: Final = PublishedSplit(
    format="minionerec",
    names=(
        "industrial",
        "industrial_and_scientific",
        "industrial_and_scientific_5_2016-10-2018-11",
    ),
    items=3_686,
    requests=4_533,
    masked=False,
    rows=_rows(
        _AT_10,
        ("Evo-Rec", (0.1476, 0.1076), "X", ""),
        ("From interests to semantic ids", (0.1602, 0.1144), "X", ""),
        ("MiniOneRec", (0.1586, 0.1167)),
        ("MiniOneRec", (0.1573, 0.1170), "R", "run again"),
        ("V-STAR", (None, 0.1217), "S", ""),
    ),
    notes=(),
)

_SCIENTIFIC: Final = PublishedSplit(
    format="unisrec",
    names=("scientific",),
    items=4_385,
    requests=8_442,
    masked=False,
    rows=_rows(
        ("recall@10", "ndcg@10", "recall@50", "ndcg@50"),
        ("VQ-Rec", (0.1238, 0.0645, 0.2409, 0.0901)),
        ("MISSRec", (0.1360, 0.0753, 0.2431, 0.0983), "", "with IDs, pre-trained, uses images too"),
    ),
    notes=(),
)

_SPLITS: Final = (_BEAUTY, _TOYS, _SPORTS, _YELP, _OFFICE, _INDUSTRIAL, _SCIENTIFIC)
