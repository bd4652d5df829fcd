"""Closed forms against the papers' own algorithms, written out with dense matrices and solvers for any two of them."""

import numpy as np
import pytest
from scipy.linalg import eig, fractional_matrix_power
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.published import domains, known_pairs
from tests.methods.made_by_hand import seen
from tlcore import Experiment
from tlcore.methods import METHODS
from tlcore.methods.adaptive import MEDA, SHARPNESS
from tlcore.methods.components import BDA, JDA, JGSA, TCA, mean_difference
from tlcore.methods.features import CORAL, GFK
from tlcore.methods.kernels import median_squared_distance, squared_distances
from tlcore.trial import execute


def three_classes(seed: int = 0, n: int = 45, features: int = 6):
    """Source rows with answers and target rows with theirs: the same classes, turned, moved, close to each other."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, features))
    answers, truth = np.arange(n) % 3, np.arange(n + 6) % 3
    turn = np.eye(features) + 0.4 * rng.normal(size=(features, features))
    source = centres[answers] + rng.normal(size=(n, features)) * np.linspace(0.2, 1.5, features)
    target = centres[truth] + rng.normal(size=(n + 6, features)) * np.linspace(0.2, 1.5, features)
    return source + 1, answers, target @ turn + 0.5, truth


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def geometry(rows):
    """What is left of mapped rows when directions may be turned round, in units of their size."""
    return rows @ rows.T / np.mean(rows**2)


def mapped_by(method, source, answers, target):
    of_source, of_target = method.feature_map(seen(source, target, answers, kind="1nn"))
    return np.concatenate([of_source(source), of_target(target)])


def nearest(there, answers, here):
    return KNeighborsClassifier(1).fit(there, answers).predict(here)


def outer_differences(answers, guessed, m):
    """e·eᵀ of the domains, and the sum of those of the classes."""
    e = np.r_[np.full(len(answers), 1 / len(answers)), np.full(m, -1 / m)]
    classes = np.zeros((len(e), len(e)))
    for kind in np.unique(answers) if guessed is not None else ():
        mine, theirs = (answers == kind).astype(float), (guessed == kind).astype(float)
        one = np.r_[mine / mine.sum(), -theirs / max(1, theirs.sum())]
        classes += np.outer(one, one)
    return np.outer(e, e), classes


def leading(below, above, number):
    """The eigenvectors of above·v = value·below·v with the largest values, of unit 2-norm as MATLAB's eigs has them."""
    values, vectors = eig(np.linalg.solve(below, above))
    vectors = np.real(vectors[:, np.argsort(-np.real(values))[:number]])
    return vectors / np.linalg.norm(vectors, axis=0)


def joint_distribution_adaptation(source, answers, target, balance, number, mu, rounds):
    """The loop of Long et al. (2013) and Wang et al. (2017), with n x n matrices; also how often guesses changed."""
    rows, n, m = unit(np.concatenate([source, target])), len(source), len(target)
    centring, guessed, changed = np.eye(n + m) - 1 / (n + m), None, 0
    for _ in range(rounds):
        whole, classes = outer_differences(answers, guessed, m)
        apart = (1 - balance) * len(np.unique(answers)) * whole + balance * classes
        apart /= np.linalg.norm(apart)
        below = rows.T @ apart @ rows + mu * np.eye(rows.shape[1])
        mapped = unit(rows @ leading(below, rows.T @ centring @ rows, number))
        previous, guessed = guessed, nearest(mapped[:n], answers, mapped[n:])
        changed += previous is not None and (previous != guessed).any()
    return mapped, changed


@pytest.mark.parametrize(("method", "balance"), [(JDA, 0.5), (BDA, 0.8)])
@pytest.mark.parametrize("mu", [0.1, 1.0])
def test_jda_and_bda_are_the_published_loop(method, balance, mu):
    source, answers, target, _ = three_classes()
    theirs, changed = joint_distribution_adaptation(source, answers, target, balance, 4, mu, 6)
    assert changed  # or one round would do
    settings = {"class_share": balance} if method is BDA else {}
    ours = mapped_by(method(dimensions=4, mu=mu, iterations=6, **settings), source, answers, target)
    np.testing.assert_allclose(geometry(ours), geometry(theirs), atol=1e-5)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_tca_is_its_published_comparison(kernel):
    """As Long et al. (2013) compare it: one round without classes, rows of length one before and after."""
    source, answers, target, _ = three_classes(n=30)
    rows = unit(np.concatenate([source, target]))
    values = rows if kernel == "linear" else np.exp(-squared_distances(rows, rows) / median_squared_distance(rows))
    whole, _ = outer_differences(answers, None, 36)
    below = values.T @ whole @ values / np.linalg.norm(whole) + 0.3 * np.eye(values.shape[1])
    theirs = unit(values @ leading(below, values.T @ (np.eye(66) - 1 / 66) @ values, 3))
    ours = mapped_by(TCA(kernel=kernel, mu=0.3, dimensions=3), source, answers, target)
    np.testing.assert_allclose(geometry(ours), geometry(theirs), atol=1e-5)


def test_tca_without_lengths_is_pan_and_others():
    """K·W with W the leading eigenvectors of (KLK + μI)⁻¹KHK, L as it is."""
    source, answers, target, _ = three_classes(n=30)
    rows = np.concatenate([source, target])
    kernel = np.exp(-squared_distances(rows, rows) / median_squared_distance(rows))
    whole, _ = outer_differences(answers, None, 36)
    below = kernel @ whole @ kernel + 0.7 * np.eye(66)
    theirs = kernel @ leading(below, kernel @ (np.eye(66) - 1 / 66) @ kernel, 3)
    method = TCA(kernel="rbf", mu=0.7 / (1 / 30 + 1 / 36), dimensions=3, one_length=False)
    np.testing.assert_allclose(geometry(mapped_by(method, source, answers, target)), geometry(theirs), atol=1e-5)


def test_jgsa_is_the_published_loop():
    """Scatter as sums over rows, means apart divided by the norm of the domains' part, A above B of length one."""
    source, answers, target, _ = three_classes(2)
    there, here, guessed, changed = unit(source), unit(target), None, 0
    guessed = nearest(there, answers, here)
    width = there.shape[1]
    eye, zero = np.eye(width), np.zeros((width, width))
    within, between = zero.copy(), zero.copy()
    for kind in range(3):
        members = there[answers == kind]
        within += (members - members.mean(0)).T @ (members - members.mean(0))
        between += len(members) * np.outer(members.mean(0) - there.mean(0), members.mean(0) - there.mean(0))
    scatter = (here - here.mean(0)).T @ (here - here.mean(0))
    above = np.block([[0.4 * between, zero], [zero, 1.3 * scatter]])
    both = np.block([[there, np.zeros((45, width))], [np.zeros((51, width)), here]])
    for _ in range(5):
        whole, classes = outer_differences(answers, guessed, 51)
        apart = (3 * whole + classes) / np.linalg.norm(3 * whole)
        near = 0.7 * np.block([[eye, -eye], [-eye, eye]]) + np.block([[0.4 * within, zero], [zero, 1.3 * eye]])
        vectors = leading(both.T @ apart @ both + near, above, 3)
        mapped = np.concatenate([there @ vectors[:width], here @ vectors[width:]])
        previous, guessed = guessed, nearest(mapped[:45], answers, mapped[45:])
        changed += (previous != guessed).any()
    assert changed > 1
    method = JGSA(nearness=0.7, mu=1.3, scatter=0.4, iterations=5, dimensions=3)
    np.testing.assert_allclose(geometry(mapped_by(method, source, answers, target)), geometry(mapped), atol=1e-5)


def test_jgsa_loses_nothing_where_columns_outnumber_rows():
    source, answers, target, _ = three_classes(1, n=12, features=40)
    wide = mapped_by(JGSA(dimensions=4), source, answers, target)
    turned = np.linalg.svd(np.concatenate([source, target]), full_matrices=False)[
        2
    ].T  # all that rows have, in 30 columns
    narrow = mapped_by(JGSA(dimensions=4), source @ turned, answers, target @ turned)
    np.testing.assert_allclose(geometry(wide), geometry(narrow), atol=1e-5)


def test_gfk_compares_rows_by_the_flow_and_leaves_their_means():
    source, answers, target, _ = three_classes(n=60)
    start, end = (np.linalg.svd(rows - rows.mean(0))[2][:2].T for rows in (source, target))
    left, cosines, right = np.linalg.svd(start.T @ end)
    angles, first = np.arccos(cosines), start @ left
    beside = (end @ right.T - first * cosines) / np.sin(angles)
    steps = ((np.arange(2000) + 0.5) / 2000)[:, None, None]
    flow = first * np.cos(steps * angles) + beside * np.sin(steps * angles)
    rows = np.concatenate([source, target])
    compared = rows @ np.einsum("sij,skj->ik", flow, flow) @ rows.T / 2000
    ours = mapped_by(GFK(dimensions=2), source, answers, target)
    np.testing.assert_allclose(ours @ ours.T, compared, atol=1e-5 * np.abs(compared).max())
    there, here = GFK(dimensions=2, centred=True).feature_map(seen(source, target))
    np.testing.assert_allclose(there(source).mean(0), here(target).mean(0), atol=1e-9)


@pytest.mark.parametrize("features", [6, 60])
def test_coral_adds_the_identity_to_the_covariances_of_standardised_columns(features):
    source, _, target, _ = three_classes(n=40, features=features)
    source, target = (
        (rows - rows.mean(0)) / rows.std(0, ddof=1) for rows in (source, target)
    )  # the paper's columns, of mean 0 and variance 1
    covariances = [np.cov(rows, rowvar=False) + np.eye(features) for rows in (source, target)]
    theirs = source @ fractional_matrix_power(covariances[0], -0.5) @ fractional_matrix_power(covariances[1], 0.5)
    np.testing.assert_allclose(CORAL().feature_map(seen(source, target))[0](source), np.real(theirs), atol=1e-8)


def test_coral_does_not_mind_what_columns_are_measured_in():
    source, _, target, _ = three_classes()
    ours, larger = (CORAL().feature_map(seen(k * source, k * target))[0](k * source) for k in (1.0, 1000.0))
    np.testing.assert_allclose(larger, 1000 * ours, atol=1e-6)


def meda_written_out(source, answers, target, dimensions, rounds):
    """The program of Wang et al. (2018) with η = 0.1, λ = 10, ρ = 1, p = 5, n x n matrices and an explicit graph."""
    method = GFK(dimensions=dimensions)
    lifted = mapped_by(method, source, answers, target)
    rows, n, m = unit(lifted), len(source), len(target)
    cosines = rows @ rows.T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :6]  # a row itself and five more
    graph = np.zeros_like(cosines)
    np.put_along_axis(graph, near, np.take_along_axis(cosines, near, 1), 1)
    graph = np.maximum(graph, graph.T)
    degree = np.diag(1 / np.sqrt(graph.sum(1)))
    smooth = np.eye(n + m) - degree @ graph @ degree
    kernel, known = np.exp(-squared_distances(rows, rows) / 2), np.diag(np.r_[np.ones(n), np.zeros(m)])
    labels = np.r_[np.eye(3)[answers], np.zeros((m, 3))]
    guessed = nearest(rows[:n], answers, rows[n:])
    for _ in range(rounds):
        within = [distance(lifted[:n][answers == k], lifted[n:][guessed == k]) for k in range(3)]
        balance = np.mean(within) / (np.mean(within) + distance(lifted[:n], lifted[n:]))
        whole, classes = outer_differences(answers, guessed, m)
        apart = (1 - balance) * 3 * whole + balance * classes
        apart /= np.linalg.norm(apart)
        left = (known + 10 * apart + smooth) @ kernel + 0.1 * np.eye(n + m)
        outputs = kernel @ np.linalg.solve(left, known @ labels)
        guessed = outputs[n:].argmax(1)
    return outputs[n:]


def distance(source, target):
    """The A-distance, by a ridge regression in which the domains weigh alike."""
    rows, domain = np.concatenate([source, target]), np.repeat([0, 1], [len(source), len(target)])
    weights = np.repeat([1 / len(source), 1 / len(target)], [len(source), len(target)])
    wrong = RidgeClassifier().fit(rows, domain, sample_weight=weights).predict(rows) != domain
    return max(0.0, 2 * (1 - 2 * np.average(wrong, weights=weights)))


def test_meda_is_the_published_loop():
    source, answers, target, _ = three_classes(4)
    theirs = meda_written_out(source, answers, target, 2, 4)
    method = MEDA(dimensions=2, neighbours=5, iterations=4)
    ours = method.solve(seen(source, target, answers, kind="1nn")).predict(target) / SHARPNESS
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    first = meda_written_out(source, answers, target, 2, 1)
    assert np.abs(first - theirs).max() > 1e-3  # guesses and the proportion did move


DEGENERATE = {
    "a constant column": lambda s, t: (np.c_[s, np.full(len(s), 5.0)], np.c_[t, np.full(len(t), 5.0)]),
    "a large constant that differs": lambda s, t: (np.c_[s, np.full(len(s), 1e6)], np.c_[t, np.full(len(t), -1e6)]),
    "columns twice": lambda s, t: (np.c_[s, s], np.c_[t, t]),
    "rows of zeros": lambda s, t: (s * (np.arange(len(s)) > 4)[:, None], t * (np.arange(len(t)) > 4)[:, None]),
    "nothing but one row": lambda s, t: (np.ones_like(s), np.ones_like(t)),
    "nothing but zeros": lambda s, t: (np.zeros_like(s), np.zeros_like(t)),
    "a target that does not vary": lambda s, t: (s, np.ones_like(t)),
    "one target row": lambda s, t: (s, t[:1]),
    "one column": lambda s, t: (s[:, :1], t[:, :1]),
    "more columns than rows": lambda s, t: (np.tile(s[:9], 20), np.tile(t[:7], 20)),
    "one guess": lambda s, t: (s, s[0] + 1e-3 * t),
    "small numbers": lambda s, t: (1e-12 * s, 1e-12 * t),
    "large numbers": lambda s, t: (1e12 * s, 1e12 * t),
}
CLOSED = [
    name
    for name, method in METHODS.items()
    if "choices" not in method.needs and method.needs_unlabelled and not method().overrides("transfer_loss")
]
CLOSED = [
    name for name in CLOSED if any(METHODS[name]().overrides(part) for part in ("feature_map", "weights", "solve"))
]


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.slow
def test_no_method_stumbles_over_degenerate_rows(case):
    source, answers, target, _ = three_classes()
    there, here = DEGENERATE[case](source, target)
    answers = answers[: len(there)]
    variants = [(name, {}) for name in CLOSED]
    variants += [("tca", {"kernel": "rbf"}), ("jda", {"mu": 1e-9}), ("tca", {"one_length": False, "mu": 1e-9})]
    for name, settings in variants:
        if "groups" in METHODS[name].needs and len(here) < 3:
            continue  # fewer examples than groups are refused before any method is asked
        method, shown = METHODS[name](**settings), seen(there, here, answers, kind="1nn")
        if method.overrides("solve"):
            outputs = method.solve(shown).predict(here)
        elif method.overrides("weights"):
            weights = method.weights(shown)
            assert weights.max() > 0, name
            outputs = shown.classify(there, answers, weights)(here)
        else:
            of_source, of_target = method.feature_map(shown)
            outputs = shown.classify(of_source(there), answers)(of_target(here))
        assert np.isfinite(outputs).all(), name


def test_one_difference_stands_for_the_domains():
    np.testing.assert_allclose(mean_difference(2, 4)[:, 0], [0.5, 0.5, -0.25, -0.25, -0.25, -0.25])


def write(folder, name, rows, labels):
    np.savez(folder / name, X=rows.astype(np.float32), y=labels + 1)
    return {"path": str(folder / name)}


@pytest.mark.parametrize("method", ["source_only", "jda"])
def test_the_published_protocol_is_a_person_s_own_run(tmp_path, method):
    """Rows of length one, every target row scored, the nearest neighbour: as a specification, from two files."""
    source, answers, target, truth = three_classes(5)
    lengths = np.linspace(1, 50, 45)[:, None]  # of which nothing must be left
    spec = {
        "scenario": "features",
        "setting": "transductive",
        "source": write(tmp_path, "there_10.npz", lengths * source, answers),
        "target": write(tmp_path, "here_10.npz", target, truth),
        "methods": [{"name": method, "settings": {"dimensions": 4} if method == "jda" else {}}],
        "classifier": "1nn",
        "standardize": "rows",
        "seeds": 1,
    }
    assert list(known_pairs(domains(tmp_path))) == ["here:there", "there:here"]
    trial = next(one for one in Experiment.build(spec).trials() if one.method.name == method)
    if method == "jda":
        mapped, _ = joint_distribution_adaptation(source, answers, target, 0.5, 4, 1.0, 10)
        theirs = nearest(mapped[:45], answers, mapped[45:])
    else:
        theirs = nearest(unit(source), answers, unit(target))
        assert (theirs != nearest(lengths * source, answers, target)).any()
    assert execute(trial).metrics["accuracy"] == pytest.approx((theirs == truth).mean())
