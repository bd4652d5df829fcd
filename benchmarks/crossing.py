"""Does the interval of where from scratch catches up hold the true budget? Simulated learning curves, and real ones.

    python -m benchmarks.crossing [--cases 100] [--seeds 5] [--examples 1000]
    python -m benchmarks.crossing --real [--choices 4]

Simulated: curves of several shapes, most of them none that is fitted; the truth is known. Binary scores come from a
threshold on seed effects (a method and its baseline share half of them), example difficulty and noise.

Real: logistic regression on digits, from scratch and with 600 others as a source, MNIST's or UCI's, as they are or
turned. The measured crossing is that of 30 seeds at a fine grid of budgets, on two thirds of the test examples;
intervals come from 5 other seeds at 4 budgets and the last third.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtri

from tlcore.evaluation.crossing import HORIZON, Crossing, crossing
from tlcore.evaluation.metrics import CLASSIFICATION
from tlcore.evaluation.verdict import MARGIN

ACCURACY = CLASSIFICATION["accuracy"]
Curve = Callable[[np.ndarray], np.ndarray]


def power_law(end: float, start: float, speed: float) -> Curve:
    return lambda n: end - (end - start) * (n / 5) ** -speed


def exponential(end: float, start: float, speed: float) -> Curve:
    return lambda n: end - (end - start) * np.exp(-(n - 5) * speed / 15)


def logistic(end: float, start: float, speed: float) -> Curve:
    """A sigmoid in log n: slow, then fast, then slow."""
    return lambda n: start + (end - start) * expit(2.5 * speed * np.log(n / 25))


def gompertz(end: float, start: float, speed: float) -> Curve:
    return lambda n: start + (end - start) * np.exp(-4 * np.exp(-speed * np.log(n / 5)))


def logarithmic(end: float, start: float, speed: float) -> Curve:
    """As straight as can be in log n until it meets its end."""
    return lambda n: np.minimum(end, start + speed * 0.2 * np.log(n / 5))


def stretched(end: float, start: float, speed: float) -> Curve:
    return lambda n: end - (end - start) * np.exp(-((speed * n / 15) ** 0.5))


COLUMNS = "| holds it (where it says something) | between | width | not yet, after | before, never behind | uncertain |"
SIMULATED = {shape.__name__: shape for shape in (power_law, exponential, logistic, gompertz, logarithmic, stretched)}


def truth(gaps: np.ndarray, fine: np.ndarray, margin: float = MARGIN) -> float:
    """Return the last budget at which the gap exceeds the margin: 0 if never, infinite if at the end."""
    ahead = np.flatnonzero(gaps > margin)
    return 0.0 if not len(ahead) else np.inf if ahead[-1] == len(fine) - 1 else float(fine[ahead[-1]])


def holds(found: Crossing, true: float) -> bool:
    return found.low <= true * 1.02 and true <= found.high * 1.02  # the truth is known on a grid only


def drawn(
    rng: np.random.Generator, curves: list[Curve], budgets: tuple[int, ...], seeds: int, examples: int
) -> list[dict[int, np.ndarray]]:
    """Draw scores (S, N) of a method and its baseline at each budget."""
    difficulty = rng.standard_normal(examples)
    shared = rng.standard_normal(seeds)
    share = rng.uniform(0.2, 0.8)  # of the variance within examples, what is theirs
    spread = rng.uniform(0.01, 0.05)  # of a seed at the smallest budget
    found: list[dict[int, np.ndarray]] = [{}, {}]
    for table, curve in zip(found, curves, strict=True):
        for budget in budgets:
            own = rng.standard_normal(seeds)
            level = curve(np.array(float(budget))) + spread * (5 / budget) ** 0.3 * (shared + own) / np.sqrt(2)
            threshold = ndtri(np.clip(level, 1e-3, 1 - 1e-3))[:, None]
            noise = rng.standard_normal((seeds, examples))
            table[budget] = (np.sqrt(share) * difficulty + np.sqrt(1 - share) * noise < threshold).astype(float)
    return found


def simulated(cases: int, seeds: int, examples: int) -> None:
    print(f"| shape | budgets {COLUMNS}")
    print("|---|---|---|---|---|---|---|---|")
    all_rows: list[tuple[Crossing, float]] = []
    seconds: list[float] = []
    for name, shape in SIMULATED.items():
        for budgets in ((5, 20, 50), (5, 10, 20, 50), (5, 10, 20, 50, 100, 200)):
            rng = np.random.default_rng([len(budgets), sum(map(ord, name))])
            fine = np.geomspace(budgets[0], HORIZON * budgets[-1], 2000)
            rows = []
            for _ in range(cases):
                end, lead = rng.uniform(0.75, 0.97), rng.uniform(-0.04, 0.03)
                start = rng.uniform(0.3, 0.6)
                baseline = shape(end, start, rng.uniform(0.6, 1.2))
                method = shape(end + lead, start + rng.uniform(0.0, 0.3) * (end - start), rng.uniform(0.6, 1.2))
                tables = drawn(rng, [method, baseline], budgets, seeds, examples)
                started = time.perf_counter()
                found = crossing("method", "baseline", ACCURACY, *tables)
                seconds.append(time.perf_counter() - started)
                assert found
                rows.append((found, truth(method(fine) - baseline(fine), fine)))
            report(f"{name.replace('_', ' ')} | {len(budgets)}", rows)
            all_rows += rows
    report("all | ", all_rows)
    print(f"{np.median(seconds):.2f} s a crossing")


def report(name: str, rows: list[tuple[Crossing, float]]) -> None:
    cases = [found.case for found, _ in rows]
    widths = [found.high / found.low for found, _ in rows if found.case == "between"]
    shares = [
        sum(cases.count(case) for case in some) / len(rows)
        for some in (("between",), ("not yet", "after"), ("before", "never behind"), ("uncertain",))
    ]
    said = [f"{share:.2f}" for share in shares]
    said.insert(1, f"×{np.median(widths):.1f}" if widths else "–")
    share = np.mean([holds(*row) for row in rows])
    telling = [holds(*row) for row in rows if row[0].case != "uncertain"]
    print(f"| {name} | {share:.3f} ({np.mean(telling):.3f}) | " + " | ".join(said) + " |", flush=True)


FINE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LOOKED_AT = ((1, 2, 4, 8), (2, 4, 8, 16), (1, 4, 12, 32), (4, 8, 16, 32))
MEASURED, JUDGED = 30, 5
TASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ten digits": lambda answers: answers,
    "odd or even": lambda answers: answers % 2,
    "small, middling, large": lambda answers: np.minimum(answers // 3, 2),
}


DOMAINS = (("mnist", "mnist", 20), ("mnist", "uci", 0), ("uci", "uci", 20))
"""Source, target, and by how many degrees the target is turned."""


def digits(source: str, target: str, angle: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Load rows of 8x8 pixels and their answers: of the source 600, of the target all that are not among them."""
    from scipy.ndimage import rotate, zoom

    from tlcore.scenarios.vision import _digits

    there, here = _digits(source, 16), _digits(target, 16)
    order = np.random.default_rng(0).permutation(len(here))
    first = np.random.default_rng(0).permutation(len(there))[:600]
    rest = np.setdiff1d(order, first) if source == target else order
    rest = rest[np.random.default_rng(1).permutation(len(rest))]
    turned = rotate(here.inputs[rest, 0], angle, axes=(2, 1), reshape=False, order=1) if angle else here.inputs[rest, 0]
    small = [zoom(pictures, (1, 0.5, 0.5), order=1) for pictures in (there.inputs[first, 0], turned)]
    return [
        (rows.reshape(len(rows), -1), answers)
        for rows, answers in zip(small, (there.answers[first], here.answers[rest]), strict=True)
    ]


def learned(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None = None) -> Callable[..., np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=300).fit(rows, answers, weights).predict


def trained(
    task: Callable[[np.ndarray], np.ndarray], domains: tuple[str, str, int], seeds: int
) -> dict[str, np.ndarray]:
    """Return the scores (B, S, N) of from scratch and of three ways to transfer, at each of `FINE`."""
    from sklearn.linear_model import LogisticRegression

    (there, told), (here, answers) = digits(*domains)
    told, answers = task(told), task(answers)
    pool = len(here) * 45 // 100
    here, test, truth = here[:pool], here[pool:], answers[pool:]
    first = LogisticRegression(C=1.0, max_iter=300).fit(there, told)

    spread = 2 * first.decision_function(there).std()

    def with_answers(rows: np.ndarray) -> np.ndarray:
        outputs = first.decision_function(rows).reshape(len(rows), -1)
        return np.hstack([rows, outputs / spread])

    found: dict[str, list[np.ndarray]] = {"from scratch": [], "pooled": [], "stacked": [], "source alone": []}
    known = with_answers(test)
    for budget in FINE:
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            bought = [
                generator.permutation(np.flatnonzero(answers[:pool] == kind))[:budget] for kind in np.unique(told)
            ]
            rows = np.concatenate(bought)
            mine, labels = here[rows], answers[rows]
            share = np.concatenate([np.full(len(there), len(rows) / len(there)), np.ones(len(rows))])
            both, all_labels = np.vstack([there, mine]), np.concatenate([told, labels])
            found["from scratch"].append(learned(mine, labels)(test) == truth)
            found["pooled"].append(learned(both, all_labels, share)(test) == truth)
            found["stacked"].append(learned(with_answers(mine), labels)(known) == truth)
            found["source alone"].append(first.predict(test) == truth)
    return {name: np.reshape(rows, (len(FINE), seeds, -1)).astype(float) for name, rows in found.items()}


def real(choices: int) -> None:
    print("| from, to | task | method | measured crossing | holds it |")
    print("|---|---|---|---|---|")
    every: list[tuple[Crossing, float]] = []
    for source, target, angle in DOMAINS:
        turned = f"{target} turned {angle}°" if angle else target
        for task, of_digits in TASKS.items():
            scores = trained(of_digits, (source, target, angle), MEASURED + choices * JUDGED)
            third = scores["from scratch"].shape[2] // 3
            for method in ("pooled", "stacked", "source alone"):
                gaps = (scores[method] - scores["from scratch"])[:, :MEASURED, third:].mean((1, 2))
                rows = []
                for budgets in LOOKED_AT:
                    fine = np.geomspace(budgets[0], min(FINE[-1], HORIZON * budgets[-1]), 2000)
                    true = truth(np.interp(np.log(fine), np.log(FINE), gaps), fine)
                    for choice in range(choices):
                        seeds = slice(MEASURED + choice * JUDGED, MEASURED + (choice + 1) * JUDGED)
                        tables = [
                            {budget: scores[name][FINE.index(budget), seeds, :third] for budget in budgets}
                            for name in (method, "from scratch")
                        ]
                        found = crossing(method, "from scratch", ACCURACY, *tables)
                        assert found
                        rows.append((found, found.high if true == np.inf and found.high >= fine[-1] else true))
                held = np.mean([holds(*row) for row in rows])
                whole = truth(gaps, np.array(FINE))
                print(f"| {source}, {turned} | {task} | {method} | {whole:g} | {held:.2f} |", flush=True)
                every += rows
    print(f"\n| | intervals {COLUMNS}")
    print("|---|---|---|---|---|---|---|---|")
    report(f"real | {len(every)}", every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--choices", type=int, default=4)
    arguments = parser.parse_args()
    began = time.perf_counter()
    if arguments.real:
        real(arguments.choices)
    else:
        simulated(arguments.cases, arguments.seeds, arguments.examples)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
