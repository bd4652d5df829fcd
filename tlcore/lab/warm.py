"""Imported for its effect: loads what every trial needs, so that the first one starts at once.

Python's fork server imports it, and worker processes are forked from there: the seconds that torch takes are spent
once, and a worker that was lost is replaced in a blink. Nothing here may start a thread, which a fork would lose.
"""

import distributed  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch

import tlcore.trial  # noqa: F401

torch.set_num_threads(1)  # one process for each core; threads on top would only be in each other's way
torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first optimiser loads torch's compiler: two seconds
