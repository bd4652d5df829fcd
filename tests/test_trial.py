"""What a trial does to the process it runs in."""

import subprocess
import sys
from pathlib import Path

import pytest

ONE_THREAD = """
from tlcore.trial.given import on_one_thread
on_one_thread()
import scipy.linalg, sklearn.linear_model, sklearn.neighbors, threadpoolctl
assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {1}
"""


@pytest.mark.slow
def test_the_first_trial_of_a_process_runs_on_one_thread_too():
    """A library that is loaded after its threads were limited would bring threads of its own, and other bits."""
    ended = subprocess.run(
        [sys.executable, "-c", ONE_THREAD], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
