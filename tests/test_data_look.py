"""How a file was understood, and what a person says of it: ``data look`` and the fields that choices become."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from tlcore.__main__ import main
from tlcore.datasets.features import FeatureFile
from tlcore.datasets.interactions import InteractionFile
from tlcore.datasets.look import LEFT_OUT
from tlcore.datasets.texts import TextFile
from tlcore.scenarios import FILES, SCENARIOS


@pytest.fixture
def measurements(tmp_path):
    """A table as a Chinese office writes it: GB18030, semicolons, decimal commas."""
    rng = np.random.default_rng(0)
    lines = ["编号;长度;宽度;颜色;patient;备注;标签"]
    for i in range(40):
        length, width = (f"{value:.2f}".replace(".", ",") for value in rng.normal(size=2))
        note = f"第{i}个样本看起来很好而且没有任何问题因此我们继续观察它并且记录下所有的变化与结果以备查"
        lines.append(f"{i + 1};{length};{width};{'红绿'[i % 2]};p{i // 4};{note};{('良性', '恶性')[i // 2 % 2]}")
    path = tmp_path / "样本.csv"
    path.write_bytes("\r\n".join(lines).encode("gb18030"))
    return path


@pytest.fixture
def look(monkeypatch, capsys):
    """Run ``data look`` and return exit status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tlcore", "data", "look", *map(str, arguments)])
        status = main()
        return status, *capsys.readouterr()

    return call


def test_a_table_is_shown_as_it_was_understood(look, measurements):
    status, out, err = look(measurements)
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["as", "features"] in lines
    assert ["encoding", "gb18030"] in lines
    assert ["decimal", "comma"] in lines
    assert ["长度", "feature", "number", "0%"] in [line[:4] for line in lines]
    assert ["良性", "20"] in lines
    assert "nearly every row has a value of its own" in out
    assert "group: patient looks like a group; say group=patient." in out


def test_what_a_person_says_is_read_by_the_file_itself(look, measurements):
    said = ("--set", "group=patient", "--set", "leave_out=备注,颜色", "--set", "kinds=宽度=category")
    _, out, _ = look(measurements, *said, "--json")
    told = json.loads(out)
    columns = {column["name"]: column for column in told["columns"]}
    assert (columns["patient"]["role"], columns["宽度"]["kind"]) == ("group", "category")
    assert columns["颜色"]["why"] == "left out by you"
    assert told["proposed"] == {}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("customer,product,stars,text\n" + "".join(f"u{i},i{i % 7},{i % 5},hm {i}\n" for i in range(30)), "ratings"),
        (
            "text,label\n" + "".join(f"a review of more than a few words {i} and so on,{i % 2}\n" for i in range(30)),
            "texts",
        ),
        ("a,b,label\n" + "".join(f"{i}.5,{-i},{i % 2}\n" for i in range(30)), "features"),
    ],
)
def test_what_a_file_is_is_told_by_what_is_in_it(look, tmp_path, content, kind):
    (tmp_path / "file").write_text(content)
    assert json.loads(look(tmp_path / "file", "--json")[1])["as"] == kind


def test_a_folder_is_one_of_pictures(look, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / label / "1.png")
    told = json.loads(look(tmp_path, "--json")[1])
    assert (told["as"], told["labels"]) == ("images", {"cat": 1, "dog": 1})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "path: 'nowhere.csv' is not there"),
        (("pyproject.toml", "--as", "feature"), "did you mean 'features'?"),
        (("pyproject.toml", "--as", "features", "--set", "lable=x"), "did you mean 'label'?"),
        (("pyproject.toml", "--set", "label"), "is not of the form key=value"),
        (("docs/compare.png",), "cannot be read as a table"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(look, arguments, said):
    status, out, err = look(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_each_scenario_with_own_files_has_its_kind():
    assert {name: scenario.own for name, scenario in SCENARIOS.items() if scenario.own} == FILES


def told(file, roles, kinds=None):
    """Return what is said after a choice, and make sure that the file that it makes is read."""
    fields = file.told(roles, kinds or {})
    kept = {name: value for name, value in file.model_dump().items() if name in type(file).written() or name == "path"}
    again = type(file).model_validate(kept | fields)
    again.look()
    return fields, again


def test_another_label_makes_the_old_one_a_feature(measurements):
    file = FeatureFile(path=str(measurements))
    fields, file = told(file, {"颜色": "label"})
    assert fields == {"label": "颜色"}
    assert {column.name: column.role for column in file.look().columns}["标签"] == "feature"
    fields, file = told(file, {"标签": "label"})
    assert fields == {}, "what would be found anyway is not written down"


def test_a_role_moves_and_may_be_taken_away(measurements):
    file = FeatureFile(path=str(measurements))
    fields, file = told(file, {"patient": "group"})
    assert fields == {"group": "patient"}
    fields, file = told(file, {"颜色": "group"})
    assert fields == {"group": "颜色"}
    fields, file = told(file, {"颜色": "feature"})
    assert fields == {}
    fields, file = told(file, {"标签": "feature"})
    assert fields == {"label": "none"}


def test_columns_are_left_out_and_come_back(measurements):
    fields, file = told(FeatureFile(path=str(measurements)), {"颜色": LEFT_OUT})
    assert fields == {"leave_out": ["颜色"]}
    fields, file = told(file, {"宽度": LEFT_OUT, "颜色": "feature"})
    assert fields == {"leave_out": ["宽度"]}
    fields, _ = told(file, {"宽度": "group"}, {"宽度": "category"})
    assert fields == {"group": "宽度", "kinds": {"宽度": "category"}}


def test_a_kind_is_written_down_where_another_would_be_found(measurements):
    fields, file = told(FeatureFile(path=str(measurements)), {}, {"宽度": "category"})
    assert fields == {"kinds": {"宽度": "category"}}
    assert told(file, {}, {"宽度": "number"})[0] == {}


def test_roles_of_texts_and_of_tables_without_a_header(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"a text of several words, number {i}\tx{i % 3}\ty{i % 2}\n" for i in range(30)))
    file = TextFile(path=str(path), header="no")
    with pytest.raises(ValueError, match="say which column is the label"):
        file.look()
    assert [column.role for column in file.glance().columns] == ["not used"] * 3
    fields, file = told(file, {"2": "label"})
    assert fields["label"] == "2"
    assert {"y0", "y1"} == {*file.labels()}
    fields, file = told(file, {"1": "label"})
    assert {"x0", "x1", "x2"} == {*file.labels()}


def test_a_role_that_must_be_cannot_be_taken_away(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("who,item,stars,when\n" + "".join(f"u{i % 5},i{i},{i % 5},{i}\n" for i in range(20)))
    file = InteractionFile(path=str(path))
    assert {column.name: column.role for column in file.glance().columns} == {
        "who": "not used", "item": "item", "stars": "rating", "when": "time"
    }  # fmt: skip
    fields, file = told(file, {"who": "user"})
    assert fields == {"user": "who"}
    fields, file = told(file, {"item": "not used", "stars": "not used"})
    assert fields == {"user": "who", "rating": "none"}


def test_what_is_said_of_one_table_of_features_goes_for_the_other(measurements):
    said = FeatureFile(path=str(measurements), group="patient", leave_out=("颜色", "标签"), label="宽度")
    plain = FeatureFile(path=str(measurements))
    like = plain.like(said)
    assert (like.group, like.label, like.leave_out) == ("patient", "宽度", ("颜色", "标签"))
    otherwise = FeatureFile(path=str(measurements), group="颜色", label="标签").like(said)
    assert (otherwise.group, otherwise.label, otherwise.leave_out) == ("颜色", "标签", ())
    assert said.like(plain) == said


def test_a_look_keeps_the_order_of_the_file(measurements):
    whole = FeatureFile(path=str(measurements))
    some = FeatureFile(path=str(measurements), leave_out=("颜色",))
    ordered = some.look().in_the_order_of(whole.glance())
    assert [column.name for column in ordered.columns] == [column.name for column in whole.glance().columns]
    colour = next(column for column in ordered.columns if column.name == "颜色")
    assert (colour.role, colour.kind, colour.examples) == (LEFT_OUT, "category", ("红", "绿"))
