"""What is in a column: numbers in any spelling, missing cells, yes and no, dates, lists, names."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlcore.datasets.columns import MISSING, TRUTHS, Column, name_of
from tlcore.datasets.numerals import numbers_in


def column(*cells, **told) -> Column:
    return Column("c", pa.chunked_array([pa.array(cells)]), **told)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["28,7", "1,5", "-0,25"], [28.7, 1.5, -0.25]),
        (["1.234,5", "12,0"], [1234.5, 12]),
        (["1,234.5", "12.0"], [1234.5, 12]),
        (["1,234", "2,345,678"], [1234, 2345678]),
        (["1,234", "56"], [1234, 56]),
        (["1,234", "5678"], [1.234, 5678]),  # who writes 5678 does not write 1,234 for 1234
        (["0,123", "4,567"], [0.123, 4.567]),
        (["1 234,5", "3"], [1234.5, 3]),
        (["1\u00a0234", "1\u202f000\u202f000"], [1234, 1000000]),
        (["1'234.5", "2’000"], [1234.5, 2000]),
        (["12,34,567", "1,00,000"], [1234567, 100000]),
        (["$5", "$1,200.50", "-$3"], [5, 1200.5, -3]),
        (["5 €", "1.200,50 €"], [5, 1200.5]),
        (["¥1,200", "￥"], [1200, math.nan]),
        (["USD 5", "7 EUR"], [5, 7]),
        (["12 %", "3.5%"], [12, 3.5]),
        (["(5)", "(1,200)"], [-5, -1200]),
        (["−5", "–3", "- 2", "+4"], [-5, -3, -2, 4]),
        (["１２", "３．５"], [12, 3.5]),
        (["1e3", "2,5E-2"], [1000, 0.025]),
        ([".5", "5."], [0.5, 5]),
        (["1.2.3", "10:30", "1-2", "12 kg", "x", "$", "1,2,3,"], [math.nan] * 7),
    ],
)
def test_numbers_as_people_write_them(cells, numbers):
    np.testing.assert_allclose(numbers_in(cells), numbers)


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 2)), min_size=3, max_size=30))
def test_a_column_reads_the_same_in_every_country(numbers):
    american = [f"{number:,.2f}" for number in numbers]
    german = [text.translate(str.maketrans(",.", ".,")) for text in american]
    swiss = [text.replace(",", "'") for text in american]
    french = [text.replace(",", "\u202f").replace(".", ",") for text in american]
    for written in (american, german, swiss, french):
        np.testing.assert_allclose(numbers_in(written), numbers)


def test_a_known_decimal_mark_decides_what_could_be_both():
    assert numbers_in(["1,234", "2,500"]).tolist() == [1234, 2500]
    assert numbers_in(["1,234", "2,500"], ",").tolist() == [1.234, 2.5]
    assert column("1.234", "2.500", decimal=",").numbers().tolist() == [1234, 2500]


@pytest.mark.parametrize("word", sorted(MISSING))
def test_words_for_missing_are_the_same_everywhere(word):
    for written in (word, word.upper(), f" {word} "):
        assert column("1", written, "3").missing.tolist() == [False, True, False]
        assert column("a", written, "b").missing.tolist() == [False, True, False]
        assert column("a", written, "b").names().tolist() == ["a", "", "b"]
        assert np.isnan(column("1.5", written, "3").numbers()).tolist() == [False, True, False]


def test_a_word_is_a_value_where_a_person_says_so():
    assert column("NA", "b", "", not_missing=frozenset({"na"})).names().tolist() == ["NA", "b", ""]
    assert column("None", "b", "?", not_missing=frozenset({"none"})).missing.tolist() == [False, False, True]
    assert column("nan", "1", not_missing=frozenset({"nan"})).missing.tolist() == [False, False]


@pytest.mark.parametrize(("yes", "no"), TRUTHS)
def test_yes_and_no_in_every_spelling_are_numbers(yes, no):
    for one, other in ((yes, no), (yes.upper(), no.upper()), (yes.title(), no.title())):
        found = column(one, other, "", one)
        assert found.kind == "boolean"
        np.testing.assert_array_equal(found.numbers(), [1, 0, np.nan, 1])


def test_true_and_false_are_one_label_each_however_they_are_written():
    assert column("True", "FALSE", "true").labels().tolist() == ["true", "false", "true"]
    assert column(True, False, None).labels().tolist() == ["true", "false", ""]
    assert column("Yes", "yes", "maybe").labels().tolist() == ["Yes", "yes", "maybe"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "NA"], "number"),
        (["1", "2", "3", "4", "many"], "number"),  # four of five
        (["1", "2", "many", "few"], "category"),
        (["1", "2", "3", "4+", "5+", "2", "1", "3", "3", "3", "2"], "category"),  # grades
        (["007", "012", "112"], "category"),
        (["red", "blue", "red"], "category"),
        (["2024-05-31", "2023-01-01"], "date"),
        (["31.05.2024", "01.02.2023"], "date"),
        (["5/31/2024", "1/2/2023"], "date"),
        (["2024年5月31日", "2023年1月2日"], "date"),
        (["[1, 2]", "[3, 4]"], "list"),
        (["", "NA"], "empty"),
        (["a rather long sentence about the lamp number one that somebody wrote"] * 3, "text"),
        ([f"word{i}" for i in range(100)], "text"),
    ],
)
def test_what_is_in_a_column(cells, kind):
    assert column(*cells).kind == kind


def test_dates_are_days_and_seconds():
    assert column("1970-01-02", "1970-01-01T12:00:00Z").numbers().tolist() == [1, 0.5]
    assert column("31.01.1970", "01.02.1970").times().tolist() == [30 * 86400, 31 * 86400]
    assert column("31/01/1970", "01/02/1970").times().tolist() == [30 * 86400, 31 * 86400]
    assert column("01/31/1970", "02/01/1970").times().tolist() == [30 * 86400, 31 * 86400]
    assert column("5", "7").times().tolist() == [5, 7]
    assert np.isnan(column("1970-01-01", "soon").times()).tolist() == [False, True]


@pytest.mark.parametrize(
    "cells", [["[1, 2.5]", "[3, 4]"], ["[1.  2.5]", "[3. 4.]"], [[1.0, 2.5], [3.0, 4.0]], ["(1; 2.5)", "(3; 4)"]]
)
def test_lists_of_one_length_are_columns(cells):
    assert column(*cells).kind == "list"
    assert column(*cells).lists().tolist() == [[1, 2.5], [3, 4]]


def test_lists_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"different lengths \(1, 2\)"):
        column("[1, 2]", "[3]").lists()
    with pytest.raises(ValueError, match="not of numbers"):
        column(["a", "b"], ["c", "d"]).lists()
    with pytest.raises(ValueError, match="objects"):
        column({"a": 1}, {"a": 2}).lists()


def test_cells_that_are_no_numbers_are_counted():
    odd = column(*map(str, range(18)), "12 kg", "n.d.", "NA")
    assert odd.kind == "number"
    assert odd.odd() == (2, "12 kg")
    assert np.isnan(odd.numbers()).sum() == 3


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("7", "7"), ("7.0", "7"), (" 7 ", "7"), (7.0, "7"), (7, "7"), ("1e6", "1000000"), ("1E+06", "1000000"),
        ("007", "007"), ("0", "0"), ("-0", "-0"), ("1.5", "1.5"), ("1.50", "1.5"), ("1e999", "1e999"), ("A7", "A7"),
        ("12345678901234567", "12345678901234567"), ("0x10", "0x10"), ("1_000", "1_000"), ("７", "７"),
    ],
)  # fmt: skip
def test_names_of_people_and_things(written, name):
    assert name_of(written) == name


def test_row_numbers_are_known():
    assert column(*range(20)).is_row_number()
    assert column(*(str(i) for i in range(1, 20))).is_row_number()
    assert not column(3, 1, 2, 0, 4, 5).is_row_number()
    assert not column(*range(5, 20)).is_row_number()
