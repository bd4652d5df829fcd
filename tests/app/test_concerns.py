"""What looks wrong with data is said on Run before it starts, and above its results."""

import numpy as np
from streamlit.testing.v1 import AppTest

from tests.app.opened import page
from tlcore import lab


def said(app: AppTest, sentence: str) -> bool:
    return any(sentence in warning.value for warning in app.warning)


def test_warnings_stand_before_a_run_and_above_its_results(tmp_path):
    rng = np.random.default_rng(0)
    for which, names in (("there", ["Good", "bad"]), ("here", ["good", "bad"])):
        rows = [f"{x:.4f},{y:.4f},1,{names[i % 2]}" for i, (x, y) in enumerate(rng.normal(size=(60, 2)))]
        (tmp_path / f"{which}.csv").write_text("\n".join(["f0,f1,a_*b*_$c$,y", *rows]))
    app = page("run", scenario="features")
    app.text_input(key="source.path").set_value(str(tmp_path / "there.csv"))
    app.text_input(key="target.path").set_value(str(tmp_path / "here.csv"))
    app.run()
    assert not app.exception
    assert not [error.value for error in app.error]
    assert said(app, "nothing to learn from: 'a\\_\\*b\\*\\_\\$c\\$'"), "names are no Markdown"
    app.text_input(key="budgets").set_value("3").run()
    app.button(key="start").click().run()
    assert not app.exception
    (run_id,) = [run.id for run in lab.list_runs() if run.experiment.scenario == "features"][:1]
    run = lab.wait(run_id)
    assert run.status == "done"
    assert any("test examples a gap under" in sentence for sentence in run.concerns)
    for name in ("run", "compare"):
        assert said(page(name, run=run.id), "test examples a gap under")
