"""Measurements behind the figures in docs/; each module is a command, `python -m benchmarks.NAME`."""
