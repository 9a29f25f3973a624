"""Which words a text is searched by: without accents, amounts with units, Chinese in pairs."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from palate.text.normalise import UNSPACED, character_pairs

_MARKS = re.compile(r"[\u0300-\u036f]")  # those of letters; a kana with its mark is another sound
_PIECE = re.compile(
    r"(?P<number>\d+(?:[.,]\d+)*|(?<!\w)[.,]\d+)"
    rf"|(?P<unspaced>[{UNSPACED}]+)|(?P<inch>[\"″])|(?P<word>[^\W\d_{UNSPACED}]+)"
)
_ASCII_WORD = re.compile(r"[a-z]+")
_DIGIT = re.compile(r"\d").search
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_BESIDE = re.compile(r"[\s.-]{0,2}")  # between an amount and its unit: "8-oz", "8 oz", "8oz"
_OF_A_UNIT = frozenset({"fl", "fluid", "liquid"})

_SPELLINGS = {
    "oz": "ounce ounces oz",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "liter": "liter liters litre litres l",
    "gram": "gram grams gramme grammes gr g",
    "kg": "kg kilogram kilograms kilo kilos",
    "mg": "mg milligram milligrams",
    "lb": "lb lbs pound pounds",
    "inch": "inch inches in",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "foot": "foot feet ft",
    "yard": "yard yards yd yds",
    "watt": "watt watts w",
    "volt": "volt volts v",
    "gb": "gb gigabyte gigabytes",
    "count": "count counts ct",
    "pack": "pack packs pk pkg",
    "piece": "piece pieces pcs pc",
}
UNITS: Final = {name: unit for unit, names in _SPELLINGS.items() for name in names.split()}
_AFTER_AN_AMOUNT: Final = frozenset(
    ["l", "g", "gr", "in", "w", "v", "ct", "pk", "pc", "kilo", "pound", "pounds"]
)
_UNSPACED_UNITS: Final = {
    **{"毫升": "ml", "公升": "liter", "升": "liter", "公斤": "kg", "千克": "kg", "克": "gram"},
    **{"毫克": "mg", "厘米": "cm", "毫米": "mm", "英寸": "inch", "寸": "inch", "片": "piece"},
}


def terms(text: str, *, singles: bool = True) -> list[str]:
    """The words of a text in lower case, as often as they occur.

    An amount before a unit gives the number, the unit under one name, and both as one word: "8.0
    Fluid Ounces" and "8oz" share "8", "oz" and "8oz". Text without blanks gives pairs of
    characters and, unless `singles` is off, each character: what is a word there is not known.
    """
    text = folded(text)
    if text.isascii() and not _DIGIT(text):
        return [_unit(word, after=False) for word in _ASCII_WORD.findall(text)]
    words: list[str] = []
    amount, stop = "", 0
    for piece in _PIECE.finditer(text):
        found, kind = piece.group(), piece.lastgroup
        beside = bool(amount) and _BESIDE.fullmatch(text, stop, piece.start()) is not None
        if kind == "number":
            amount, stop = _number(found), piece.end()
            words.append(amount)
            continue
        if kind == "unspaced":
            unit = next((found[:n] for n in (2, 1) if found[:n] in _UNSPACED_UNITS), "")
            unit = _UNSPACED_UNITS[unit] if unit and beside else ""
            words += character_pairs(found)
            words += found if singles and len(found) > 1 else ""
        elif found in _OF_A_UNIT and beside:
            words.append(found)
            stop = piece.end()
            continue
        else:
            found = _unit("inches" if kind == "inch" and beside else found, after=beside)
            unit = found if beside and found in _SPELLINGS else ""
            words += [found] if kind == "word" or unit else []
        words += [f"{amount}{unit}"] if unit else []
        amount = ""
    return words


def folded(text: str) -> str:
    """Lower case, one form of each character, and no accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", _MARKS.sub("", apart))


def _unit(word: str, *, after: bool) -> str:
    return word if word in _AFTER_AN_AMOUNT and not after else UNITS.get(word, word)


def _number(digits: str) -> str:
    """One way to write an amount: 1,000 as 1000, 8.0 as 8, .5 and 0,5 as 0.5."""
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    whole, point, rest = digits.replace(",", ".").partition(".")
    rest = rest.rstrip("0")
    return f"{whole or '0'}{point}{rest}" if rest else whole or "0"
