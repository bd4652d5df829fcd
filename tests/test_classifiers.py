"""How smooth a classifier is: chosen by cross-validation of what it learns from, as scikit-learn would choose it."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tlcore.classifiers import FEWEST, MOST_ROWS, NEVER, Classifier, _some_of_each, chosen, classify, strengths, turned
from tlcore.examples import Examples
from tlcore.splits import groups_of


@pytest.fixture(autouse=True)
def _on_one_thread():
    """As in a trial; small problems take longer on several."""
    with threadpool_limits(1):
        yield


def noisy(seed: int, n: int = 60, columns: int = 40, telling: int = 3, shift: float = 0.8, classes: int = 2):
    """Classes with other means in few of the columns."""
    centres = np.zeros((classes, columns))
    centres[:, :telling] = np.random.default_rng(99).choice([-shift, shift], size=(classes, telling))
    centres[1, :telling] = -centres[0, :telling]
    rng = np.random.default_rng(seed)
    answers = rng.permutation(np.arange(n) % classes)
    return centres[answers] + rng.normal(size=(n, columns)), answers


def found(name, rows, answers, seed=0, **changes):
    return chosen(name, rows, answers, 1 + int(answers.max()), seed, **changes)[0]


@pytest.mark.parametrize("columns", [4, 40, 200])
def test_c_of_the_svm_is_the_one_that_a_grid_search_finds(columns):
    settings = set()
    for seed in range(2):
        rows, answers = noisy(seed, columns=columns, classes=3)
        parts = StratifiedKFold(5, shuffle=True, random_state=seed)
        search = GridSearchCV(LinearSVC(random_state=0), {"C": strengths(rows)}, cv=parts).fit(rows, answers)
        assert found("svm", rows, answers, seed) == search.best_params_["C"]
        settings.add(search.best_params_["C"])
    assert settings != {strengths(rows)[0]} or columns > 4


@pytest.mark.parametrize("sparse", [False, True])
def test_c_of_logistic_regression_is_the_one_that_its_own_search_finds(sparse):
    for seed in range(2):
        rows, answers = noisy(seed, classes=3)
        search = LogisticRegressionCV(
            Cs=strengths(rows),
            l1_ratios=(0.0,),
            cv=StratifiedKFold(5, shuffle=True, random_state=seed),
            scoring="neg_log_loss",
            max_iter=1000,
            use_legacy_attributes=False,
        ).fit(rows, answers)
        assert found("logistic", csr_matrix(rows) if sparse else rows, answers, seed) == search.C_


def test_so_is_the_number_of_neighbours():
    rows, answers = noisy(1, n=100, columns=3, shift=0.5)
    grid = {"n_neighbors": [25, 15, 9, 5, 3, 1]}
    parts = StratifiedKFold(5, shuffle=True, random_state=1)
    search = GridSearchCV(KNeighborsClassifier(), grid, cv=parts).fit(rows, answers)
    assert found("neighbours", rows, answers, 1) == search.best_params_["n_neighbors"] > 1


@pytest.mark.parametrize("name", ["svm", "logistic"])
def test_few_rows_of_many_noisy_columns_are_lost_at_c_of_one(name):
    right = {}
    for setting in (1.0, None):
        shares = []
        for seed in range(3):
            (rows, answers), (asked, truth) = noisy(seed, 150, 160, 10, 0.25), noisy(seed + 100, 500, 160, 10, 0.25)
            shares.append((Classifier(name, 2, seed, setting)(rows, answers)(asked).argmax(1) == truth).mean())
        right[setting] = np.mean(shares)
    assert right[None] > right[1.0] + 0.02


def test_weights_count_in_the_fit_and_in_the_score():
    """Written out again; half of the rows, of little weight, are answered at random."""
    rows, answers = noisy(23, n=90, columns=10)
    answers[45:] = np.random.default_rng(0).permutation(answers[45:])
    weights, alike = np.repeat([1.0, 0.1], 45), np.ones(90)

    def best(in_fit, in_score):
        right = np.zeros(6)
        for learned, rest in StratifiedKFold(5, shuffle=True, random_state=0).split(rows, answers):
            for place, strength in enumerate(strengths(rows)):
                svm = LinearSVC(C=strength, random_state=0).fit(rows[learned], answers[learned], in_fit[learned])
                right[place] += in_score[rest] @ (svm.predict(rows[rest]) == answers[rest])
        return strengths(rows)[int(right.argmax())]

    wanted = best(weights / weights.mean(), weights)
    assert wanted not in (best(alike, weights), best(weights / weights.mean(), alike), best(alike, alike))
    assert found("svm", rows, answers, weights=weights) == wanted
    assert found("svm", rows, answers, weights=5 * weights) == wanted


def test_rows_of_no_weight_have_no_say():
    rows, answers = noisy(0, n=120)
    weights = np.repeat([1.0, 0.0], 60)
    assert found("logistic", rows, answers, weights=weights) == found("logistic", rows[:60], answers[:60])


def test_no_group_is_on_both_sides():
    """Each group has a mark of its own and one answer: what knows the mark looks as if it could be large."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 8)
    answers = groups % 2
    rows = np.column_stack([np.eye(12)[groups] * 4, answers + 2.5 * rng.normal(size=96)])
    parts = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(rows, answers, groups))
    search = LogisticRegressionCV(
        Cs=strengths(rows), l1_ratios=(0.0,), cv=parts, scoring="neg_log_loss", max_iter=1000,
        use_legacy_attributes=False,
    ).fit(rows, answers)  # fmt: skip
    assert found("logistic", rows, answers, groups=groups) == search.C_ < found("logistic", rows, answers)


def test_equals_go_to_the_stronger_regularisation():
    answers = np.arange(40) % 2
    rows = answers[:, None] * 6.0 - 3 + np.random.default_rng(0).normal(size=(40, 2)) / 10
    assert found("svm", rows, answers) == strengths(rows)[0]


@pytest.mark.parametrize("name", ["svm", "logistic"])
def test_units_do_not_matter(name):
    rows, answers = noisy(2, columns=8)
    assert found(name, rows * 100, answers) == pytest.approx(found(name, rows, answers) / 1e4)
    assert strengths(rows * 100 + 50) == pytest.approx([c / 1e4 for c in strengths(rows)])
    assert strengths(csr_matrix(rows)) == pytest.approx(strengths(rows))


@pytest.mark.parametrize("each", [1, 2])
def test_too_few_labels_choose_nothing(each):
    rows, answers = noisy(0, n=2 * each)
    setting, note = chosen("svm", rows, answers, 2, 0)
    assert note == f"C = {setting:g}: too few labels to choose it"
    assert setting == strengths(rows)[3]
    assert chosen("neighbours", rows, answers, 2, 0)[0] == 1
    rows, answers = noisy(0, n=2 * FEWEST)
    assert chosen("svm", rows, answers, 2, 0)[1].endswith("by 3-fold cross-validation")


def test_a_class_of_one_row_does_not_forbid_a_choice():
    rows, answers = noisy(0, n=61)
    answers[60] = 2
    told = Classifier("svm", 3, 0)
    assert told(rows, answers)(rows)[:, 2].min() > NEVER
    assert told.note == f"C = {found('svm', rows[:60], answers[:60]):g} by 5-fold cross-validation"


def test_a_large_table_is_stood_for_by_some_rows_of_each_class():
    answers = np.repeat([0, 1, 2], [9000, 990, 10])
    some = _some_of_each(answers, answers != 1, 0)
    assert MOST_ROWS <= len(some) < MOST_ROWS + 5
    assert np.bincount(answers[some])[[1, 2]].tolist() == [0, 5]
    assert (np.diff(some) > 0).all()
    assert not np.array_equal(some, _some_of_each(answers, answers != 1, 1))
    np.testing.assert_array_equal(_some_of_each(answers[:10], np.ones(10, bool), 0), np.arange(10))


def test_wide_rows_turned_have_the_same_inner_products():
    rows = np.random.default_rng(0).normal(size=(5, 30))
    assert turned(rows).shape == (5, 5)
    np.testing.assert_allclose(turned(rows) @ turned(rows).T, rows @ rows.T)
    assert turned(rows.T) is not None
    np.testing.assert_array_equal(turned(rows.T), rows.T)


def test_a_setting_is_chosen_once_for_rows_of_a_shape():
    rows, answers = noisy(0)
    fit = Classifier("svm", 2, 0)
    fit(rows, answers)
    first = fit.note
    fit(rows, np.random.default_rng(0).permutation(answers))
    assert fit.note == first
    assert [*fit.known] == [(60, 40)]
    fit(rows[:50, :3], answers[:50])
    assert [*fit.known] == [(60, 40), (50, 3)]
    assert fit.known[(60, 40)][0] == found("svm", rows, answers)


def test_what_a_person_says_is_taken():
    rows, answers = noisy(0)
    fit = Classifier("logistic", 2, 0, setting=7.0)
    theirs = LogisticRegression(C=7.0, max_iter=1000).fit(rows, answers).predict_log_proba(rows)
    np.testing.assert_allclose(fit(rows, answers)(rows), theirs, atol=1e-3)
    assert (fit.note, fit.known) == ("", {})


def test_trees_of_few_rows_are_trees():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    answers = (rows[:, 0] > 0).astype(int)
    assert (classify("trees", rows, answers, 2)(rows).argmax(1) == answers).all()


def test_rows_without_a_group_are_one_each():
    with_some, with_none = (
        Examples(np.zeros(3), np.zeros(3, int), np.array([4, 4, 2])),
        Examples(np.zeros(2), np.zeros(2)),
    )
    assert groups_of(with_none, with_none) is None
    assert groups_of(with_some, with_none).tolist() == [4, 4, 2, 8, 9]
    joined = groups_of(with_none, with_some, with_none)
    assert joined[2:5].tolist() == [4, 4, 2]
    assert len(np.unique(joined)) == 6
