"""What is in a column: numbers in any spelling, categories, texts, dates, lists; and which cells are missing."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tlcore.datasets.numerals import Decimal, numbers_in

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "boolean", "category", "text", "date", "list", "empty"]
KINDS: tuple[str, ...] = get_args(Kind)
MISSING = frozenset({
    "", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
    "null", "(null)", "\\n", "none", "nil", "nat", "missing", "?", "-", "--", "---", ".", "..", "–", "—", "#null!",
    "#value!", "#ref!", "#div/0!", "#num!", "#name?", "缺失", "空", "k.a.", "s/d",
})  # fmt: skip
"""What people write for a cell that is not there, in small letters and without the blanks around it."""
TRUTHS = (
    ("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off"), ("ja", "nein"), ("j", "n"),
    ("wahr", "falsch"), ("oui", "non"), ("vrai", "faux"), ("sí", "no"), ("si", "no"), ("verdadero", "falso"),
    ("sim", "não"), ("是", "否"), ("真", "假"), ("はい", "いいえ"), ("да", "нет"),
)  # fmt: skip
"""How people say yes and no, in small letters."""
MOSTLY = 0.8
"""The share of known cells from which on numbers make a column one of numbers, and dates one of dates."""
MOST_CATEGORIES = 1000
"""Different values of a column that are categories; more are rather names."""
LONG = 40
"""Signs, on the average, from which on values are texts rather than categories."""
SHOWN = 3
_DATE_FORMATS = (
    "ISO8601", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M",
    "%Y/%m/%d", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y",
    "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%m/%d/%y", "%d/%m/%y", "%Y年%m月%d日",
    "%a, %d %b %Y %H:%M:%S %z",
)  # fmt: skip
_LIKE_A_DATE = re.compile(
    r"\d{1,4}\D{1,2}(\d{1,2}|[A-Za-z]{3,9}\.?)\D{1,2}\d{1,4}|[A-Za-z]{3,9}\.? \d{1,2}, \d{4}|\w{3}, \d"
)
_LEADING_ZERO = re.compile(r"0\d+")


@dataclass(frozen=True)
class Column:
    """A column of a table, and what is made of it.

    Attributes
    ----------
    name : str
    cells : pyarrow.ChunkedArray
        Strings as they are written, or what a typed format has.
    decimal : str
        The decimal mark of its file where that is known; a column may show another.
    not_missing : frozenset of str
        Words in small letters that usually mean missing and are values here.
    said : str
        The kind that a person gave it; empty: it is found.
    """

    name: str
    cells: pa.ChunkedArray
    decimal: Decimal = ""
    not_missing: frozenset[str] = frozenset()
    said: str = ""

    def __len__(self) -> int:
        return len(self.cells)

    def told(self, decimal: Decimal, not_missing: frozenset[str], said: str) -> Column:
        """Return the column as a person described it; the same one, with all that was found of it, if as it is."""
        if (decimal, not_missing, said) == (self.decimal, self.not_missing, self.said):
            return self
        return replace(self, decimal=decimal, not_missing=not_missing, said=said)

    @cached_property
    def is_text(self) -> bool:
        """Whether its cells are strings."""
        import pyarrow as pa

        kind = self.cells.type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, list[Any]]:
        """Each cell's place (n,) among the different values, −1 where it is null, and these values."""
        if not len(self.cells):
            return np.empty(0, np.int64), []
        encoded = self.cells.dictionary_encode().combine_chunks()
        places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return places, encoded.dictionary.to_pylist()

    @cached_property
    def _values(self) -> list[str]:
        """The different values of strings, without the blanks around; "" where one means missing."""
        return [self._known(value) for value in self._encoded[1]]

    def _known(self, value: object) -> str:
        said = name_of(value)
        small = said.lower()
        return "" if small in MISSING and (small not in self.not_missing or not said) else said

    @cached_property
    def plain(self) -> np.ndarray | None:
        """The cells as float64 (n,), nan where missing, where all are written as computers write numbers; else None."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self.cells.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            cells = pc.cast(self.cells, pa.float64(), safe=False)
        elif self.is_text and not self._has_leading_zeros and not self._has_other_points:
            try:
                cells = pc.cast(self.cells, pa.float64())
            except pa.ArrowInvalid:
                return None
        else:
            return None
        return np.asarray(cells.to_numpy(), np.float64)

    @cached_property
    def _has_leading_zeros(self) -> bool:
        """Whether some of the cells, from all over, are codes such as 007, which are no numbers."""
        each = 1 + 500 // max(1, self.cells.num_chunks)
        some = (value for chunk in self.cells.chunks for value in chunk.slice(0, each).to_pylist())
        return any(isinstance(value, str) and _LEADING_ZERO.fullmatch(value.strip()) for value in some)

    @property
    def _has_other_points(self) -> bool:
        """Whether there are points which are not decimal ones, as the file has decimal commas."""
        import pyarrow.compute as pc

        return self.decimal == "," and bool(pc.any(pc.match_substring(self.cells, ".")).as_py())

    @cached_property
    def _spelled(self) -> np.ndarray:
        """The different values as numbers, nan where one is none."""
        written = (str(value) if known else "" for value, known in zip(self._encoded[1], self._values, strict=True))
        return numbers_in([*written], self.decimal)

    @cached_property
    def missing(self) -> np.ndarray:
        """Which cells (n,) are missing."""
        import pyarrow as pa

        if self.plain is not None and not (self.is_text and self.not_missing):
            return np.isnan(self.plain)
        if pa.types.is_nested(self.cells.type):
            return np.asarray(self.cells.is_null().to_numpy())
        places, _ = self._encoded
        unknown = np.array([*(not value for value in self._values), True])
        return unknown[places]

    @cached_property
    def kind(self) -> str:
        """What is in it: what a person said, or what was found."""
        return self.said or self.found

    @cached_property
    def found(self) -> str:
        """What is in it, by its cells."""
        import pyarrow as pa

        kind = self.cells.type
        if pa.types.is_nested(kind):
            return "list"
        if self.missing.all():
            return "empty"
        if pa.types.is_boolean(kind):
            return "boolean"
        if pa.types.is_temporal(kind):
            return "date"
        if self.plain is not None:
            return "number"
        return self._kind_of_strings()

    def _kind_of_strings(self) -> str:
        values, counts = self.counts
        if _are_truths(values):
            return "boolean"
        known = counts.sum()
        zeros = any(_LEADING_ZERO.fullmatch(value) for value in values)
        numbers = ~np.isnan(self._spelled[self._place_of_known])
        if not zeros and counts[numbers].sum() >= MOSTLY * known and not _are_grades(values, numbers, known):
            return "number"
        if all(value[:1] in "[(" and value[-1:] in "])" for value in values):
            return "list"
        some = values[:200]
        if sum(bool(_LIKE_A_DATE.match(value)) for value in some) >= MOSTLY * len(some):
            dates = ~np.isnat(dates_in(values))
            if counts[dates].sum() >= MOSTLY * known:
                return "date"
        long = sum(map(len, some)) / len(some) >= LONG
        return "text" if long or len(values) > min(MOST_CATEGORIES, max(10, known // 2)) else "category"

    @cached_property
    def _place_of_known(self) -> np.ndarray:
        """Which of the different values are not missing."""
        return np.flatnonzero([bool(value) for value in self._values])

    @cached_property
    def counts(self) -> tuple[list[str], np.ndarray]:
        """The different values that are not missing, as names, and how many cells have each."""
        places, _ = self._encoded
        counts = np.bincount(places[places >= 0], minlength=len(self._values))
        return [self._values[place] for place in self._place_of_known], counts[self._place_of_known]

    def names(self) -> np.ndarray:
        """Return the cells (n,) as names: 7, 7.0 and "7 " are one, 007 is another; "" where missing."""
        places, _ = self._encoded
        return np.array([*self._values, ""], dtype=object)[places]

    def labels(self) -> np.ndarray:
        """Return the cells (n,) as labels: names, with true and false in small letters."""
        import pyarrow as pa

        names = self.names()
        if pa.types.is_boolean(self.cells.type) or {value.lower() for value in self.counts[0]} == {"true", "false"}:
            names = np.array([name.lower() for name in names.tolist()], dtype=object)
        return names.astype(str)

    def texts(self) -> list[str]:
        """Return the cells as they are written, without the blanks around; "" where missing."""
        places, values = self._encoded
        written = [
            (value.strip() if isinstance(value, str) else self._known(value)) if self._values[place] else ""
            for place, value in enumerate(values)
        ]
        written.append("")
        return [written[place] for place in places.tolist()]

    def numbers(self) -> np.ndarray:
        """Return the cells as float64 (n,): dates as days since 1970, yes as 1; nan where missing or no number."""
        import pyarrow as pa

        if self.plain is not None:
            return self.plain
        places, _ = self._encoded
        if self.found == "boolean":
            yes = {one for one, _ in TRUTHS}
            values = [np.nan if not value else float(value.lower() in yes) for value in self._values]
            return np.array([*values, np.nan])[places]
        if pa.types.is_temporal(self.cells.type) or self.found == "date":
            return self.times() / 86_400.0
        return np.append(self._spelled, np.nan)[places]

    def times(self) -> np.ndarray:
        """Return the cells as seconds since 1970 (n,), numbers as they are, nan where neither."""
        import pandas as pd
        import pyarrow as pa

        if self.plain is not None:
            return self.plain
        if pa.types.is_temporal(self.cells.type):
            stamps = pd.to_datetime(self.cells.to_pandas(), utc=True, errors="coerce")
            return _seconds(stamps.to_numpy("datetime64[us]"))
        places, _ = self._encoded
        numbers = self._spelled
        if np.isnan(numbers[self._place_of_known]).any():
            numbers = _seconds(dates_in(self._values))
        return np.append(numbers, np.nan)[places]

    def lists(self) -> np.ndarray:
        """Return lists of numbers of one length as float64 (n, length), nan where a cell is missing.

        Raises
        ------
        ValueError
            If they are of different lengths or not of numbers, with the reason.
        """
        rows = self._lists()
        lengths = {len(row) for row in rows if row is not None}
        if len(lengths) != 1:
            raise ValueError(f"lists of different lengths ({', '.join(map(str, sorted(lengths)[:3]))})")
        length = lengths.pop()
        try:
            return np.array([[np.nan] * length if row is None else row for row in rows], np.float64)
        except (TypeError, ValueError):
            raise ValueError("lists that are not of numbers") from None

    def _lists(self) -> list[Any]:
        import json

        import pyarrow as pa

        if pa.types.is_nested(self.cells.type):
            if not (pa.types.is_list(self.cells.type) or pa.types.is_large_list(self.cells.type)
                    or pa.types.is_fixed_size_list(self.cells.type)):  # fmt: skip
                raise ValueError("objects")
            return list(self.cells.to_pylist())
        rows: list[Any] = []
        for text in self.texts():
            inside = text[1:-1].strip()
            if not text:
                rows.append(None)
            elif "," in inside or ";" in inside or not inside:
                try:
                    rows.append(json.loads(f"[{inside.replace(';', ',')}]"))
                except ValueError:
                    raise ValueError("lists that are not of numbers") from None
            else:
                rows.append(inside.split())
        return rows

    @property
    def share_missing(self) -> float:
        """The share of cells that are missing."""
        return float(self.missing.mean()) if len(self) else 0.0

    def odd(self) -> tuple[int, str]:
        """Return how many known cells of a column of numbers or dates are none, and one of them."""
        if self.kind not in ("number", "date") or self.plain is not None or not self.is_text:
            return 0, ""
        odd = np.isnan(self.numbers()) & ~self.missing
        return int(odd.sum()), self.texts_at(np.flatnonzero(odd)[:1])[0] if odd.any() else ""

    def texts_at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return some cells as they are written."""
        return [str(self.cells[int(row)].as_py()).strip() for row in rows]

    def words_for_missing(self) -> list[str]:
        """Return the words that count as missing here, as they are written, an empty cell aside."""
        if not self.is_text or self.plain is not None:
            return []
        pairs = zip(self._encoded[1], self._values, strict=True)
        return sorted(written.strip() for written, known in pairs if written.strip() and not known)

    def examples(self) -> tuple[str, ...]:
        """Return up to three different values as they are written, the first that there are."""
        seen: dict[str, None] = {}
        known: Any = np.flatnonzero(~self.missing[:1000]) if len(self) else []
        for text in self.texts_at(known):
            seen.setdefault(text if len(text) <= 60 else f"{text[:59]}…")
            if len(seen) == SHOWN:
                break
        return (*seen,)

    @cached_property
    def is_constant(self) -> bool:
        """Whether all known cells are one value."""
        if self.plain is not None:
            known = self.plain[~np.isnan(self.plain)]
            return bool(len(known)) and bool(known.min() == known.max())
        return self.kind != "list" and len(self.counts[0]) == 1

    def is_row_number(self) -> bool:
        """Whether it counts the rows, from 0 or from 1."""
        numbers = self.plain
        if numbers is None or len(numbers) < 5 or numbers[0] not in (0.0, 1.0):
            return False
        return bool((np.diff(numbers) == 1).all())


def name_of(value: object) -> str:
    """Return what a value is called: 1, 1.0, "1" and "1e0" are one, "007" keeps its zeros, None and nan are none.

    >>> [name_of(value) for value in (7, 7.0, " 7.0 ", "007", "1e6", "1.50", None, float("nan"), True, "3.")]
    ['7', '7', '7', '007', '1000000', '1.5', '', '', 'True', '3']
    """
    if value is None or value != value:
        return ""
    said = value.strip() if isinstance(value, str) else str(value)
    if not said or said[-1] not in "0123456789." or not _NUMBER.fullmatch(said):
        return said
    if "e" not in said and "E" not in said and "." not in said:
        return said
    number = float(said)
    if abs(number) >= 2**53:
        return said
    return str(int(number)) if number == int(number) else repr(number)


_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d*)?([eE][+-]?\d{1,2})?")


LABEL_NAMES = (
    "label", "labels", "class", "category", "sentiment", "target", "topic", "answer", "y", "stars", "标签",
    "标注", "类别", "情感", "標籤", "類別", "分类", "分類",
)  # fmt: skip
"""What a column of labels is usually called, in small letters without signs."""
GROUP_NAMES = (
    "group", "groupid", "patient", "patientid", "subject", "subjectid", "speaker", "speakerid", "author", "authorid",
    "participant", "participantid", "machine", "machineid", "device", "deviceid", "sensor", "sensorid", "shop",
    "shopid", "store", "storeid", "hospital", "site", "siteid", "person", "personid", "case", "caseid", "session",
    "sessionid", "customer", "customerid", "user", "userid", "household", "family", "plate", "batch", "病人", "患者",
)  # fmt: skip
"""What a column is usually called whose members belong together."""
TIME_NAMES = (
    "time",
    "timestamp",
    "date",
    "datetime",
    "ts",
    "when",
    "created",
    "createdat",
    "unixreviewtime",
    "时间",
    "日期",
)
"""What a column of times is usually called."""


def _are_truths(values: Collection[str]) -> bool:
    small = {value.lower() for value in values}
    return 0 < len(small) <= 2 and any(small <= {*pair} for pair in TRUTHS)


def _are_grades(values: Sequence[str], numbers: np.ndarray, known: int) -> bool:
    """Whether few values, some of which are words, are rather grades such as 1, 2, 3, 4+ than numbers."""
    return len(values) <= min(20, known / 2) and (~numbers).sum() >= 2


def dates_in(values: Sequence[str]) -> np.ndarray:
    """Return values as datetime64[us] in UTC, not-a-time where one is none, by the form that most of them have."""
    import warnings

    import pandas as pd

    series = pd.Series([*values], dtype=object)
    known = series.where(series != "")
    best: np.ndarray = np.full(len(values), np.datetime64("NaT", "us"))
    most = 0
    for form in _DATE_FORMATS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pd.to_datetime(known, errors="coerce", utc=True, format=form)
        count = int(found.notna().sum())
        if count > most:
            best, most = found.dt.tz_localize(None).to_numpy("datetime64[us]"), count
        if count == known.notna().sum():
            break
    return best


def _seconds(stamps: np.ndarray) -> np.ndarray:
    seconds = stamps.astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(stamps), np.nan, seconds)
