"""Numbers as people write them: decimal commas, thousands, currencies, per cent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

Decimal = Literal["", ".", ","]
"""A decimal mark; empty: it is found."""
CURRENCIES = "$€£¥₹₽₩฿₫₺₴元円원"
_AROUND = re.compile(
    rf"(?:[A-Z]{{0,3}}[{CURRENCIES}]|(?:USD|EUR|GBP|CHF|CNY|RMB|JPY|Rs\.?|kr\.?|zł)(?=[\s\d+-]|$)|(?<=[\s\d.,])(?:USD|EUR|GBP|CHF|CNY|"
    r"RMB|JPY|kr\.?|zł)$)"
)
_GROUPED = r"(?:\d{1,3}(?:[MARKS]\d{3})+|\d{1,2}(?:[MARKS]\d{2})+[MARKS]\d{3})"
"""Digits in threes, or as in India: 12,34,567."""
_BLANKS = "\u00a0\u202f\u2009 "
_PLAIN = r"(?:\d+MARK?\d*|MARK\d+)(?:[eE][+-]?\d+)?"
_WIDE = str.maketrans("０１２３４５６７８９．，－＋％−–’", "0123456789.,-+%--'")
_ALIKE = re.compile(r"[-+]?\d{1,3}[.,]\d{3}")


def numbers_in(values: Sequence[str], decimal: Decimal = "") -> np.ndarray:
    """Return values as float64 (n,), nan where one is no number.

    Understood: ``1234.5``, ``1,234.5``, ``1.234,5``, ``1 234,5``, ``1'234.5``, ``$5``, ``5 €``, ``12 %`` (12, in the
    column's own unit), ``(5)`` for −5, ``1.5e3``, and full-width digits. Which of point and comma is the decimal mark
    is decided for the column: by values that can be read in one way only, else by ``decimal``, else the comma is one
    of thousands where each stands before exactly three digits.

    >>> numbers_in(["28,7", "1.028,75", "-0,5"]).tolist()
    [28.7, 1028.75, -0.5]
    >>> numbers_in(["$1,234", "$56"]).tolist()
    [1234.0, 56.0]
    """
    cleaned = [_cleaned(value) for value in values]
    mark = _decided(cleaned) or decimal or "."
    other = "," if mark == "." else "."
    point = re.escape(mark)
    grouped = _GROUPED.replace("MARKS", f"{re.escape(other)}'{_BLANKS}")
    plain = re.compile(_PLAIN.replace("MARK", point))
    thousands = re.compile(rf"(?:{grouped})(?:{point}\d*)?")
    found = np.full(len(cleaned), np.nan)
    for place, (sign, text) in enumerate(cleaned):
        if not text:
            continue
        if plain.fullmatch(text):
            found[place] = sign * float(text.replace(mark, "."))
        elif thousands.fullmatch(text):
            digits = re.sub(rf"[{re.escape(other)}'{_BLANKS}]", "", text)
            found[place] = sign * float(digits.replace(mark, "."))
    return found


def decimal_of(values: Sequence[str]) -> Decimal:
    """Return the decimal mark that some of the values can only have been written with; empty if none tells."""
    return _decided([_cleaned(value) for value in values])


def _cleaned(value: str) -> tuple[float, str]:
    """Return the sign of a value, and it without sign, currency and per cent; nothing if it cannot be a number."""
    text = value.strip()
    if not text or not any(sign.isdigit() for sign in text[:24]) or len(text) > 40:
        return 1.0, ""
    if not text.isascii():
        text = text.translate(_WIDE)
    sign = 1.0
    if text[0] == "(" and text[-1] == ")":
        sign, text = -1.0, text[1:-1]
    text = _AROUND.sub("", text).strip(_BLANKS)
    text = text.removesuffix("%").rstrip(_BLANKS)
    if text[:1] in "+-":
        sign *= -1.0 if text[0] == "-" else 1.0
        text = _AROUND.sub("", text[1:]).strip(_BLANKS)
    return sign, text


def _decided(cleaned: Sequence[tuple[float, str]]) -> Decimal:
    """Return the mark that is surely the decimal one: by the clear majority of values that can be read one way only."""
    votes = {",": 0, ".": 0}
    for _, text in cleaned:
        commas, points = text.count(","), text.count(".")
        if not (commas or points) or not re.fullmatch(rf"[\d.,eE+\-'{_BLANKS}]+", text):
            continue
        if commas and points:
            votes["," if text.rfind(",") > text.rfind(".") else "."] += 1
        elif commas > 1 or points > 1:
            votes["." if commas else ","] += 1
        elif not _ALIKE.fullmatch(text) or text.startswith("0"):
            votes["," if commas else "."] += 1
    if not any(votes.values()) and any(text.isdigit() and len(text) > 3 for _, text in cleaned):
        for mark in votes:  # who writes 1234 without a comma does not write 1,234 with one
            votes[mark] = sum(mark in text for _, text in cleaned)
    if votes[","] == votes["."]:
        return ""
    return "," if votes[","] > votes["."] else "."
