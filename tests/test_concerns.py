"""Warnings before a run: each planted fault is said, and clean data are not blamed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tlcore.concerns import SENTENCES, Concern, catalogues, columns, labels, power, rows
from tlcore.concerns.scripts import unread
from tlcore.datasets.columns import Column
from tlcore.evaluation.gap import gap_interval
from tlcore.experiment import Experiment
from tlcore.scenarios import features

REPOSITORY = Path(__file__).parents[1]


def kinds(concerns):
    return [concern.kind for concern in concerns]


def column(name, cells):
    return Column(name, pa.chunked_array([pa.array(list(cells))]))


def table(**cells):
    return {name: column(name, values) for name, values in cells.items()}


def frame(seed=0, n=900, shift=0.3):
    """A clean table: two labels, four columns that each tell a little, one of categories."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, 2, n)
    numbers = {f"f{i}": rng.normal(size=n) + answers * 0.7 + shift for i in range(4)}
    colour = rng.choice(["red", "green", "blue"], n)
    return pd.DataFrame({**numbers, "colour": colour, "label": np.where(answers, "good", "bad")})


@pytest.fixture
def tables(tmp_path):
    """Make an experiment on two tables, clean ones unless they are changed."""

    def experiment(there=None, here=None, **fields):
        given = {}
        for which, one, seed in (("source", there, 1), ("target", here, 2)):
            path = tmp_path / f"{which}{len([*tmp_path.iterdir()])}.csv"
            (frame(seed) if one is None else one).to_csv(path, index=False)
            given[which] = {"path": str(path), **fields.pop(which, {})}
        return Experiment.build({"scenario": "features", **given, **fields})

    return experiment


def texts_at(tmp_path, source, target, **fields):
    given = {}
    for which, rows_ in (("source", source), ("target", target)):
        pd.DataFrame(rows_, columns=["text", "label", "author"][: len(rows_[0])]).to_csv(
            tmp_path / f"{which}.csv", index=False
        )
        given[which] = {"path": str(tmp_path / f"{which}.csv")}
    return Experiment.build({"scenario": "texts", "encoder": str(tmp_path / "no-encoder"), **given, **fields})


WORDS = ["quick", "brown", "fox", "jumps", "over", "lazy", "dog", "says", "something", "nice", "about", "films"]


def opinions(seed, n=800):
    rng = np.random.default_rng(seed)
    return [(" ".join(rng.choice(WORDS, 12)), ("good", "bad")[row % 2]) for row in range(n)]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("setting", ["inductive", "transductive"])
def test_clean_tables_are_not_blamed(tables, setting, metric):
    assert tables(setting=setting, metric=metric).concerns() == []


def test_clean_texts_are_not_blamed(tmp_path):
    assert texts_at(tmp_path, opinions(0), opinions(1)).concerns() == []


def test_data_that_come_along_are_not_blamed():
    assert Experiment.load("digits-quick").concerns() == []
    assert Experiment.build({"scenario": "films"}).concerns() == []


def test_every_kind_has_a_sentence_that_its_values_fill():
    concern = Concern("misread", {"n": 3, "which": "source"})
    assert concern.sentence.startswith("3 lines of the source are in another encoding")
    assert concern.said(lambda text: {"source": "Quelle"}.get(text, text)).startswith("3 lines of the Quelle are")
    assert json.loads(json.dumps(concern.as_json())) == concern.as_json()
    for sentence in SENTENCES.values():
        assert sentence.endswith(".")
        assert any(sign in sentence for sign in ":;,")


# Labels


def test_labels_that_are_called_otherwise():
    assert labels.different(["a", "b"], ["a", "b"]) == []
    assert kinds(labels.different(["pos", "neg"], ["good", "bad"])) == ["no_shared_classes"]
    assert kinds(labels.different(["a", "x", "y"], ["a", "b", "c"])) == ["few_shared_classes"]
    assert labels.different(["a", "b"], ["a", "b", "c"])[0].values == {"names": "'c'"}
    assert kinds(labels.different(["a", "b", "c"], ["a", "b"])) == ["missing_in_target"]


@pytest.mark.parametrize(
    ("source", "target", "rename"),
    [
        (("false", "true"), ("0", "1"), "true=1, false=0"),
        (("ja", "nein"), ("no", "yes"), "ja=yes, nein=no"),
        (("TRUE", "FALSE"), ("1", "0"), "TRUE=1, FALSE=0"),
    ],
)
def test_yes_and_no_in_other_words(source, target, rename):
    (concern,) = labels.different(source, target)
    assert (concern.kind, concern.values["rename"]) == ("same_truths", rename)


@pytest.mark.parametrize("target", [("a", "b"), ("1", "2"), ("true", "maybe"), ("0", "1", "2")])
def test_other_pairs_are_not_taken_for_yes_and_no(target):
    assert "same_truths" not in kinds(labels.different(["false", "true"], target))


def test_labels_that_differ_in_case_or_blanks(tables):
    assert labels.alike(["good", "bad"], ["good", "bad"]) == []
    assert labels.alike(["Good ", "bad"], ["good", "bad"])[0].values["which"] == "source"
    assert labels.alike(["a"], ["very good", "Very  Good"])[0].values["which"] == "target"
    wrong = frame(1)
    wrong["label"] = wrong["label"].str.capitalize()
    sentences = [concern.sentence for concern in tables(wrong).concerns()]
    assert any("'good' and 'Good' differ in case or blanks only" in sentence for sentence in sentences)


def test_the_advice_on_labels_can_be_followed(tables):
    wrong = frame(1)
    wrong["label"] = wrong["label"].map({"good": "Good", "bad": "bad"})
    (said,) = [c for c in tables(wrong).concerns() if c.kind == "alike_labels"]
    assert tables(wrong, source={"rename": said.values["rename"]}).concerns() == []


def test_a_class_in_one_domain_only(tables):
    more = frame(3)
    more.loc[:99, "label"] = "odd"
    assert "missing_in_source" in kinds(tables(here=more).concerns())
    assert "missing_in_target" in kinds(tables(there=more).concerns())


def test_rare_classes(tables):
    assert labels.rare({"a": 30, "b": 40}, [5, 20], 500) == []
    assert labels.rare({"a": 6, "b": 20}, [5], 500) == []
    assert labels.rare({"a": 4, "b": 40}, [1, 5], 500)[0].values == {"label": "'a'", "count": 4, "budget": 5}
    assert labels.rare({"a": 8, "b": 40, "c": 50}, [5], 500)[0].kind == "rarest_class"
    scarce = frame(2)
    scarce.loc[:5, "label"] = "odd"
    assert "rare_class" in kinds(tables(frame(1), scarce, budgets=[10]).concerns())
    assert "rare_class" not in kinds(tables(frame(1), scarce, setting="inductive", budgets=[3]).concerns())


def test_imbalance():
    assert labels.imbalance({"a": 60, "b": 40}, "accuracy") == []
    assert labels.imbalance({"a": 90, "b": 10}, "balanced_accuracy") == []
    assert labels.imbalance({"a": 90, "b": 10}, "accuracy")[0].values == {"share": 90, "label": "'a'"}
    assert labels.imbalance(dict(zip("abcdef", (55, 9, 9, 9, 9, 9), strict=True)), "accuracy")


# The size of the test


@pytest.mark.parametrize("n", [60, 300])
def test_the_smallest_gap_is_seen_in_half_of_the_cases(n):
    rng = np.random.default_rng(0)

    def seen(gap):
        up, down = (power.DISAGREEMENT + gap) / 2, (power.DISAGREEMENT - gap) / 2
        draws = rng.choice([1.0, -1.0, 0.0], p=[up, down, 1 - up - down], size=(600, n))
        return np.mean([gap_interval(np.tile(draw, (3, 1))).ci_low > 0 for draw in draws])

    gap = power.smallest_gap(n)
    assert 0.4 < seen(gap) < 0.6
    if 1.5 * gap < power.DISAGREEMENT:
        assert seen(1.5 * gap) > 0.75
    assert seen(0.5 * gap) < 0.3


def test_a_small_test(tables):
    many, few = np.arange(800) % 2, np.arange(60) % 2
    assert power.small_test(many, ("a", "b"), "accuracy") == []
    assert power.small_test(few, ("a", "b"), "accuracy")[0].values == {"n": 60, "points": 11}
    uneven = np.r_[np.zeros(770, int), np.ones(30, int)]
    assert power.small_test(uneven, ("a", "b"), "accuracy") == []
    assert power.small_test(uneven, ("a", "b"), "balanced_accuracy")[0].values["fewest"] == 30
    assert power.few_test_users(1000) == []
    assert kinds(power.few_test_users(40)) == ["few_test_users"]
    assert "small_test" in kinds(tables(here=frame(2, 100)).concerns())


# Rows that stand twice, groups, files


def test_rows_in_both_domains(tables):
    assert rows.shared({"in_both": 0, "target_doubles": 3, "alike_in_both": 9}, 1000, 1000) == []
    assert rows.shared({"in_both": 30}, 970, 500)[0].values == {"n": 30, "share": 3}
    assert kinds(rows.shared({"in_both": 300}, 700, 500)) == ["much_in_both"]
    assert kinds(rows.shared({"target_doubles": 100}, 700, 500)) == ["target_doubles"]
    assert kinds(rows.shared({"alike_in_both": 400, "target_alike": 300}, 700, 500)) == [
        "alike_in_both",
        "target_alike",
    ]
    overlapping = pd.concat([frame(1), frame(2).head(400)])
    assert "much_in_both" in kinds(tables(overlapping, frame(2)).concerns())


def test_choices_that_are_held_out_and_in_the_source():
    assert rows.held_out({"test_users": 100, "held_out_in_source": 5}) == []
    assert kinds(rows.held_out({"test_users": 100, "held_out_in_source": 60})) == ["held_out_in_source"]


def test_groups(tables, tmp_path):
    patients = [f.assign(patient=[f"{name}{row // 6}" for row in range(len(f))]) for f, name in
                ((frame(1), "s"), (frame(2), "t"))]  # fmt: skip
    unnamed = tables(*patients).concerns()
    assert [c.values["group"] for c in unnamed if c.kind == "ungrouped"] == ["'patient'"]
    assert "ungrouped" not in kinds(
        tables(*patients, source={"group": "patient"}, target={"group": "patient"}).concerns()
    )
    assert kinds(rows.grouped({"groups_in_both": 3})) == ["groups_in_both"]
    assert rows.grouped({"groups_in_both": 0}) == []
    authors = [(text, label, f"author {row // 8}") for row, (text, label) in enumerate(opinions(1))]
    assert "ungrouped" in kinds(texts_at(tmp_path, opinions(0), authors).concerns())


def test_groups_in_both_domains(tables):
    patients = [f.assign(patient=[f"p{row // 6}" for row in range(len(f))]) for f in (frame(1), frame(2))]
    both = {"source": {"group": "patient"}, "target": {"group": "patient"}}
    assert "groups_in_both" in kinds(tables(*patients, **both).concerns())


def test_lines_that_were_misread(tmp_path):
    assert rows.misread({"source_misread": 0, "target_cut": 4}) == []
    assert rows.misread({"target_broken": 2})[0].values == {"n": 2, "which": "target"}
    assert kinds(rows.misread({"source_misread": 1, "target_swallowed": 2, "target_short": 3})) == [
        "misread", "short", "swallowed"]  # fmt: skip


# Columns


def clean(seed, n=600):
    table_ = frame(seed, n)
    return {name: column(name, table_[name]) for name in table_.columns if name != "label"}, table_["label"].to_numpy(
        str
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [24, 60, 600])
def test_clean_columns_give_nothing_away(seed, n):
    there, names = clean(seed, n)
    many = {f"noise{i}": column(f"noise{i}", np.random.default_rng([seed, i]).normal(size=n)) for i in range(40)}
    assert columns.giveaways({**there, **many}, names, "source") == []


def giveaway_of(kind, names):
    rng = np.random.default_rng(5)
    codes = np.unique(names, return_inverse=True)[1]
    match kind:
        case "a copy":
            return names
        case "other words":
            return np.array(["x", "y", "z", "w"])[codes]
        case "a threshold":
            return codes * 10 + rng.normal(size=len(names))
        case "numbers of the labels":
            return codes
        case "missing or not":
            return np.where(codes == 0, np.nan, rng.normal(size=len(names)))


@pytest.mark.parametrize("kind", ["a copy", "other words", "a threshold", "numbers of the labels", "missing or not"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_column_that_gives_the_label_away(kind, share):
    there, _ = clean(3, 2000)
    names = np.where(np.random.default_rng(7).random(2000) < share, "good", "bad")
    leaking = {**there, "outcome": column("outcome", giveaway_of(kind, names).tolist())}
    (concern,) = columns.giveaways(leaking, names, "source")
    assert concern.values["column"] == "'outcome'"
    assert concern.values["share"] >= 98


def test_a_column_that_gives_many_labels_away():
    rng = np.random.default_rng(0)
    names = np.array([f"kind {number}" for number in rng.integers(0, 12, 2000)])
    there = {f"f{i}": column(f"f{i}", rng.normal(size=2000)) for i in range(5)}
    codes = rng.permutation(12)[np.unique(names, return_inverse=True)[1]]
    assert len(columns.giveaways({**there, "code": column("code", codes)}, names, "source")) == 1


def test_what_only_seems_to_give_the_label_away():
    there, names = clean(4)
    own = {**there, "name": column("name", [f"{name} {row}" for row, name in enumerate(names)])}
    assert columns.giveaways(own, names, "source") == [], "a category for nearly each row tells nothing"
    codes = np.unique(names, return_inverse=True)[1]
    easy = {f"f{i}": column(f"f{i}", codes * 9 + np.random.default_rng(i).normal(size=600)) for i in range(6)}
    assert columns.giveaways(easy, names, "source") == [], "an easy task is no leak"
    very = {
        "very": column("very", codes * 4 + np.random.default_rng(8).normal(size=600)),
        "copy": column("copy", codes),
    }
    assert columns.giveaways(very, names, "source") == [], "beside another that nearly tells it"
    few, some = clean(4, 40)
    code = column("copy", np.unique(some, return_inverse=True)[1])
    assert columns.giveaways({**few, "copy": code}, some, "source") == [], "too few rows to be sure"
    strong = {**there, "strong": column("strong", codes * 2.5 + np.random.default_rng(8).normal(size=600))}
    assert columns.giveaways(strong, names, "source") == [], "a good column is no leak"


def test_real_tables_give_nothing_away():
    from sklearn.datasets import load_breast_cancer, load_iris, load_wine

    for load in (load_iris, load_wine, load_breast_cancer):
        data = load()
        there = {name: column(name, values) for name, values in zip(data.feature_names, data.data.T, strict=True)}
        assert columns.giveaways(there, data.target.astype(str), "source") == [], load.__name__
        assert columns.ids(there, "source") == [], load.__name__


def test_columns_of_ids():
    rng = np.random.default_rng(0)
    numbers = rng.permutation(10_000)[:300]
    assert kinds(columns.ids(table(sample_id=numbers), "source")) == ["id_column"]
    assert kinds(columns.ids(table(PatientID=[f"P-{n}" for n in numbers]), "source")) == ["id_column"]
    assert kinds(columns.ids(table(x=np.arange(7, 307)), "source")) == ["id_column"]
    assert columns.ids(table(humid=numbers, income=numbers, shop_id=numbers % 9, size=numbers / 7), "source") == []
    assert columns.ids(table(grid=rng.normal(size=300), id=rng.normal(size=300)), "source") == []


def test_constant_columns():
    there, here = table(a=[1.0] * 5, b=[1.0] * 5, c=["x", "y", "x"]), table(a=[1.0] * 4, b=[1.0, 2.0], c=["x", "y"])
    assert [(c.kind, c.values.get("which"), c.values["names"]) for c in columns.constant(there, here)] == [
        ("constant", None, "'a'"),
        ("constant_in_one", "source", "'b'"),
    ]
    assert columns.constant(clean(1)[0], clean(2)[0]) == []
    assert kinds(columns.constant(table(a=[None, None]), table(a=[1.0, 2.0]))) == ["constant_in_one"]


def test_ranges_in_other_units():
    rng = np.random.default_rng(0)
    metres, inches = rng.normal(1.7, 0.1, 300), rng.normal(67, 4, 300)
    (concern,) = columns.ranges(table(size=metres), table(size=inches))
    assert "'size' goes from 1.5" in concern.sentence
    assert columns.ranges(table(size=metres), table(size=metres + 0.2)) == []
    spoiled = np.r_[metres, [1e9, -1e9]]
    assert kinds(columns.ranges(table(size=spoiled), table(size=inches))) == ["ranges_apart"], "a few odd cells"
    assert columns.ranges(table(flag=[0] * 60 + [1]), table(flag=[1] * 60 + [0])) == []
    five = {f"f{i}": metres for i in range(5)}
    many = columns.ranges(table(**five), table(**dict.fromkeys(five, inches)))
    assert kinds(many) == ["ranges_apart"] * 3 + ["more_ranges_apart"]


def test_cells_that_are_no_numbers():
    numbers = [str(number / 4) for number in range(60)]
    assert columns.odd(table(a=numbers), "source") == []
    (concern,) = columns.odd(table(a=[*numbers, "broken", "broken"], b=[*numbers, "1", "?"]), "source")
    assert concern.values == {"n": 2, "which": "source", "column": "'a'", "such": "'broken'"}
    words = ["low", "high", "low"] * 20
    assert kinds(columns.mixed(table(a=numbers), table(a=words))) == ["mixed_columns"]
    assert columns.mixed(table(a=numbers, b=words), table(a=numbers, b=words)) == []
    assert kinds(columns.missing(table(a=[None] * 40 + [1.0] * 20), "target")) == ["missing_cells"]
    assert columns.missing(table(a=[None] * 20 + [1.0] * 40), "target") == []


def test_faults_of_columns_are_said_of_the_files(tables):
    there, here = frame(1), frame(2)
    for one in (there, here):
        one["outcome"] = one["label"].map({"good": 1, "bad": 0}) * 3 + one["f0"] / 1000
        one["row_id"] = np.random.default_rng(0).permutation(50_000)[: len(one)]
        one["unit"] = 1
    there["f1"] *= 1000
    there["f1"] += 50_000
    found = {c.kind: c for c in tables(there, here).concerns()}
    assert found.keys() == {"giveaway", "id_column", "constant", "ranges_apart"}
    assert found["giveaway"].values["column"] == "'outcome'"
    assert found["ranges_apart"].values["column"] == "'f1'"
    clean_again = tables(there, here, source={"leave_out": "outcome,row_id,unit,f1"}, target={
        "leave_out": "outcome,row_id,unit,f1"})  # fmt: skip
    assert clean_again.concerns() == []


def test_columns_are_looked_at_once(tables, monkeypatch):
    experiment = tables()
    experiment.concerns()
    before = features._column_concerns.cache_info().misses
    experiment.model_copy(update={"budgets": [7]}).concerns()
    assert features._column_concerns.cache_info().misses == before


def test_arrays_without_names_have_no_columns_to_blame(tmp_path):
    rng = np.random.default_rng(0)
    for name in "st":
        np.savez(tmp_path / f"{name}.npz", X=rng.normal(size=(900, 4)), y=np.arange(900) % 2)
    given = {which: {"path": str(tmp_path / f"{which[0]}.npz")} for which in ("source", "target")}
    assert Experiment.build({"scenario": "features", **given}).concerns() == []


# Scripts


@pytest.fixture
def encoder(tmp_path):
    """A tokeniser that knows some words, all Latin letters and the Cyrillic ones, each by itself."""
    letters = [chr(code) for code in [*range(ord("a"), ord("z") + 1), *range(ord("а"), ord("я") + 1)]]
    vocabulary = ["[UNK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    words = {word: number for number, word in enumerate(dict.fromkeys(vocabulary))}
    tokeniser = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokeniser.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokeniser.enable_padding(length=256)
    folder = tmp_path / "encoder"
    folder.mkdir()
    tokeniser.save(str(folder / "tokenizer.json"))
    return str(folder)


def test_scripts_that_an_encoder_does_not_read(encoder):
    assert unread(encoder, [text for text, _ in opinions(0, 50)], "target") == []
    (concern,) = unread(encoder, ["这部电影很好看 nice d"] * 20, "target")
    assert (concern.kind, concern.values["share"]) == ("unread_script", 58)
    (concern,) = unread(encoder, ["этот фильм мне очень понравился"] * 20, "source")
    assert concern.kind == "spelled_script"
    assert unread("nowhere/to-be-found", ["这部电影"], "target") == []


def test_texts_in_another_script_are_said(tmp_path, encoder):
    there = opinions(0)
    here = [(f"电影很好看 {row} 我喜欢它", ("good", "bad")[row % 2]) for row in range(800)]
    found = texts_at(tmp_path, there, here).model_copy(update={"options": {"encoder": encoder}}).concerns()
    assert [(c.kind, c.values["which"]) for c in found] == [("unread_script", "target")]


def test_looking_at_texts_loads_no_torch(tmp_path, encoder):
    code = (
        "import sys; from tlcore.concerns.scripts import unread; "
        f"assert unread({encoder!r}, ['这部电影'] * 9, 'target'); "
        "assert not {'torch', 'transformers'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


# Catalogues


def shared(users, items):
    return {"shared_users": users, "shared_items": items, "target_users": 200, "target_items": 300}


def test_what_catalogues_share():
    assert catalogues.apart(shared(150, 0)) == []
    assert catalogues.apart(shared(0, 100)) == []
    assert kinds(catalogues.apart(shared(0, 0))) == ["nothing_shared"]
    assert kinds(catalogues.apart(shared(3, 5))) == ["little_shared"]


def test_two_catalogues_of_ones_own(tmp_path):
    def written(name, prefix, users):
        lines = [f"{prefix}{u},i{(u * 7 + k) % 40}" for u in range(users) for k in range(4)]
        (tmp_path / name).write_text("\n".join(["user,item", *lines]))
        return {"path": str(tmp_path / name)}

    there, here = written("s.csv", "u", 500), written("t.csv", "u", 400)
    fields = {"scenario": "ratings", "target": here}
    assert kinds(Experiment.build({**fields, "source": there}).concerns()) == ["held_out_in_source"]
    other = written("o.csv", "v", 30)
    assert "few_test_users" in kinds(Experiment.build({**fields, "source": here, "target": other}).concerns())
