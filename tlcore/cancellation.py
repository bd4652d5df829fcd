"""How a person's wish to stop reaches work in progress, and how far it has come reaches the person."""


class Cancelled(Exception):
    """The work was asked to stop, and did."""


def never() -> bool:
    """Nobody asks this work to stop."""
    return False


def unheard(_share: float) -> None:
    """Nobody asks this work how far it has come."""
