"""Which of their columns is which of ours: told by argument or found by convention."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from palate.columns import EVENT, ITEM, TEXT, TIME, TITLE, USER, VALUE, WEIGHT
from palate.errors import DataError, did_you_mean

_CONVENTIONS = {
    USER: "user uid reviewer customer visitor member person account client buyer listener reader",
    ITEM: "item iid movie film asin parentasin product sku book isbn track song artist video news"
    " article game goods content document recipe course business anime",
    TIME: "timestamp ts time date datetime unixreviewtime unixtime unixtimestamp timestampms"
    " eventtime createdat ratedat reviewdate purchasedate",
    EVENT: "event eventtype eventname action actiontype behavior behaviour behaviortype"
    " behaviourtype interactiontype",
    VALUE: "value rating ratings overall score stars amount dwell dwelltime dwellseconds clicks"
    " count plays playcount listens watchtime watchratio",
    TEXT: "text review reviewtext reviewbody comment",
    WEIGHT: "weight",
    TITLE: "title name movietitle filmtitle itemtitle itemname producttitle productname booktitle"
    " newstitle videotitle articletitle trackname artistname headline",
}
_KNOWN = {role: frozenset(names.split()) for role, names in _CONVENTIONS.items()}

ROLES: Mapping[str, tuple[str, ...]] = {
    "interactions": (USER, ITEM, TIME, EVENT, VALUE, TEXT, WEIGHT),
    "items": (ITEM, TITLE),
    "users": (USER,),
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "interactions": (USER, ITEM),
    "items": (ITEM,),
    "users": (USER,),
}


def check_given(given: Mapping[str, str], tables: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """`given` names columns that some table has, and roles that exist; else `DataError`.

    `tables` maps a kind of table to its name in messages and its columns.
    """
    roles = {role for kind in ROLES for role in ROLES[kind]}
    for theirs, ours in given.items():
        if ours not in roles:
            if theirs in roles and any(ours in columns for _, columns in tables.values()):
                raise DataError(
                    f"columns={{{theirs!r}: {ours!r}}} is the wrong way round: write"
                    f" columns={{{ours!r}: {theirs!r}}}"
                )
            raise DataError(
                f"columns={{{theirs!r}: {ours!r}}}: {ours!r} is no column of palate."
                f"{did_you_mean(ours, roles)}"
            )
        if not any(theirs in columns for kind, (_, columns) in tables.items()):
            known = {column for _, columns in tables.values() for column in columns}
            names = ", ".join(name for name, _ in tables.values())
            raise DataError(
                f"{names}: no column {theirs!r}, which columns= takes for {ours}."
                f"{did_you_mean(theirs, known)}"
            )


def find_columns(
    kind: str, name: str, columns: Sequence[str], given: Mapping[str, str], kept: Sequence[str]
) -> dict[str, str]:
    """Our column → theirs, for a table of `kind` ("interactions", "items", "users").

    What `given` says comes first, then a column with exactly our name, then the one column whose
    name is known by convention (case, spaces and underscores don't matter). Two that match, or none
    where one is needed, raise `DataError`. Columns in `kept` are left as they are.
    """
    found: dict[str, str] = {}
    for theirs, ours in given.items():
        if theirs in columns and ours in ROLES[kind]:
            if ours in found:
                raise DataError(
                    f"{name}: columns= takes both {found[ours]!r} and {theirs!r} for {ours};"
                    " name one of them"
                )
            found[ours] = theirs
    free = [column for column in columns if column not in kept and column not in found.values()]
    for role in ROLES[kind]:
        if role not in found and (match := _by_convention(role, kind, name, free)):
            found[role] = match
    for role in NEEDED[kind]:
        if role not in found:
            raise DataError(
                f"{name}: no column for {role}.{did_you_mean(role, columns)}"
                f" Say which it is: columns={{'THEIR NAME': '{role}'}}{_no_header(columns)}"
            )
    return found


def _no_header(columns: Sequence[str]) -> str:
    """A hint where a row stands in the place of the names: names are no numbers."""
    numbers = [column for column in columns if re.fullmatch(r"-?\d+(\.\d+)?", column)]
    if not numbers:
        return ""
    return (
        f". {numbers[0]!r} is no name: if the first line is a row, put one with names above it, or"
        " name the columns of a text by their places: columns={'column_1': 'user_id', …}"
    )


def _by_convention(role: str, kind: str, name: str, columns: Sequence[str]) -> str | None:
    if role in columns:
        return role
    matches = [column for column in columns if _matches(column, role, kind)]
    if len(matches) > 1:
        both = " and ".join(repr(column) for column in matches)
        raise DataError(
            f"{name}: the columns {both} could all be {role}. Say which it is:"
            f" columns={{{matches[0]!r}: '{role}'}}"
        )
    return matches[0] if matches else None


def _matches(column: str, role: str, kind: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    if role not in (USER, ITEM):
        return plain in _KNOWN[role]
    if plain == "id":
        return kind == ("items" if role == ITEM else "users")
    return plain in _KNOWN[role] or plain.removesuffix("id") in _KNOWN[role]
