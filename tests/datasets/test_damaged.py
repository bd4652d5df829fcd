"""Damaged files end in a clear line or in a table; five hundred by ``python -m tests.datasets.damaged``."""

import pytest

from tests.datasets.damaged import outcome, warm


@pytest.mark.parametrize("first", range(0, 112, 28))
@pytest.mark.slow
def test_a_damaged_file_ends_in_a_line_or_a_table(first, tmp_path):
    warm(tmp_path)
    assert [line for seed in range(first, first + 28) for line in outcome(seed, tmp_path)] == []
