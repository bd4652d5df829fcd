"""The catalogue of methods: what is in it, a method, or whoever chooses among methods, may ask."""

from tlcore.methods.base import Method

METHODS: dict[str, type[Method]] = {}


def register(method: type[Method]) -> type[Method]:
    """Add a method to the catalogue; usable as a decorator.

    Raises
    ------
    ValueError
        If the name is taken by another class.
    """
    if METHODS.setdefault(method.name, method) is not method:
        raise ValueError(f"method name {method.name!r} is taken by {METHODS[method.name].__qualname__}")
    return method
