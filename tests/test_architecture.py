"""Which way the arrows run: no module knows one above it, and none knows itself by a detour."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    (
        "tlcore.version",
        "tlcore.errors",
        "tlcore.written",
        "tlcore.cancellation",
        "tlcore.gradient",
        "tlcore.examples",
        "tlcore.network",
    ),
    ("tlcore.splits", "tlcore.artefacts"),
    ("tlcore.activations", "tlcore.evaluation"),
    (
        "tlcore.datasets",
        "tlcore.backbones",
        "tlcore.attribution",
        "tlcore.classifiers",
        "tlcore.regressors",
        "tlcore.pixels",
    ),
    ("tlcore.concerns",),
    ("tlcore.methods",),
    ("tlcore.objective", "tlcore.tasks"),
    ("tlcore.scenarios", "tlcore.forgotten"),
    ("tlcore.experiment", "tlcore.results"),
    ("tlcore.trial",),
    ("tlcore.lab", "tlcore.report"),
    ("tlcore",),
    ("tlcore.__main__",),
)
"""From the lowest to the highest; those that stand side by side may know each other, but not in a circle."""
LONGEST = 600


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "tlcore").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(name: str) -> set[str]:
    """Return the modules of tlcore that a module imports, anywhere in it, be it for its types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tlcore"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("tlcore")}
    return found - {name}


ARROWS = {name: imported(name) for name in MODULES}


def floor(name: str) -> int:
    """Return how high a module stands."""
    parts = [(number, room) for number, rooms in enumerate(ROOMS) for room in rooms]
    fitting = [(len(room), number) for number, room in parts if name == room or name.startswith(room + ".")]
    return max(fitting)[1]


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that reach each other (Tarjan, SIAM Journal on Computing 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(arrows[name]):
            if other not in number:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == number[name]:
            part = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            if len(part) > 1:
                found.append(part)

    for name in arrows:
        if name not in number:
            visit(name)
    return found


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_module_knows_itself_by_a_detour():
    assert not circles(ARROWS)


@pytest.mark.parametrize("name", MODULES)
def test_no_arrow_runs_upwards(name):
    above = [other for other in ARROWS[name] if floor(other) > floor(name)]
    assert not above, f"{name} stands below {', '.join(above)}"


def test_only_pages_know_streamlit_and_they_know_no_torch():
    def first_parts(path: Path) -> set[str]:
        nodes = ast.walk(ast.parse(path.read_text()))
        names = [
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        return {name.partition(".")[0] for several in names for name in several}

    assert not [name for name, path in MODULES.items() if "streamlit" in first_parts(path)]
    pages = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]
    assert not [path.name for path in pages if {"torch", "sklearn"} & first_parts(path)]


def test_no_file_is_long():
    paths = [path for room in ("tlcore", "pages", "tests", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    long = {path.name: count for path in paths if (count := len(path.read_text().splitlines())) > LONGEST}
    assert not long
