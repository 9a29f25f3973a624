"""What a notebook shows: tables whose texts are escaped, shortened, and never act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from palate.core.visible import LONGEST, shorten

SHOWN_ROWS = 20
_BESIDE_DIGITS = str.maketrans("", "", ",.-▲▼")
_RIGHT = ' style="text-align: right"'
_LEFT = ' style="text-align: left"'


def page_table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    more: int = 0,
    note: str = "",
) -> str:
    """A table under its title; `more` is how many rows are not shown, `note` a line below.

    Whatever a cell holds is text: markup in it is shown, not followed. Numbers stand on the right.
    """
    lines = [
        "<div>",
        f"<p><strong>{shown(title)}</strong></p>",
        "<table><thead><tr>",
        *(f"<th{_LEFT}>{shown(name)}</th>" for name in head),
        "</tr></thead><tbody>",
        *(_row(row) for row in rows),
        "</tbody></table>",
        *([f"<p>… and {more:,} more</p>"] if more > 0 else ()),
        *(f"<p>{shown(line)}</p>" for line in note.splitlines()),
        "</div>",
    ]
    return "\n".join(lines)


def shown(value: object, longest: int = LONGEST) -> str:
    """A value as escaped text of one line; None is nothing."""
    return "" if value is None else escape(shorten(str(value), longest))


def _row(cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<td{_side(cell)}>{shown(cell)}</td>' for cell in cells)}</tr>"


def _side(cell: object) -> str:
    text = str(cell).translate(_BESIDE_DIGITS).strip()
    return _RIGHT if text.isdecimal() else _LEFT
