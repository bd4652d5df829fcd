"""What is said of a run's texts: the answers that turned, the words that shifted, the words that are marked."""

import numpy as np
import pytest

from tlcore.examples import Domains, Examples, Explanation
from tlcore.experiment import Experiment
from tlcore.report.answers import answers, hardest, turned
from tlcore.report.texts import marked, shifted_words
from tlcore.results import Results, TrialRecord, TrialResult
from tlcore.scenarios import SCENARIOS
from tlcore.trial import execute


@pytest.fixture(scope="module")
def results() -> Results:
    fields = {"scenario": "sentiment", "source": "tweet", "target": "product", "encoder": "glove-6b-50d"}
    experiment = Experiment.build({**fields, "methods": "frozen", "budgets": [5], "seeds": [3]})
    records = [TrialRecord(trial, "done", result=execute(trial)) for trial in experiment.trials()]
    return Results(experiment, records)


def test_every_answer_that_turned_is_listed_once_the_better_first(results):
    table = turned(answers(results, "frozen", 5, 3))
    baseline, frozen = (record.result.examples for record in results.records)
    right, was_right = (one["predicted"] == one["truth"] for one in (frozen, baseline))
    assert set(table.loc[table["better"], "row"]) == set(np.flatnonzero(right & ~was_right))
    assert set(table.loc[~table["better"], "row"]) == set(np.flatnonzero(was_right & ~right))
    assert table["better"].is_monotonic_decreasing
    for _, part in table.groupby("better"):
        assert part["gain"].abs().is_monotonic_decreasing
    assert (table.loc[table["better"], "gain"] > 0).all()
    assert (table.loc[~table["better"], "gain"] < 0).all()


def test_from_one_wrong_answer_to_another_nothing_turned():
    experiment = Experiment.build({"scenario": "topics", "methods": "source_only", "budgets": [2], "seeds": [0]})
    truth = experiment.domains().test.answers
    shifts = np.arange(len(truth)) % 3, np.arange(len(truth)) % 4  # 0: right
    records = [
        TrialRecord(
            trial,
            "done",
            result=TrialResult({}, examples={"truth": truth, "predicted": (truth + shift) % 4, "log_loss": shift}),
        )
        for trial, shift in zip(experiment.trials(), shifts, strict=True)
    ]
    table = turned(answers(Results(experiment, records), "source_only", 2, 0))
    assert set(table["row"]) == set(np.flatnonzero((shifts[0] == 0) != (shifts[1] == 0)))
    assert set(table.loc[table["better"], "method"]) == {"comp", "rec", "sci", "talk"}


def test_texts_and_answers_are_those_of_the_row(results):
    table = turned(answers(results, "frozen", 5, 3))
    domains = results.experiment.domains()
    for _, row in table.iterrows():
        number = domains.test.inputs[row["row"]]
        assert row["name"] == domains.input_names[number]
        assert row["truth"] == domains.answer_names[domains.test.answers[row["row"]]]
        assert (row["method"] == row["truth"]) == row["better"] != (row["baseline"] == row["truth"])


def test_nothing_is_listed_before_both_are_done(results):
    assert turned(answers(results, "frozen", 5, 4)).empty
    waiting = Results(results.experiment, [*results.records[:1], TrialRecord(results.records[1].trial, "queued")])
    assert turned(answers(waiting, "frozen", 5, 3)).empty


def made(there: list[str], here: list[str]) -> Domains:
    names = (*there, *here, "test test test")
    numbers = np.arange(len(names))
    parts = (numbers[: len(there)], numbers[len(there) : -1], numbers[-1:])
    return Domains(*(Examples(part, np.zeros(len(part), int)) for part in parts), 1, input_names=names)


def test_a_words_shift_is_its_log_odds_by_their_error():
    domains = made(["The plot thickens"] * 30 + ["the film"] * 10, ["the pill"] * 15 + ["the film, the film"] * 5)
    table = shifted_words(domains).set_index("word")
    n, m = 30 * 3 + 10 * 2, 15 * 2 + 5 * 2  # a word counts once a text
    assert table.loc["plot", ["source", "target"]].tolist() == [30 / n, 0]
    assert table.loc["film", ["source", "target"]].tolist() == [10 / n, 5 / m]
    expected = np.log(30.5 / (n - 29.5)) - np.log(0.5 / (m + 0.5))
    error = np.sqrt(1 / 30.5 + 1 / (n - 29.5) + 1 / 0.5 + 1 / (m + 0.5))
    assert table.loc["plot", "z"] == pytest.approx(expected / error)
    assert table.index[0] == "pill"  # the target's come first
    assert "test" not in table.index
    assert table.loc["pill", "z"] < 0 < table.loc["plot", "z"]


def test_longer_texts_shift_no_word():
    text = "one two three four five six"
    assert (shifted_words(made(text.split(), [text] * 4))["z"].abs() < 0.5).all()


def test_where_the_source_has_no_texts_no_word_shifts():
    assert shifted_words(SCENARIOS["sentiment"].domains("pretraining", "tweet")).empty


def test_words_of_real_domains_are_those_that_a_person_would_name():
    table = shifted_words(SCENARIOS["sentiment"].domains("movie", "product"))
    assert {"film", "movie"} <= set(table.loc[table["z"] > 0, "word"])
    assert {"phone", "use"} & set(table.loc[table["z"] < 0, "word"])
    assert len(table) == 30


def test_what_a_person_wrote_cannot_become_markup():
    text = '<script>alert("x")</script> & good\nbad'
    words = [(0, 8, 0.0), (30, 34, 2.0), (35, 38, -1.0)]
    html = marked(text, Explanation("leaving out", [1.0], words))
    assert "<script" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; " in html
    assert (
        'rgba(46, 160, 67, 0.60); text-decoration: underline solid rgb(46, 160, 67)" title="+2.00">good</span>' in html
    )
    assert '<br><span style="background: rgba(218, 54, 51, 0.30); text-decoration: underline double' in html
    assert html.count("<span") == 2


def test_a_text_of_which_nothing_is_known_is_shown_as_it_is():
    assert marked("a < b", Explanation("leaving out", [1.0], [])) == "a &lt; b"
    assert marked("ab", Explanation("leaving out", [1.0], [(0, 2, 0.0)])) == "ab"


def test_the_hardest_are_all_mistakes_the_surest_first(results):
    table = hardest(answers(results, "frozen", 5, 3))
    frozen = results.records[1].result.examples
    assert set(table["row"]) == set(np.flatnonzero(frozen["predicted"] != frozen["truth"]))
    np.testing.assert_allclose(table["loss"], np.sort(table["loss"])[::-1])
    np.testing.assert_allclose(table["loss"], frozen["log_loss"][table["row"].to_numpy(int)])
