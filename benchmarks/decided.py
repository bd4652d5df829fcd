"""When each verdict of a run stands, and when the run ends: ``python -m benchmarks.decided``.

In a home of its own, so that nothing is kept from before, with workers that are ready. A verdict stands once its
method's trials have ended, and the baseline's with the same seeds and budget.
"""

import argparse
import os
import tempfile
import time


def main() -> None:
    """Run a preset, and print its verdicts in the order in which they stood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="digits-quick")
    parser.add_argument("--until", choices=("seeds", "decided"), default="decided")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["TRANSFER_LAB_HOME"] = home
        measure(arguments.preset, {"until": arguments.until, "seeds": arguments.seeds})


def measure(preset: str, changes: dict[str, object]) -> None:
    """Run a preset with changes in this home, and print when what stood."""
    import sqlalchemy as sa

    from tlcore import lab
    from tlcore.experiment import Experiment, MethodChoice
    from tlcore.lab.schema import RUNS, TRIALS

    lab.start_engine()
    while not lab.engine_status()["ready"]:
        time.sleep(0.1)
    run_id = lab.submit(Experiment.load(preset, changes))
    lab.wait(run_id)
    results = lab.results(run_id)
    lab.stop_engine()
    columns = (TRIALS.c.method, TRIALS.c.budget, TRIALS.c.seed, TRIALS.c.finished)
    with sa.create_engine(lab.store_url()).connect() as connection:
        run = connection.execute(sa.select(RUNS.c.created, RUNS.c.finished).where(RUNS.c.id == run_id)).one()
        trials = connection.execute(sa.select(*columns).where(TRIALS.c.run_id == run_id)).all()
    finished = {(MethodChoice.model_validate_json(t.method).label, t.budget, t.seed): t.finished for t in trials}
    lines = []
    for verdict in results.verdicts.itertuples():
        seeds = [seed for method, budget, seed in finished if (method, budget) == (verdict.method, verdict.budget)]
        pairs = [(label, verdict.budget, seed) for label in (verdict.method, verdict.baseline) for seed in seeds]
        stood = max(finished[pair] for pair in pairs) - run.created
        lines.append((stood, f"{verdict.method} ({verdict.budget})", verdict.seeds, verdict.verdict))
    for stood, name, seeds, said in sorted(lines):
        print(f"{stood:6.1f} s  {name:34} {seeds:2} seeds  {said}")
    print(f"{run.finished - run.created:6.1f} s  the run, {len(trials)} trials")


if __name__ == "__main__":
    main()
