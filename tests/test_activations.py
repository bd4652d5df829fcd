"""What is frozen is computed once for each input, kept by content, and given back as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from tlcore import activations as kept
from tlcore.activations import activations
from tlcore.artefacts import ROWS_AT_ONCE, kept_rows
from tlcore.cancellation import Cancelled


class Counting(nn.Linear):
    """A layer that says how many rows it was given."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.seen = 0

    def forward(self, inputs):
        self.seen += len(inputs)
        return super().forward(inputs)


@pytest.fixture(autouse=True)
def _keep_all(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "KEPT_FROM", 30)
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))


def test_rows_are_computed_once_whatever_they_come_with():
    torch.manual_seed(0)
    large, small = Counting(8, 8), Counting(8, 2)
    inputs = torch.randn(20, 8)
    expected = small(large(inputs)).detach()
    large.seen = small.seen = 0
    frozen = nn.Sequential(nn.Flatten(), large, small)
    torch.testing.assert_close(activations(frozen, inputs[:15]), expected[:15])
    torch.testing.assert_close(activations(frozen, inputs[[3, 3, 17, 19]]), expected[[3, 3, 17, 19]])
    assert large.seen == 17
    with torch.no_grad():
        large.weight += 1
    torch.testing.assert_close(activations(frozen, inputs), small(large(inputs)).detach())  # other weights, other rows


@pytest.mark.parametrize("kept_from", [30, 10**9])
def test_texts_of_different_lengths_are_one_batch(kept_from, monkeypatch):
    from tlcore.backbones.text import Lookup, MeanOfWords

    monkeypatch.setattr(kept, "KEPT_FROM", kept_from)
    rows = np.zeros((3000, 9), np.int32)
    rows[:, 0] = np.arange(3000) % 7 + 1
    rows[2500, :9] = 3
    mean = MeanOfWords(torch.randn(8, 5), True)
    found = activations(nn.Sequential(Lookup(rows, lambda _: []), mean), torch.arange(3000))
    torch.testing.assert_close(found[[0, 6, 2500]], mean.words.weight[[1, 7, 3]].detach())


def test_maps_keep_their_shape():
    torch.manual_seed(0)
    frozen = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1))
    images = torch.randn(3, 1, 5, 6)
    for _ in range(2):
        torch.testing.assert_close(activations(frozen, images), frozen(images).detach())


def test_no_input_is_no_output():
    assert activations(nn.Sequential(nn.Linear(8, 8)), torch.zeros(0, 8)).shape[0] == 0
    assert activations(nn.Sequential(), torch.zeros(3, 2)).shape == (3, 2)


def test_what_was_computed_before_a_cancel_is_kept():
    contents = [bytes([i % 256, i // 256]) for i in range(3 * ROWS_AT_ONCE)]
    asked, computed = [], []

    def compute(rows: list[int]) -> torch.Tensor:
        computed.append(len(rows))
        return torch.tensor(rows)[:, None].float()

    def after_one() -> bool:
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(Cancelled):
        kept_rows(("x",), contents, compute, after_one)
    rows = kept_rows(("x",), contents, compute)
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(contents)))
    assert computed == [ROWS_AT_ONCE] * 3
    assert kept_rows(("y",), contents[:2], compute).shape == (2, 1)  # another part, another store
    assert computed[-1] == 2
