"""Charts as inline SVG and HTML: sizes in per cent, so that text stays legible at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from palate.core.arrays import Floats
from palate.evaluation.report.html import decimal, escape, percent

_CURVE_CLASSES: Final = 8


@dataclass(frozen=True)
class Bar:
    """A value with its interval (NaN where there is none); `html` is its label, escaped already."""

    html: str
    value: float
    low: float = math.nan
    high: float = math.nan
    role: str = ""


@dataclass(frozen=True)
class Pair:
    """Two shares of one thing; `html` is its label, escaped already."""

    html: str
    strong: float
    weak: float


@dataclass(frozen=True)
class Curve:
    """A line of shares in [0, 1]; `html` is its label, escaped already."""

    html: str
    x: Floats
    y: Floats
    dashed: bool = False


def nice_top(value: float) -> float:
    """The round number from 1, 1.5, 2, 3, 4, 5, 6, 8 × 10^n that is not below `value`."""
    if not value > 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    return next((step * unit for step in steps if step * unit >= value * (1 - 1e-9)), 10 * unit)


def whisker_bars(bars: Sequence[Bar], *, level: float = math.nan) -> str:
    """Horizontal bars from 0 with intervals; `level` is a dotted line across all of them."""
    ends = [end for bar in bars for end in (bar.value, bar.high) if not math.isnan(end)]
    top = nice_top(max([*ends, 0.0 if math.isnan(level) else level], default=0.0))
    lines = "".join(_whisker_bar(bar, top, level) for bar in bars)
    return (
        f'<ol class="bars">{lines}</ol>'
        f'<p class="scale" aria-hidden="true"><span>0</span><span>{top:.3g}</span></p>'
    )


def _whisker_bar(bar: Bar, top: float, level: float) -> str:
    marks = f'<rect class="fill" width="{_at(bar.value, top)}" height="100%" rx="2"/>'
    if not math.isnan(level):
        marks += _vertical("level", level, top, "-25%", "125%")
    spread = ""
    if not (math.isnan(bar.low) or math.isnan(bar.high)):
        low, high = _at(bar.low, top), _at(bar.high, top)
        marks += f'<line class="whisker" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
        marks += _vertical("whisker", bar.low, top, "25%", "75%")
        marks += _vertical("whisker", bar.high, top, "25%", "75%")
        spread = f'<span class="spread">{decimal(bar.low)}–{decimal(bar.high)}</span>'
    return (
        f'<li class="bar {bar.role}"><span class="bar-label">{bar.html}</span>'
        f'<svg class="track" aria-hidden="true" focusable="false">{marks}</svg>'
        f'<span class="bar-value">{decimal(bar.value)}{spread}</span></li>'
    )


def _vertical(kind: str, value: float, top: float, y1: str, y2: str) -> str:
    x = _at(value, top)
    return f'<line class="{kind}" x1="{x}" x2="{x}" y1="{y1}" y2="{y2}"/>'


def _at(value: float, top: float) -> str:
    share = 0.0 if math.isnan(value) else min(max(value / top, 0.0), 1.0)
    return f"{100 * share:.2f}%"


def paired_bars(pairs: Sequence[Pair], *, strong: str, weak: str) -> str:
    """Two thin bars a line, of shares; `strong` and `weak` say what they are, escaped already."""
    top = nice_top(max((max(pair.strong, pair.weak) for pair in pairs), default=0.0))
    lines = "".join(
        f'<li class="bar pair"><span class="bar-label">{pair.html}</span>'
        f'<svg class="track" aria-hidden="true" focusable="false">'
        f'<rect class="fill" width="{_at(pair.strong, top)}" height="55%" rx="2"/>'
        f'<rect class="fill weak" y="65%" width="{_at(pair.weak, top)}" height="35%" rx="1"/></svg>'
        f'<span class="bar-value"><span class="hidden">{strong} </span>{percent(pair.strong)}'
        f'<span class="spread"><span class="hidden">{weak} </span>{percent(pair.weak)}</span>'
        f"</span></li>"
        for pair in pairs
    )
    key = (
        f'<p class="key"><span class="swatch fill"></span>{strong} '
        f'<span class="swatch fill weak"></span>{weak}</p>'
    )
    return f'{key}<ol class="bars">{lines}</ol>'


def curve_plot(
    curves: Sequence[Curve], *, border: float, left: str, right: str, label: str, x: str, y: str
) -> str:
    """Lines over the unit square, a border at `border` between `left` and `right`, and a key.

    All words are escaped already; `x` and `y` name the axes.
    """
    grid = "".join(_grid_line(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    at = f"{100 * border:.2f}%"
    sides = _side(right, at, "start", 7) + (_side(left, at, "end", -7) if border > 0.12 else "")
    names = [_curve_class(place, curve) for place, curve in enumerate(curves)]
    paths = "".join(_path(curve, name) for curve, name in zip(curves, names, strict=True))
    key = "".join(
        f'<li><svg class="line-swatch" aria-hidden="true"><line class="{name}" x1="0" x2="100%" '
        f'y1="50%" y2="50%"/></svg>{curve.html}</li>'
        for curve, name in zip(curves, names, strict=True)
    )
    return (
        f'<div class="plot"><svg class="curves" role="img" aria-label="{label}">{grid}'
        f'<line class="border" x1="{at}" x2="{at}" y1="0" y2="100%"/>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        f"{paths}</svg>"
        f"{sides}</svg>"
        f'<p class="axis-x">{x}</p><p class="axis-y">{y}</p></div><ul class="key">{key}</ul>'
    )


def _side(words: str, x: str, anchor: str, away: int) -> str:
    return (
        f'<text class="side" x="{x}" y="100%" dx="{away}" dy="-9" text-anchor="{anchor}">'
        f"{words}</text>"
    )


def _grid_line(share: float) -> str:
    along, down = f"{100 * share:g}%", f"{100 - 100 * share:g}%"
    return (
        f'<line class="grid" x1="0" x2="100%" y1="{down}" y2="{down}"/>'
        f'<text class="tick" x="0" y="{down}" dx="-8" dy="4" text-anchor="end">{along}</text>'
        f'<text class="tick" x="{along}" y="100%" dy="20" text-anchor="middle">{along}</text>'
    )


def _curve_class(place: int, curve: Curve) -> str:
    if curve.dashed:
        return "curve dashed"
    again, colour = divmod(place - 1, _CURVE_CLASSES)
    return f"curve c{colour}{' again' if again else ''}"


def _path(curve: Curve, name: str) -> str:
    points = " ".join(
        f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in zip(curve.x, curve.y, strict=True)
    )
    return f'<polyline class="{escape(name)}" points="{points}"/>'
