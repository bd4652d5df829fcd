"""Texts: brought together without a double between training and test, read by any encoder, encoded once."""

import numpy as np
import pytest
import torch

from tlcore import activations as kept
from tlcore.backbones.text import Lookup, hashed_words, read
from tlcore.datasets.texts import WORD, LabelledTexts
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.text import texts_together
from tlcore.trial import execute

KINDS = ("bad", "good")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> str:
    """A folder with a transformer of two small layers, in Hugging Face's format."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "was", "the", "a", "dull"]
    words += ["bright", "story", "of", "it"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokeniser = BertTokenizerFast(str(folder / "vocab.txt"))
    tokeniser.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def own_texts(tmp_path, tiny_encoder):
    """Two tables of opinions in which one word decides."""
    rng = np.random.default_rng(0)

    def table(name: str, filler: str, n: int):
        rows = ["text,label"]
        for i in range(n):
            word, label = (("bright", "good"), ("dull", "bad"))[i % 2]
            fill = " ".join(rng.choice(filler.split(), 4))
            rows.append(f"{fill} {word} {i},{label}")
        (tmp_path / name).write_text("\n".join(rows))
        return {"path": str(tmp_path / name)}

    return {
        "scenario": "texts",
        "encoder": tiny_encoder,
        "source": table("there.csv", "the film was a", 80),
        "target": table("here.csv", "story of it the", 80),
    }


def texts(*rows: tuple[str, str]) -> LabelledTexts:
    return LabelledTexts([text for text, _ in rows], np.array([label for _, label in rows]))


def test_doubles_never_stand_on_both_sides():
    target = texts(*[(f"t{i}", KINDS[i % 2]) for i in range(40)], ("T1 ", "bad"), ("t2", "good"))
    source = texts(("s1", "bad"), ("S1", "good"), ("  t3", "good"), ("s2", "good"))
    domains = texts_together(source, target, KINDS)
    assert domains.facts["target_doubles"] == 2
    assert domains.facts["source_doubles"] == 1
    assert domains.facts["in_both"] == 1
    parts = [[domains.input_names[i] for i in part.inputs] for part in (domains.source, domains.pool, domains.test)]
    assert parts[0] == ["s1", "s2"]
    assert sorted(parts[1] + parts[2]) == sorted(f"t{i}" for i in range(40))
    of = {f"t{i}": i % 2 for i in range(40)}
    for part in (domains.pool, domains.test):
        assert [of[domains.input_names[i]] for i in part.inputs] == part.answers.tolist()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(f"t{i}", "bad") for i in range(9)], "all of its 9 texts are 'bad'"),
        ([*[(f"t{i}", "bad") for i in range(9)], ("u", "good")], "1 of its texts are 'good'"),
    ],
)
def test_one_label_cannot_be_told_from_itself(rows, words):
    with pytest.raises(SpecificationError, match=words):
        texts_together(texts(), texts(*rows))


def test_words_of_chinese_are_its_signs():
    import re

    assert re.findall(WORD, "I don't like 这部电影 at all, ça va? 2nd") == [
        "I", "don't", "like", "这", "部", "电", "影", "at", "all", "ça", "va", "2nd",
    ]  # fmt: skip
    rows, spans = hashed_words(["好看", "好看 film", ""], 10)
    assert spans("好看 film") == [(0, 1), (1, 2), (3, 7)]
    assert rows.shape == (3, 3)
    np.testing.assert_array_equal(rows[0, :2], rows[1, :2])
    assert not rows[2].any()


def test_a_sentence_vector_is_the_scaled_mean_and_padding_is_nothing(tiny_encoder):
    sentences = ["the film was good", "bad", "a dull story of it it it it", "neverseen words"]
    reading = read(tiny_encoder, sentences, 16)
    encoder = reading.encoder(True).eval()
    rows = torch.from_numpy(reading.rows).long()
    with torch.no_grad():
        together = encoder(rows)
        for row, vector in zip(rows, together, strict=True):
            tokens = row[row > 0][None] - 1
            mean = encoder.model(input_ids=tokens).last_hidden_state.mean(1)[0]
            torch.testing.assert_close(vector, mean / mean.norm(), rtol=1e-4, atol=1e-5)
    assert reading.unknown == pytest.approx(2 / 15)  # "neverseen", "words", of words that are no marks


def test_texts_of_one_length_go_together_where_no_gradient_is_asked_for(tiny_encoder):
    sentences = [" ".join(["good"] * (1 + i % 9)) + " bad" * (i % 4) for i in range(90)]
    reading = read(tiny_encoder, sentences, 16)
    encoder = reading.encoder(True).eval()
    rows = torch.from_numpy(reading.rows).long()
    with torch.no_grad():
        bucketed = encoder(rows)
    torch.testing.assert_close(bucketed, encoder(rows).detach(), rtol=1e-4, atol=1e-5)


def test_a_random_start_is_another_encoder_each_time_and_the_pretrained_one_is_not(tiny_encoder):
    reading = read(tiny_encoder, ["good"], 8)
    rows = torch.from_numpy(reading.rows).long()
    vectors = []
    for pretrained in (True, True, False, False):
        vectors.append(reading.encoder(pretrained).eval()(rows).detach())
    torch.testing.assert_close(vectors[0], vectors[1])
    assert not torch.allclose(vectors[0], vectors[2])
    assert not torch.allclose(vectors[2], vectors[3])
    with torch.no_grad():  # training one copy leaves the next as it was
        reading.encoder(True).model.embeddings.word_embeddings.weight.zero_()
    torch.testing.assert_close(reading.encoder(True).eval()(rows).detach(), vectors[0])


@pytest.mark.parametrize(
    ("name", "words"),
    [("no such model!", "no folder here and no name"), ("nobody/nothing-of-that-name", "could not be had")],
)
def test_an_encoder_that_cannot_be_had_is_said_in_one_line(name, words, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SpecificationError, match=words) as refused:
        read(name, ["good"], 8)
    assert "\n" not in str(refused.value)


def test_the_lookup_is_cut_to_the_longest_text():
    lookup = Lookup(np.array([[1, 2, 3], [4, 0, 0], [0, 0, 0]], np.int32), lambda _: [])
    assert lookup(torch.tensor([1])).tolist() == [[4]]
    assert lookup(torch.tensor([1, 0])).tolist() == [[4, 0, 0], [1, 2, 3]]
    assert lookup(torch.tensor([2])).tolist() == [[0]]


TRIED = ["source_only", "frozen", "fine_tune", "gradual_unfreeze", "lora", "adapters", "bias_only", "coral", "mmd",
           "dann", "kmm", "nearest_neighbour_selection", "pseudo_label", "l2_sp", "logistic_regression",
           "small_network", "best_from_scratch"]  # fmt: skip


@pytest.mark.slow
def test_the_whole_catalogue_learns_which_word_decides(own_texts):
    experiment = Experiment.build({**own_texts, "methods": TRIED, "budgets": [10], "seeds": 1}).checked()
    assert experiment.where.classes == KINDS
    found = {trial.method.name: execute(trial) for trial in experiment.trials()}
    for name in ("lora", "adapters", "mmd", "logistic_regression", "small_network", "best_from_scratch"):
        assert found[name].metrics["balanced_accuracy"] > 0.9, name
    whole = found["fine_tune"].metrics["trained_parameters"]
    for name in ("lora", "adapters", "bias_only"):
        assert found["frozen"].metrics["trained_parameters"] < found[name].metrics["trained_parameters"] < whole / 2


def test_of_lora_adapters_and_bias_only_the_rest_stays_as_it_was(own_texts):
    from tlcore.methods.base import Method
    from tlcore.objective import Labelled, Problem, Schedule, minimise

    scenario = SCENARIOS["texts"].configure({"encoder": own_texts["encoder"]})
    domains = Experiment.build({**own_texts, "methods": "frozen"}).domains()
    task_loss = scenario.task.loss(domains)
    rows = domains.pool.inputs[:20]
    labelled = Labelled(torch.from_numpy(rows), torch.from_numpy(domains.pool.answers[:20]), torch.ones(20), 1.0)
    for name, moved in (("lora", "lora_"), ("adapters", "beside_"), ("bias_only", "bias")):
        method: Method = METHODS[name].configure({})
        torch.manual_seed(0)
        plain = scenario.start(domains)
        plain.train_groups(0)
        before = plain(torch.from_numpy(rows))[1]
        network = method.network(plain, None, domains.pool)
        network.train_groups(0)
        torch.testing.assert_close(network(torch.from_numpy(rows))[1], before)  # it starts at the source model
        start = {key: value.clone() for key, value in network.state_dict().items()}
        minimise(network, method, Problem(None, labelled, None, None, task_loss), Schedule(3, 99, 10, 0, 0), seed=0)
        changed = {key for key, value in network.state_dict().items() if not torch.equal(value, start[key])}
        assert any(key.startswith("body") for key in changed)
        assert all(moved in key or key.startswith("head") for key in changed)


@pytest.mark.slow
def test_what_is_frozen_is_computed_once_for_each_text(own_texts, monkeypatch):
    from tlcore.backbones.text import Encoder

    monkeypatch.setattr(kept, "KEPT_FROM", 10_000)
    seen = []
    vectors = Encoder._vectors
    monkeypatch.setattr(Encoder, "_vectors", lambda self, rows: seen.append(len(rows)) or vectors(self, rows))
    experiment = Experiment.build({**own_texts, "methods": "frozen,mmd", "budgets": [5, 10], "seeds": 2})
    trials = [trial for trial in experiment.trials() if trial.method.name != "best_from_scratch"]
    first = [execute(trial).metrics for trial in trials]
    rows = experiment.where._reading(experiment.domains()).rows
    assert sum(seen) == len(np.unique(rows, axis=0))  # each text of both domains; some read the same
    once = sum(seen)
    again = [execute(trial).metrics for trial in trials]
    assert sum(seen) == once
    for one, other in zip(first, again, strict=True):
        assert one["log_loss"] == other["log_loss"]
    monkeypatch.setattr(kept, "KEPT_FROM", 10**9)
    direct = [execute(trial).metrics["log_loss"] for trial in trials]
    np.testing.assert_allclose(direct, [metrics["log_loss"] for metrics in first], rtol=1e-3)


def test_pretraining_alone_is_a_source(own_texts):
    experiment = Experiment.build({"scenario": "sentiment", "source": "pretraining", "target": "product"})
    refused = experiment.refusals()
    assert {"source_only", "mmd", "coral", "kmm", "pooled"} <= refused.keys()
    assert (
        not {"frozen", "fine_tune", "lora", "pseudo_label", "feature_extraction", "best_from_scratch"} & refused.keys()
    )
    with pytest.raises(SpecificationError, match="methods: 'mmd' needs source examples"):
        experiment.model_copy(update={"methods": [type(experiment.methods[0])(name="mmd")]}).checked()
    assert [choice.name for choice in experiment.checked().methods] == ["best_from_scratch", "frozen", "fine_tune"]


def test_a_budget_beyond_the_pool_is_refused():
    fields = {"scenario": "sentiment", "source": "movie", "target": "drug-reviews", "methods": "frozen"}
    with pytest.raises(SpecificationError, match=r"budgets: 400 labels a class .* Allowed: up to \d+"):
        Experiment.build({**fields, "budgets": [400]}).checked()


def test_labels_that_are_called_otherwise_are_mapped(own_texts, tmp_path):
    content = (tmp_path / "there.csv").read_text().replace(",good", ",1").replace(",bad", ",0")
    (tmp_path / "there.csv").write_text(content)
    apart = Experiment.build({**own_texts, "methods": "frozen"}).domains()
    assert (apart.answers, apart.facts["shared_classes"]) == (4, 0)
    own_texts["source"]["rename"] = {"1": "good", "0": "bad"}
    assert Experiment.build({**own_texts, "methods": "frozen"}).domains().facts["shared_classes"] == 2
    with pytest.raises(SpecificationError, match=r"labels: 'best' is not known.*Allowed: bad, good"):
        Experiment.build({**own_texts, "labels": ["good", "best"], "methods": "frozen"}).checked()


@pytest.mark.slow
def test_minilm_knows_a_feeling_when_it_reads_one():
    """The embedded encoder from its distribution: at 50 labels a class its probe is far above TF-IDF."""
    fields = {"scenario": "sentiment", "source": "pretraining", "target": "product", "budgets": [50], "seeds": 1}
    trials = Experiment.build({**fields, "methods": "frozen,logistic_regression"}).trials()
    found = {t.method.name: execute(t).metrics for t in trials if t.method.name != "best_from_scratch"}
    assert found["frozen"]["balanced_accuracy"] > 0.7
    assert found["frozen"]["balanced_accuracy"] > found["logistic_regression"]["balanced_accuracy"] + 0.05


def test_topics_are_asked_about_groups_that_the_source_has_not():
    from tlcore.datasets import DATASETS

    table = DATASETS["newsgroups"].fetch()
    group = dict(zip(table["text"], table["group"], strict=True))
    domains = SCENARIOS["topics"].domains("newsgroups-a", "newsgroups-b")
    groups = np.array([group[text] for text in domains.input_names])
    there, here = groups[domains.source.inputs], groups[np.concatenate([domains.pool.inputs, domains.test.inputs])]
    assert (len(set(there)), len(set(here))) == (8, 9)
    assert not set(there) & set(here)
    topics = np.array(["comp", "rec", "sci", "talk"])
    for part in (domains.source, domains.pool, domains.test):
        assert (np.char.partition(groups[part.inputs], ".")[:, 0] == topics[part.answers]).all()


def test_topics_may_be_fewer():
    build = SCENARIOS["topics"].configure
    two, four = build({"topics": "sci, comp"}), build({})
    assert two.classes == ("comp", "sci")  # in one order, however they are written
    pair = ("newsgroups-a", "newsgroups-b")
    few, all_of_them = two.domains(*pair), four.domains(*pair)
    assert few.answers == 2
    assert set(few.input_names) < set(all_of_them.input_names)  # the same posts, whatever else is asked
    for options, words in (({"topics": "comp"}, "at least 2"), ({"topics": "comp, cars"}, "'cars' is not known")):
        with pytest.raises(SpecificationError, match=words):
            build(options)


def test_the_encoder_from_scratch_is_a_candidate_where_it_may_win():
    scenario = SCENARIOS["sentiment"]
    assert scenario.contenders(10) == scenario.contenders(199) == ("logistic_regression", "small_network")
    assert scenario.contenders(200) == scenario.task.rivals
    domains = scenario.domains("pretraining", "tweet")
    few, many = (scenario.cost(METHODS["best_from_scratch"](), budget, domains) for budget in (199, 200))
    assert many > 5 * few
