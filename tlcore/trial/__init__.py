"""One trial: what it is given, the source model, the space, learning, choosing, scoring, and a look at the answers."""

from tlcore.trial.carry_out import execute, needs_source_model, prepare
from tlcore.trial.look import explain, locate

__all__ = ["execute", "explain", "locate", "needs_source_model", "prepare"]
