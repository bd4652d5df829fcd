"""When a run that goes on until decided looks at its verdicts."""

LOOKS = (3, 5, 8, 12, 20)
"""How many seeds there are at each look."""
