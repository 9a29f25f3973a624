"""Writes the figures of `results/` into the README, between its two marks.

usage: python benchmarks/readme.py
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from _record import RESULTS

from palate.evaluation.published.figures import SOURCES, published_rows

README = Path(__file__).parents[1] / "README.md"
MARKS = ("<!-- figures:start -->", "<!-- figures:end -->")
SETS = {"beauty": "Beauty", "office": "Office", "scientific": "Scientific"}
OURS = {
    "strict-light": "**palate, light encoder**",
    "strict": "**palate, MiniLM** (mean of 5 seeds)",
    "refit": "palate, MiniLM, refit",
}
TEXT = {
    "ranker-ids": "no text at all",
    "ranker-words": "TF-IDF only",
    "ranker-text": "the language model only",
    "ranker": "all of it, the default",
}
FORMATS = {"beauty": "sequence", "office": "minionerec", "scientific": "unisrec"}


def results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def written(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def cells(figures: dict[str, dict[str, float]], *, bold: bool = False) -> str:
    """Recall and NDCG on every set, as the cells of a row; empty where there is no figure."""
    found = []
    for name in SETS:
        for metric in ("recall@10", "ndcg@10"):
            figure = figures.get(name, {}).get(metric)
            value = "" if figure is None else written(figure)
            found.append(f"**{value}**" if bold and value else value)
    return " | ".join(found)


def rows_of_others() -> list[str]:
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for name, form in FORMATS.items():
        for row in published_rows(form, name):
            found.setdefault((row.title, row.source), {})[name] = row.metrics
    return [
        f"| {title} | {SOURCES[source]} | {cells(figures)} |"
        for (title, source), figures in found.items()
    ]


def left_out() -> str:
    """The published figures that are not printed, and why."""
    rows = [row for name, form in FORMATS.items() for row in published_rows(form, name)]
    at_10 = [row for row in rows if row.contradicted.keys() & {"recall@10", "ndcg@10"}]
    return textwrap.fill(
        "The source of a published figure: the authors' own log or repository; their paper, as"
        " others give its text; a summary; a re-run by others; nothing where it was not written"
        " down. " + " ".join(sentence for row in at_10 for sentence in row.left_out),
        width=100,
    )


def our_rows() -> list[str]:
    lines = []
    for run, title in OURS.items():
        figures = {
            name: row["metrics"]
            for name in SETS
            for row in results(f"{name}-{run}")["rows"]
            if row["ours"]
        }
        lines.append(f"| {title} | | {cells(figures, bold=title.startswith('**'))} |")
    return lines


def header(*more: str) -> list[str]:
    names = " | ".join([*more, *(f"{title} R@10 | N@10" for title in SETS.values())])
    return [f"| | {names} |", "|---" * (1 + len(more) + 2 * len(SETS)) + "|"]


def text_rows() -> list[str]:
    rows = {
        name: {row["name"]: row["metrics"] for row in results(f"{name}-strict-rows")["rows"]}
        for name in SETS
    }
    return [
        f"| {title} | {cells({name: rows[name][row] for name in SETS})} |"
        for row, title in TEXT.items()
    ]


def costs() -> str:
    beauty, scale, read = results("beauty-strict"), results("scale"), results("read-parquet")
    seconds = beauty["seconds"]["fit"] + beauty["seconds"]["score"]
    return (
        f"- **Beauty** (12,101 items, 22,363 people), vectors cached: fit and rank in"
        f" {seconds:.0f} s, {beauty['peak_mib']:,.0f} MiB at the peak.\n"
        f"- **{scale['items']:,} items, {scale['events']:,} events**, synthetic: fit in"
        f" {scale['seconds']['fit'] / 60:.0f} minutes,"
        f" {scale['peak_mib'] / 1024:.1f} GB at the peak.\n"
        f"- **Reading {read['events']:,} events** from Parquet, checked and in order:"
        f" {read['seconds']:.0f} s."
    )


CATALOGUES = {
    "movielens-plots": "MovieLens-100K with plots",
    "lastfm": "Last.fm, artists' names",
    "reviews-en": "Musical instruments, reviews",
}
ASKED = {
    "all": "all",
    "history_0": "no history",
    "short_history": "≤ 5 events",
    "cold_items": "new items",
    "long_tail": "long tail",
}


PUBLISHED = {"beauty": "Beauty", "office": "Office", "scientific": "Scientific", "yelp": "Yelp"}


def by_time() -> list[str]:
    """The default and the best simple recommender of each kind of request, side by side."""
    lines = [
        f"| split by time | NDCG@10 | {' | '.join(ASKED.values())} |",
        "|---" * (2 + len(ASKED)) + "|",
    ]
    for name, title in CATALOGUES.items():
        default, *others = results(f"slices-{name}")["rows"]
        own, best = [], []
        for asked in ASKED:
            own.append(written(default["slices"][asked]["ndcg@10"]["mean"]))
            means = {row["name"]: row["slices"][asked]["ndcg@10"]["mean"] for row in others}
            most = max(means, key=lambda other: means[other])
            best.append(f"{written(means[most])} {most}" if means[most] else written(0.0))
        lines.append(f"| {title} | **the default** | {' | '.join(own)} |")
        lines.append(f"| | the best of the others | {' | '.join(best)} |")
    return lines


def worse() -> str:
    """Where one of the others is surely better than the default with any of its seeds."""
    found = [
        f"`{row['better']}` on {title.split(',')[0].split(' with')[0]},"
        f" {row['slice'].replace('_', ' ')} ({written(row['its'])} and {written(row['default'])})"
        for name, title in (CATALOGUES | PUBLISHED).items()
        for seed in results(f"slices-{name}")["seeds"]["worse"]
        for row in seed
    ]
    said = "; ".join(dict.fromkeys(found)) or "none"
    return textwrap.fill(
        f"The others: {', '.join(f'`{name}`' for name in _others())}. Of these, surely better than"
        f" the default with any of three seeds, for some kind of request, here or on the published"
        f" splits of {', '.join(PUBLISHED.values())}: {said}.",
        width=100,
        break_on_hyphens=False,
    )


def _others() -> list[str]:
    return [row["name"] for row in results("slices-movielens-plots")["rows"][1:]]


STATED = "ranker, new_share=0.2"


def cold_items() -> str:
    rows = results("movielens-new-items")["rows"]

    def times(name: str) -> str:
        found = [row["times_chance"] for row in rows if row["name"] == name]
        return f"{min(found):.1f} to {max(found):.1f}"

    draws = len({row["draw"] for row in rows})
    return textwrap.fill(
        f"**New items.** MovieLens-100K with a fifth of the films held back, ranked among all:"
        f" NDCG@10 of the held-back films is {times('ranker')} times chance in {draws} draws of the"
        f" default, which gives a flood of new items one place in ten, {times(STATED)} with"
        f" `Ranker(new_share=0.2)`, and {times('content')} with `content`, to which all films"
        f" are alike.",
        width=100,
        break_on_hyphens=False,
    )


ENCODING = {
    "sentence-transformers": "`SentenceTransformer.encode`, batches of 64",
    "default": "**palate, as it comes** (OpenVINO, bfloat16)",
    "OpenVINO int8": 'palate, `dtype="int8"`',
    "torch bfloat16": 'palate, `backend="torch"` (bfloat16)',
}


def encoding() -> list[str]:
    found = results("encode")
    short, long = found["short"], found["long"]
    lines = [
        f"| MiniLM | titles ({short['mean_tokens']:.0f} tokens), a second | × "
        f"| descriptions ({long['mean_tokens']:.0f} tokens), a second | × | cosine to float32 |",
        "|---" * 6 + "|",
    ]
    for name, title in ENCODING.items():
        speed = " | ".join(
            f"{kind[name]['texts_per_second']:,.0f} | {kind[name]['ratio']:.1f}"
            for kind in (short, long)
        )
        lines.append(f"| {title} | {speed} | {short[name]['cosine_mean']:.4f} |")
    return lines


def limits() -> str:
    found = results("encode")
    reached, most = found["short"]["default"]["gigaflops"], found["peak"]["bfloat16"]
    faster = found["on_a_faster_processor"]
    return textwrap.fill(
        f"Same weights, same texts, taking turns in one process. As it comes, palate computes"
        f" {reached:,.0f} of the {most:,.0f} gigaflops that large matrix products in bfloat16 reach"
        f" on these two cores, and on two that reach {faster['peak']['bfloat16']:,.0f} it is"
        f" {faster['short']['default']['ratio']:.1f} times as fast as the peer; a catalogue"
        f" that was encoded before is read"
        f" {found['cached']['ratio']:,.0f} times as fast as the peer encodes it.",
        width=100,
        break_on_hyphens=False,
    )


def figures() -> str:
    parts = [
        "\n".join([*header("source"), *rows_of_others(), *our_rows()]),
        left_out(),
        "What text adds (MiniLM, strict), for the same ranker:",
        "\n".join([*header(), *text_rows()]),
        cold_items(),
        "On other catalogues, without any setting, beside everything else that palate has:",
        "\n".join(by_time()),
        worse(),
        "On two CPU cores:",
        costs(),
        "Encoding, beside sentence-transformers on the same two cores:",
        "\n".join(encoding()),
        limits(),
        "Machine, commit and date stand in [benchmarks/results](benchmarks/results).",
    ]
    return "\n\n".join(parts)


def main() -> None:
    start, end = MARKS
    text = README.read_text("utf-8")
    before, rest = text.split(start)
    _, after = rest.split(end)
    README.write_text(f"{before}{start}\n{figures()}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
