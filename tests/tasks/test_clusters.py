"""Groups without labels: what is hidden, what is scored, what each method finds, and what verdicts say of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tlcore.errors import SpecificationError
from tlcore.examples import UNKNOWN, Domains, Examples
from tlcore.experiment import Experiment, applicable
from tlcore.methods import METHODS, unlabelled
from tlcore.methods.base import Seen, no_classifier
from tlcore.methods.clustering import MOST_COLUMNS, by_graph, in_cells, nearest, principal
from tlcore.results import Results, TrialRecord
from tlcore.scenarios import SCENARIOS
from tlcore.tasks.clusters import Clusters
from tlcore.trial import execute


def examples(answers) -> Examples:
    answers = np.asarray(answers)
    return Examples(np.arange(len(answers), dtype=np.float32)[:, None], answers)


def domains(pool=(0, 1, 2, 0), test=(0, 1, 2, 2)) -> Domains:
    return Domains(examples([3, 4, 3]), examples(pool), examples(test), 5)


def seen(target: np.ndarray, source: np.ndarray, number: int = 3) -> Seen:
    there = Examples(source, np.full(len(source), UNKNOWN))
    return Seen(there, examples([]), number, 0, target, no_classifier)


def blobs(n: int, seed: int, width: int = 6, apart: float = 6.0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    kinds = np.arange(n) % 3
    return apart * np.eye(3, width)[kinds] + noise * draw.normal(size=(n, width)), kinds


class TestWhatIsSeen:
    def test_no_label_but_those_of_the_test(self):
        found = Clusters().measured(domains(), examples([]))
        assert found.answers == 3  # as many as the pool has, whatever there is in the source
        assert set(found.source.answers) == set(found.pool.answers) == {UNKNOWN}
        assert found.test.answers.tolist() == [0, 1, 2, 2]

    def test_a_person_may_say_how_many(self):
        assert Clusters(number=2).measured(domains(), examples([])).answers == 2

    @pytest.mark.parametrize(
        ("number", "pool", "said"),
        [(None, [UNKNOWN] * 4, "groups: missing.*Allowed: 2 to 4"), (5, [0, 1, 0, 1], "groups: 5 are more.*2 to 4")],
    )
    def test_what_cannot_be_is_refused(self, number, pool, said):
        with pytest.raises(SpecificationError, match=said):
            Clusters(number=number).measured(domains(pool=pool), examples([]))

    def test_the_setting_changes_the_task_and_its_rival(self):
        experiment = Experiment.build({"setting": "unsupervised"})
        assert (experiment.task.name, experiment.baseline, experiment.budgets) == ("clusters", "best_grouping", [0])
        assert len(experiment.methods) > 2
        assert Experiment.build({"setting": "transductive", "methods": "coral"}).baseline == "source_only"
        assert Experiment.build({"methods": "coral"}).baseline == "from_scratch"
        transferring = [n for n in applicable(SCENARIOS["digits"], "unsupervised") if METHODS[n]().transfers]
        assert len(transferring) >= 6
        assert "pretrained_body" not in transferring
        assert "pretrained_body" in applicable(SCENARIOS["sentiment"], "unsupervised")
        assert not set(transferring) & set(applicable(SCENARIOS["digits"], "transductive"))

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"scenario": "films", "methods": "ease"}, "setting: 'unsupervised' is not known"),
            ({"methods": "fine_tune"}, "'fine_tune' does not apply to digits in the unsupervised setting"),
            ({"methods": "kmeans", "metric": "accuracy"}, "metric: 'accuracy'.*matched_accuracy"),
            ({"methods": "kmeans", "groups": 1}, "groups: "),
        ],
    )
    def test_what_does_not_fit_is_refused(self, fields, said):
        with pytest.raises(SpecificationError, match=said):
            Experiment.build({"setting": "unsupervised", **fields})


class TestScores:
    def scored(self, groups, test=(0, 1, 2, 2), number=3):
        outputs = np.eye(number)[list(groups)]
        return Clusters().evaluate(lambda _: outputs, replace(domains(test=test), answers=number), examples([]))

    def test_groups_have_no_names(self):
        metrics, found = self.scored([2, 0, 1, 1])
        assert all(metrics[name] == pytest.approx(1) for name in Clusters.verdict_metrics)
        assert found["predicted"].tolist() == found["truth"].tolist() == [0, 1, 2, 2]
        assert found["found"].tolist() == [2, 0, 1, 1]

    def test_a_group_that_is_left_over_is_called_by_its_number(self):
        metrics, found = self.scored([3, 0, 1, 2], number=4)
        assert metrics["matched_accuracy"] == 0.75
        truth, said = Clusters().in_words(found, ("a", "b", "c"))
        assert truth.tolist() == ["a", "b", "c", "c"]
        assert sorted(said.tolist()) == ["a", "b", "c", "group 2" if said[2] == "group 2" else "group 3"]

    def test_what_has_no_label_is_assigned_and_not_scored(self):
        metrics, found = self.scored([2, 0, 1, 1], test=(0, UNKNOWN, 2, 2))
        assert metrics["matched_accuracy"] == 1
        assert found["adjusted_rand"].shape == (3,)
        assert found["found"].shape == (4,)
        metrics, found = self.scored([2, 0, 1, 1], test=(UNKNOWN,) * 4)
        assert metrics == {}
        assert Clusters().in_words(found, ())[1].tolist() == ["group 3", "group 1", "group 2", "group 2"]


class TestMethods:
    def test_components_are_those_of_the_svd(self):
        rows = np.random.default_rng(0).normal(size=(40, 5)) * [5, 3, 1, 0.1, 0.1]
        place = principal(rows, 2, 0)
        directions = np.linalg.svd(rows - rows.mean(0))[2][:2]
        more = np.random.default_rng(1).normal(size=(4, 5))
        np.testing.assert_allclose(np.abs(place(more)), np.abs((more - rows.mean(0)) @ directions.T), atol=1e-8)
        assert principal(rows[:3], 32, 0)(rows).shape == (40, 2)

    def test_whitened_rows_vary_alike_before_they_are_of_one_length(self, monkeypatch):
        monkeypatch.setattr(unlabelled, "of_length_one", lambda rows: rows)
        rows = np.random.default_rng(0).normal(size=(300, 4)) @ np.diag([9, 3, 1, 0])
        found = METHODS["source_whitening"](components=3).learned(rows, seen(rows, rows))(rows)
        np.testing.assert_allclose(np.cov(found.T, ddof=0), np.eye(3), atol=1e-8)

    def test_codes_are_where_the_lasso_has_its_minimum(self):
        rows = np.random.default_rng(0).normal(size=(200, 8))
        method = METHODS["self_taught"](atoms=6, sparsity=0.1)
        codes = method.learned(rows, seen(rows, rows))(rows[:20])
        from sklearn.decomposition import MiniBatchDictionaryLearning

        alpha = 0.1 * np.sqrt(np.square(rows - rows.mean(0)).sum(1).mean())
        atoms = (
            MiniBatchDictionaryLearning(6, alpha=alpha, max_iter=3, fit_algorithm="cd", batch_size=256, random_state=0)
            .fit(rows - rows.mean(0))
            .components_
        )
        slope = (rows[:20] - rows.mean(0) - codes @ atoms) @ atoms.T  # of the squared half: α where a code is not zero
        np.testing.assert_allclose(slope[codes != 0], alpha * np.sign(codes[codes != 0]), atol=1e-2 * alpha)
        assert (np.abs(slope[codes == 0]) <= alpha * 1.01).all()

    def test_centres_start_at_the_sources(self):
        target, _ = blobs(90, 0)
        method = METHODS["source_centres"]()
        start = Examples(np.array([[60.0] * 6, [0.0] * 6, [-60.0] * 6]), np.arange(3))  # two of them nearest to nothing
        far = method.find(target, replace(seen(target, target), source=start))(target).argmax(1)
        near = method.find(target, method.studied(seen(target, blobs(300, 1)[0])))(target).argmax(1)
        assert len(np.unique(near)) == 3
        assert not np.array_equal(far, near)

    def test_each_domain_has_its_share_of_the_sum(self):
        target, source = np.array([[0.0], [0.0], [10.0]]), np.repeat([[0.0], [4.0]], [500, 500], axis=0)
        method = METHODS["joint_kmeans"](share=1e-9)
        alone = method.find(target, seen(target, source, 2))(np.array([[0.0], [10.0]])).argmax(1)
        assert len(set(alone)) == 2
        heavy = METHODS["joint_kmeans"](share=1 - 1e-9).find(target, seen(target, source, 2))
        assert len(set(heavy(np.array([[0.0], [4.0]])).argmax(1))) == 2
        assert len(set(heavy(np.array([[4.0], [10.0]])).argmax(1))) == 1

    def test_co_clustering_loses_less_with_every_round(self):
        draw = np.random.default_rng(0)
        kinds, words = np.arange(60) % 3, np.arange(30) % 3

        def lost(rows, groups, columns):
            shares = rows / rows.sum()
            small = np.zeros((3, 30))
            np.add.at(small, groups, shares)
            small = np.stack([small[:, columns == column].sum(1) for column in np.unique(columns)], 1)

            def told(table):
                chance = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
                return (table[table > 0] * np.log(table[table > 0] / chance[table > 0])).sum()

            return told(shares) - told(small)

        rows = draw.poisson(1 + 3.0 * (kinds[:, None] == words)).astype(float)
        few = seen(rows, draw.poisson(1 + 3.0 * (kinds[:, None] == words)).astype(float))
        by_round = []
        for rounds in (1, 10):
            method = METHODS["co_clustering"](columns=3, rounds=rounds)
            groups = method.find(rows, method.studied(few))(rows).argmax(1)
            by_round.append(lost(rows, groups, words))
        assert by_round[1] <= by_round[0] + 1e-9
        assert len({(kind, group) for kind, group in zip(kinds, groups, strict=True)}) == 3

    def test_a_graph_finds_rings_that_no_centre_finds(self):
        angles = np.linspace(0, 2 * np.pi, 150, endpoint=False)
        rings = np.concatenate([size * np.column_stack([np.cos(angles), np.sin(angles)]) for size in (1, 3)])
        truth = np.repeat([0, 1], 150)
        groups = {
            name: METHODS[name]().find(rings, seen(rings, rings, 2))(1.01 * rings).argmax(1)
            for name in ("kmeans", "spectral")
        }
        assert len({*zip(truth, groups["spectral"], strict=True)}) == 2
        assert len({*zip(truth, groups["kmeans"], strict=True)}) > 2
        place, vectors = by_graph(rings, 2, 10, 0)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
        assert place(rings[:5]).shape == (5, 2)

    def test_the_nearest_centre_is_the_nearest(self):
        rows, centres = np.random.default_rng(0).normal(size=(2, 7, 3))
        by_hand = -np.square(rows[:, None] - centres[None]).sum(2)
        np.testing.assert_allclose(nearest(centres)(rows), by_hand, atol=1e-12)

    def test_of_sparse_rows_the_heaviest_columns_count(self):
        rows = csr_matrix(np.diag(np.arange(1.0, MOST_COLUMNS + 6)))
        assert in_cells(rows)(rows[:2]).shape == (2, MOST_COLUMNS)
        np.testing.assert_array_equal(in_cells(rows)(rows[-1:])[0, -1], MOST_COLUMNS + 5)
        assert not in_cells(rows)(rows[:5]).any()
        dense = np.ones((2, 3), np.float32)
        assert in_cells(dense)(dense).dtype == np.float64

    def test_the_same_from_scratch_takes_nothing_from_the_source(self):
        rows = blobs(60, 0)[0]
        alone = METHODS["source_pca"](learn_from="target", components=2)
        assert not alone.transfers
        assert not alone.needs_source_data
        here = alone.carried(seen(rows, rows[:0]))(rows)
        np.testing.assert_allclose(np.abs(here), np.abs(principal(rows, 2, 0)(rows)))
        both = METHODS["source_pca"](learn_from="both", components=2)
        assert both.transfers
        assert both.carried(seen(rows, rows[:0]))(rows).shape == (60, 2)

    def test_what_knows_a_spoiled_copy_tells_examples_apart(self):
        import torch

        from tlcore.network import Network

        rows, kinds = blobs(300, 0, apart=4.0)
        torch.manual_seed(0)
        body = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))
        network, inputs = Network([body], torch.nn.Linear(8, 3)), torch.from_numpy(rows).float()
        start = [parameter.clone() for parameter in network.parameters()]

        def apart():
            made = torch.nn.functional.normalize(network(inputs)[0].detach()).numpy()
            means = np.stack([made[kinds == kind].mean(0) for kind in range(3)])
            within = np.square(made - means[kinds]).sum(1).mean()
            return np.square(means[:, None] - means[None]).sum(2).mean() / within

        before = apart()
        METHODS["contrastive"](steps=60, spoiled=0.3).meta_learn(
            network, inputs, torch.full((300,), -1), 0, lambda: False
        )
        assert apart() > 2 * before
        assert not any(parameter.requires_grad for parameter in network.parameters())
        assert torch.equal(start[-1], [*network.parameters()][-1])  # the head has nothing to learn


def table(folder, name: str, rows: np.ndarray, kinds: np.ndarray | None) -> dict[str, str]:
    header = [f"x{column}" for column in range(rows.shape[1])]
    lines = [",".join(f"{value:.5f}" for value in row) for row in rows]
    if kinds is not None:
        header, lines = [*header, "y"], [f"{line},k{kind}" for line, kind in zip(lines, kinds, strict=True)]
    (folder / name).write_text("\n".join([",".join(header), *lines]))
    return {"path": str(folder / name)}


def results_of(**fields) -> Results:
    experiment = Experiment.build({"scenario": "features", "setting": "unsupervised", "standardize": "none", **fields})
    experiment = experiment.checked()
    return Results(experiment, [TrialRecord(trial, "done", "", execute(trial)) for trial in experiment.trials()])


@pytest.mark.slow
class TestVerdicts:
    def test_a_source_of_the_same_helps_and_one_of_noise_does_not(self, tmp_path):
        """Groups lie in three of 200 directions, too few target rows to see which: a source can tell."""
        shared = {"width": 200, "apart": 3.0, "noise": 1.0}
        target, kinds = blobs(90, 0, **shared)
        sources = {
            "same": blobs(400, 1, **shared)[0],
            "noise": np.random.default_rng(2).normal(size=(400, 200)),
        }
        here = table(tmp_path, "here.csv", target, kinds)
        found = {}
        for name, rows in sources.items():
            there = table(tmp_path, f"{name}.csv", rows, None)
            method = {"name": "source_pca", "settings": {"components": 3}}
            results = results_of(source=there, target=here, methods=[method], seeds=3)
            found[name] = results.verdicts.iloc[0]
        assert found["same"]["verdict"] == "helps"
        assert found["same"]["sentence"].startswith("Without target labels, source_pca")
        assert "helps" not in found["noise"]["verdict"]
        assert found["noise"]["gap"] < 0

    def test_without_any_label_there_are_groups_and_no_verdict(self, tmp_path):
        files = [table(tmp_path, f"{n}.csv", blobs(60, n)[0], None) for n in (0, 1)]
        fields = {"source": files[0], "target": files[1], "methods": "source_pca,joint_kmeans", "seeds": 1}
        with pytest.raises(SpecificationError, match="groups: missing"):
            results_of(**fields)
        results = results_of(**fields, groups=3)
        assert not len(results.verdicts)
        assert set(results.predictions["predicted"]) == {"group 1", "group 2", "group 3"}
        assert set(results.predictions["truth"]) == {""}
        assert (results.trials["stability"] > 0.9).all()
        assert (results.trials["silhouette"] > 0.3).all()
        assert "matched_accuracy" not in results.trials

    def test_labels_of_the_target_alone_score(self, tmp_path):
        target, kinds = blobs(60, 1)
        files = table(tmp_path, "0.csv", blobs(90, 0)[0], None), table(tmp_path, "1.csv", target, kinds)
        results = results_of(source=files[0], target=files[1], methods="source_pca", seeds=1)
        assert (results.trials["matched_accuracy"] == 1).all()
        assert results.confusion("source_pca", 0).tolist() == (20 * np.eye(3, dtype=int)).tolist()
