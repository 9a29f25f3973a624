"""In which encoding a text that is no UTF-8 may have been written: tried before it is advised."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

_PROBED_BYTES = 2**16
_LIKELY = 0.8
_AS_LIKELY = 0.15
_MOST_ADVISED = 3
_SHOWN = 40
_PUNCTUATION = frozenset("，。、：；！？（）《》「」『』“”„‘’…—–·№«»€°®™½¿¡\u3000\xa0")
_OF_UTF8 = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_RUSSIAN = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
_WESTERN = frozenset("äöüßàâçéèêëîïôûùœæñáíóúãõåøìò")
_CENTRAL = frozenset("ąćęłńóśźżáčďéěíňřšťúůýžäöüßőűôľĺŕâăîșțşţđ")
_TURKISH = frozenset("çğıiöşüâî")
_GREEK = frozenset("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ")
_KANA = frozenset(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC)))


@dataclass(frozen=True)
class _Candidate:
    """An encoding, the letters that its texts are made of, and what never stands so in them."""

    name: str
    usual: frozenset[str]
    wrong: re.Pattern[str]
    single_byte: bool = False

    def plausibility(self, content: bytes, text: str) -> float:
        """The share of the letters beyond ASCII that are usual, less those in a wrong place.

        Two bytes of UTF-8 may be usual letters of an alphabet, but never stand side by side there.
        """
        strange = [letter for letter in text if not letter.isascii() and letter not in _PUNCTUATION]
        if not strange:
            return 0.0
        usual = sum(letter.lower()[0] in self.usual for letter in strange)
        wrong = sum(1 for _ in self.wrong.finditer(text))
        if self.single_byte:
            wrong += sum(len(found) for found in _OF_UTF8.findall(content))
        return (usual - wrong) / len(strange)


def _letters(encoding: str, lead: range, trails: Iterable[range]) -> Iterator[str]:
    for first in lead:
        for second in (byte for trail in trails for byte in trail):
            yield bytes([first, second]).decode(encoding, "ignore")


def _common(encoding: str, lead: range, *trails: range) -> frozenset[str]:
    """The part of a Chinese, Japanese or Korean table that holds the common letters."""
    return frozenset(_letters(encoding, lead, trails or (range(0xA1, 0xFF),)))


@cache
def _candidates() -> tuple[_Candidate, ...]:
    """Those that are likelier first: of two that fit alike, the first is advised first."""
    beside_ascii = re.compile(r"(?<=[a-z])[^\x00-\x7f]|[^\x00-\x7f](?=[a-z])")
    # A word in two alphabets, or with capitals inside; accented letters alone make no word.
    mixed = re.compile(r"(?<=[A-Za-z])[^\W\d_A-Za-z]|[^\W\d_A-Za-z](?=[A-Za-z])")
    capitals = r"(?<=[{0}])[{1}]".format
    cyrillic = re.compile(f"{mixed.pattern}|{capitals('а-яё', 'А-ЯЁ')}")
    greek = re.compile(f"{mixed.pattern}|{capitals('ά-ώ', 'Α-Ω')}")
    accented = r"[^\W\d_a-zA-Z]"
    latin = re.compile(rf"{accented}{{5,}}|(?<={accented})(?={accented}{{2}})|(?<=[a-z])[À-Þ]")
    two_rows = (range(0x40, 0x7F), range(0xA1, 0xFF))
    return (
        _Candidate("latin-1", _WESTERN, latin, single_byte=True),
        _Candidate("windows-1252", _WESTERN, latin, single_byte=True),
        _Candidate("windows-1250", _CENTRAL, latin, single_byte=True),
        _Candidate("iso8859-2", _CENTRAL, latin, single_byte=True),
        _Candidate("windows-1254", _TURKISH, latin, single_byte=True),
        _Candidate("koi8-r", _RUSSIAN, cyrillic, single_byte=True),
        _Candidate("windows-1251", _RUSSIAN, cyrillic, single_byte=True),
        _Candidate("windows-1253", _GREEK, greek, single_byte=True),
        _Candidate("euc-kr", _common("euc-kr", range(0xB0, 0xC9)), beside_ascii),
        _Candidate("gb18030", _common("gb2312", range(0xB0, 0xD8)), beside_ascii),
        _Candidate("big5", _common("big5", range(0xA4, 0xC7), *two_rows), beside_ascii),
        _Candidate(
            "shift_jis",
            _KANA | _common("shift_jis", range(0x88, 0x98), range(0x40, 0xFD)),
            beside_ascii,
        ),
        _Candidate("euc_jp", _KANA | _common("euc_jp", range(0xB0, 0xD0)), beside_ascii),
    )


def likely_encodings(content: bytes) -> dict[str, str]:
    """Encoding → how it reads a line with a letter beyond ASCII; at most three, likeliest first.

    Each decodes all of `content`, and finds the letters of a language in it. Several are given
    where they read it otherwise and nearly as well; none, where none reads it as text.
    """
    probe = _strange_lines(content)
    found = []
    for candidate in _candidates():
        text = _decoded(probe, candidate.name)
        if text is not None and (plausibility := candidate.plausibility(probe, text)) >= _LIKELY:
            found.append((plausibility, candidate.name, text))
    found.sort(key=lambda entry: -entry[0])
    advised: dict[str, str] = {}
    for plausibility, name, text in found:
        if plausibility < found[0][0] - _AS_LIKELY or len(advised) == _MOST_ADVISED:
            break
        example = text.strip().partition("\n")[0].strip()
        if example not in advised.values() and _decoded(content, name) is not None:
            advised[name] = example
    return {name: _about_strange(example) for name, example in advised.items()}


def unmarked_utf16(content: bytes) -> dict[str, str]:
    """UTF-16 without a mark → how it reads a line; empty for what is none.

    Its ASCII, as the commas and line ends of a table, has a zero byte on one side of each letter.
    """
    sides = {"utf-16-le": content[1::2].count(0), "utf-16-be": content[::2].count(0)}
    name = max(sides, key=sides.__getitem__)
    if sides[name] <= 10 * min(sides.values()) or len(content) % 2:
        return {}
    text = _decoded(content, name)
    strange = [line for line in (text or "").split("\n") if not line.isascii()]
    return {name: _about_strange(strange[0].strip())} if strange else {}


def _strange_lines(content: bytes) -> bytes:
    """The first lines with a byte beyond ASCII."""
    found, size = [], 0
    for line in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*\n?", content):
        found.append(line.group())
        size += len(line.group())
        if size > _PROBED_BYTES:
            break
    return b"".join(found)


def _decoded(content: bytes, encoding: str) -> str | None:
    if encoding == "latin-1" and re.search(rb"[\x80-\x9f]", content):
        return None  # control characters there, which no text has
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _about_strange(line: str) -> str:
    """The part of a line around its first letter beyond ASCII."""
    place = next(place for place, letter in enumerate(line) if not letter.isascii())
    start = max(place - _SHOWN // 2, 0)
    return line[start : start + _SHOWN]


def damaged_utf8(content: bytes, *, share: float) -> list[int]:
    """The lines with bytes that are no UTF-8, if these are at most a share of all beyond ASCII."""
    text = content.decode("utf-8", "surrogateescape")
    bad = [found.start() for found in re.finditer("[\udc80-\udcff]+", text)]
    good = sum(1 for _ in re.finditer("[^\x00-\x7f\udc80-\udcff]", text))
    if not bad or len(bad) > share * (good + len(bad)):
        return []
    lines, before, line = [], 0, 1
    for place in bad:
        line += text.count("\n", before, place)
        before = place
        lines.append(line)
    return list(dict.fromkeys(lines))


def garbled_by(content: bytes, encoding: str) -> tuple[str, str] | None:
    """A word as it is in UTF-8 and as `encoding` reads it, where all of `content` is UTF-8.

    Texts in other encodings are UTF-8 by chance alone, and hardly so with two letters beyond ASCII.
    """
    if is_utf8(encoding) or b"\0" in content:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found = re.search(r"\w*[^\x00-\x7f]\w*", text)
    if found is None or len(re.findall(r"[^\x00-\x7f\ufeff]", text)) < 2:
        return None
    word = found.group()[:_SHOWN]
    try:
        return word, word.encode().decode(encoding, "replace")
    except UnicodeError:  # not all encodings can put a mark for what is none of theirs
        return None


def is_utf8(encoding: str) -> bool:
    """Whether that is a name of UTF-8; `LookupError` for what is no encoding."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
