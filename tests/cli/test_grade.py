"""`chainrule grade`."""

import json
from pathlib import Path

import pytest

from chainrule.cli import main
from chainrule.grade.sandbox import missing_fences

SUBMISSIONS = Path(__file__).parent.parent / "grade" / "submissions"
fenced = pytest.mark.skipif(bool(missing_fences()), reason=f"this system lacks {missing_fences()}")


@pytest.fixture
def rubric(tmp_path):
    text = 'course = "cs231n"\nedition = "2020"\n[points]\nrelu_forward = 2\nsvm_loss = 5\n[limits]\nseconds = 5\n'
    (tmp_path / "rubric.toml").write_text(text)
    return str(tmp_path / "rubric.toml")


@fenced
def test_one_submission(tmp_path, rubric, capsys):
    out = tmp_path / "grades"
    assert main(["grade", str(SUBMISSIONS / "cs231n/flat"), "--rubric", rubric, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "the correct class counted" in shown.out
    assert "2 of 7" in shown.out
    assert sorted(path.name for path in out.iterdir()) == ["flat.html", "flat.json"]
    assert str(out / "flat.html") in shown.err


@fenced
def test_json_is_all_of_standard_output(tmp_path, rubric, capsys):
    where = ["--rubric", rubric, "--course", "cs231n-2020", "--out", str(tmp_path / "g"), "--json"]
    assert main(["grade", str(SUBMISSIONS / "cs231n/flat"), *where]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == 2


@fenced
def test_folder_with_one_that_cannot_be_read(tmp_path, rubric, capsys):
    folder = tmp_path / "all"
    (folder / "ada\x1b[2J").mkdir(parents=True)
    (folder / "ada\x1b[2J" / "layers.py").write_text((SUBMISSIONS / "cs231n/flat/layers.py").read_text())
    (folder / "ada\x1b[2J" / "helpers.py").write_text((SUBMISSIONS / "cs231n/flat/helpers.py").read_text())
    (folder / "bob").mkdir()
    out = tmp_path / "grades"
    assert main(["grade", "--all", str(folder), "--rubric", rubric, "--out", str(out)]) == 1
    shown = capsys.readouterr()
    assert "2 of 7" in shown.out
    assert "holdsnoPythonfile" in "".join(shown.out.split())  # long paths are broken over lines
    assert "\x1b" not in shown.out + shown.err
    assert {"class.html", "class.csv", "class.json", "bob.html"} <= {path.name for path in out.iterdir()}


def test_printed_rubric(capsys):
    assert main(["grade", "--print-rubric", "--course", "cs231n-2018"]) == 0
    shown = capsys.readouterr().out
    assert 'edition = "2018"' in shown
    assert "affine_forward = 5" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--course or --rubric"),
        (["--course", "cs231n"], "submission, or --all"),
        (["x", "--all", "y", "--course", "cs231n"], "submission, or --all"),
        (["x", "--course", "cs23"], "unknown course"),
        (["x", "--rubric", "none.toml"], "cannot be read"),
        (["--all", "/nowhere/at/all", "--course", "cs231n", "--weak-sandbox"], "folder of submissions"),
        (["/nowhere/at/all", "--course", "cs231n", "--weak-sandbox"], "does not exist"),
    ],
)
def test_wrong_words(words, message, capsys):
    assert main(["grade", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_rubric_of_another_course(rubric, capsys):
    assert main(["grade", "x", "--rubric", rubric, "--course", "cs189"]) == 2
    assert "is not the rubric's" in capsys.readouterr().err
