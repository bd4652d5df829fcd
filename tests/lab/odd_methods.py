"""Methods that misbehave on purpose; the engine under test imports them by Dask's own preload setting."""

import os
import signal
import time

from tlcore.artefacts import home
from tlcore.methods import register
from tlcore.methods.base import Method
from tlcore.methods.parameters import Frozen


@register
class Slow(Method):
    """Takes its time, and stops when asked."""

    name = "slow"
    family = "parameter"
    seconds: float = 0.1

    def regulariser(self, here):
        time.sleep(self.seconds)


@register
class Stubborn(Method):
    """Never comes back, whoever asks."""

    name = "stubborn"
    family = "parameter"

    def regulariser(self, here):
        time.sleep(3600)


@register
class Broken(Method):
    """Fails."""

    name = "broken"
    family = "parameter"

    def regulariser(self, here):
        raise RuntimeError("broken on\npurpose")


@register
class Deadly(Method):
    """Takes its worker process down, as running out of memory does."""

    name = "deadly"
    family = "parameter"

    def regulariser(self, here):
        os.kill(os.getpid(), signal.SIGKILL)


@register
class Pensive(Frozen):
    """Whoever judges it has to wait as long as there is a file ``ponder`` in the home; a file ``die`` ends it."""

    name = "pensive"

    @property
    def transfers(self):
        while (home() / "ponder").exists():
            time.sleep(0.02)
            if (home() / "die").exists():
                os.kill(os.getpid(), signal.SIGKILL)
        return True
