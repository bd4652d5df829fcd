"""How a person's wish to stop reaches work in progress."""


class Cancelled(Exception):
    """The work was asked to stop, and did."""


def never() -> bool:
    """Nobody asks this work to stop."""
    return False
