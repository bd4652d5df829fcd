"""The one exception that a person's input can cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class SpecificationError(ValueError):
    """A specification or an input that cannot run.

    The message is one sentence that names the field or file, the value, and what would be allowed. The command
    line prints it and exits with status 2; a page shows it beside the form.
    """


def one_of(field: str, value: object, allowed: object) -> SpecificationError:
    """Return the error for a name that is not in a catalogue, with the nearest name when there is one.

    >>> str(one_of("scenario", "digit", ["digits", "features"]))
    "scenario: 'digit' is not known; did you mean 'digits'? Allowed: digits, features."
    """
    from difflib import get_close_matches

    names = [str(name) for name in allowed]  # type: ignore[attr-defined]
    near = get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return SpecificationError(f"{field}: {value!r} is not known{hint} Allowed: {', '.join(names)}.")


def first_line(error: ValidationError, allowed: list[str]) -> str:
    """Return the first of pydantic's errors as one sentence that names field, value and what is allowed."""
    problem = error.errors(include_url=False)[0]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, SpecificationError):
        return str(cause)
    field = ".".join(str(part) for part in problem["loc"]) or "specification"
    if problem["type"] == "extra_forbidden":
        return str(one_of("field", field, allowed))
    if problem["type"] == "too_short":
        return f"{field}: {problem['input']!r} is too few; at least {problem['ctx']['min_length']} must be there."
    return f"{field}: {problem['input']!r} is not allowed; {problem['msg'][0].lower()}{problem['msg'][1:]}."


def in_brief(error: BaseException) -> str:
    """Return what another library's error says in one line of decent length.

    >>> in_brief(OSError("no such host."))
    'no such host'
    """
    from textwrap import shorten

    return shorten(str(getattr(error, "reason", error)), 200, placeholder=" ...").rstrip(".")
