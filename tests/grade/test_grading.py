"""Whole submissions: a class of them with every kind of fault and mischief, and the other courses."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from chainrule.errors import ConfigError
from chainrule.grade import course_rubric, diagnosis, grade, grade_folder, sandbox
from chainrule.grade.cases import ITEMS
from chainrule.grade.result import Report
from chainrule.grade.rubric import ItemPart, LimitsPart
from chainrule.grade.sandbox import missing_fences

SUBMISSIONS = Path(__file__).parent / "submissions"
pytestmark = pytest.mark.skipif(bool(missing_fences()), reason=f"this system lacks {missing_fences()}")

#: Time enough for whatever ends by itself or by another limit, however slow or busy the machine is.
LIMITS = LimitsPart(seconds=100, memory_mb=64, files=8, total_seconds=10_000)
#: For the submissions that never end.
SHORT = LimitsPart(seconds=1, memory_mb=64, files=8, total_seconds=10_000)
ENDLESS = ("loops", "loops_at_import")
#: Of the full rubric, what tells the submissions apart.
POINTS = {
    "affine_forward": 5,
    "affine_backward": 5,
    "relu_forward": 2,
    "relu_backward": 3,
    "softmax_loss": 5,
    "svm_loss": 5,
    "TwoLayerNet": 6,
    "adam": 5,
    "batchnorm_forward": 8,
    "max_pool_backward_naive": 4,
    "dropout_forward": 3,
}
FOUR = ("batchnorm_forward", "max_pool_backward_naive")  # whose aspects take four cases
ITEM_PARTS = {**POINTS, **{name: ItemPart(points=POINTS[name], cases=4) for name in FOUR}}
RUBRIC = msgspec.structs.replace(course_rubric("cs231n-2020"), points=ITEM_PARTS, limits=LIMITS, cases=2)
IMPATIENT = msgspec.structs.replace(RUBRIC, limits=SHORT)

#: Points that each submission must get, by its faults; whatever is not named has full points.
EXPECTED = {
    "perfect": {},
    "nearly": {"adam": 2.5, "batchnorm_forward": 4, "max_pool_backward_naive": 2},
    "half": {
        "affine_backward": 2.5,
        "svm_loss": 2.5,
        "TwoLayerNet": 3,
        "adam": 0,
        "batchnorm_forward": 4,
        "max_pool_backward_naive": 0,
        "dropout_forward": 1.5,
    },
    "flat": {"svm_loss": 0},
    "prints": {"relu_backward": 0, "softmax_loss": 0},
    "loops": {"affine_backward": 0, "softmax_loss": 0},
    "broken_import": {"TwoLayerNet": 0, "adam": 0},
    "memory": {"affine_forward": 0, "affine_backward": 0, "svm_loss": 0},
    "forks": {"affine_backward": 0, "relu_backward": 0, "softmax_loss": 0, "svm_loss": 0},
    "reads_files": {"affine_backward": 0, "relu_backward": 0, "softmax_loss": 0, "svm_loss": 0},
    "tampers": dict.fromkeys(
        ("affine_forward", "affine_backward", "relu_forward", "relu_backward", "softmax_loss", "svm_loss"), 0
    ),
    "loops_at_import": dict.fromkeys(
        ("affine_forward", "affine_backward", "relu_forward", "relu_backward", "softmax_loss", "svm_loss"), 0
    ),
}
COMPLETE = ("perfect", "nearly", "half")


def expected_points(name: str) -> dict[str, float]:
    absent = () if name in COMPLETE else ("TwoLayerNet", "batchnorm_forward", "max_pool_backward_naive")
    absent = (*absent, *(() if name in (*COMPLETE, "tampers") else ("dropout_forward",)))
    return {item: EXPECTED[name].get(item, 0.0 if item in absent else points) for item, points in POINTS.items()}


@pytest.fixture(scope="module")
def class_reports(tmp_path_factory) -> dict[str, Report]:
    most = tmp_path_factory.mktemp("class") / "cs231n"
    shutil.copytree(SUBMISSIONS / "cs231n", most, ignore=shutil.ignore_patterns(*ENDLESS))
    reports = grade_folder(most, RUBRIC)
    reports += [grade(SUBMISSIONS / "cs231n" / name, IMPATIENT) for name in ENDLESS]
    return {report.name: report for report in reports}


def test_every_submission_was_graded(class_reports):
    assert set(class_reports) == set(EXPECTED) == {path.name for path in (SUBMISSIONS / "cs231n").iterdir()}
    assert all(report.error == "" for report in class_reports.values())
    for name, report in class_reports.items():
        assert any(case.kind == "time" for item in report.items for case in item.cases) == (name in ENDLESS)


@pytest.mark.parametrize("name", EXPECTED)
def test_points(class_reports, name):
    assert {item.name: item.earned for item in class_reports[name].items} == expected_points(name)


def kinds(report: Report, name: str) -> set[str]:
    return {case.kind for item in report.items if item.name == name for case in item.cases}


@pytest.mark.parametrize(
    ("name", "item", "kind"),
    [
        ("loops", "affine_backward", {"time"}),
        ("loops", "softmax_loss", {"time"}),
        ("loops_at_import", "relu_forward", {"time"}),
        ("memory", "affine_forward", {"memory"}),
        ("prints", "relu_backward", {"output"}),
        ("prints", "softmax_loss", {"files"}),
        ("broken_import", "adam", {"error"}),
        ("flat", "TwoLayerNet", {"missing"}),
        ("flat", "batchnorm_forward", {"absent"}),
        ("forks", "affine_backward", {"error"}),
        ("tampers", "relu_backward", {"crash"}),
        ("half", "adam", {"wrong"}),
    ],
)
def test_why_points_were_lost(class_reports, name, item, kind):
    assert kinds(class_reports[name], item) == kind


@pytest.mark.parametrize(
    ("name", "item", "title"),
    [
        ("nearly", "adam", "epsilon under the root"),
        ("nearly", "batchnorm_forward", "unbiased running variance"),
        ("nearly", "max_pool_backward_naive", "overwritten where windows overlap"),
        ("half", "affine_backward", "a mean in place of a sum"),
        ("half", "svm_loss", "missing 1/N in the gradient"),
        ("half", "TwoLayerNet", "factor 2 in the regularisation"),
        ("half", "adam", "bias correction missing"),
        ("half", "batchnorm_forward", "test mode normalises by the batch"),
        ("half", "dropout_forward", "not scaled"),
        ("flat", "svm_loss", "the correct class counted"),
    ],
)
def test_what_is_probably_wrong(class_reports, name, item, title):
    (found,) = (i for i in class_reports[name].items if i.name == item)
    assert title in [cause.title for cause in found.causes]


def test_faults_that_may_be_inherited_are_named(class_reports):
    (found,) = (item for item in class_reports["half"].items if item.name == "TwoLayerNet")
    assert found.inherited == ["affine_backward"]
    assert all(item.inherited == [] for item in class_reports["perfect"].items)


def test_submissions_are_as_they_were(class_reports):
    assert "# changed" not in (SUBMISSIONS / "cs231n/reads_files/layers.py").read_text().splitlines()[-1]
    assert not list(SUBMISSIONS.rglob("__pycache__"))


def test_report_goes_to_json_and_back(class_reports):
    for report in class_reports.values():
        assert Report.from_json(report.to_json()) == report


FULL = [
    ("cs231n-2020", "cs231n/perfect", None),
    ("comp540", "comp540/perfect", None),
    ("eecs598", "eecs598/perfect", None),
    ("cs189", "cs189/perfect", None),
    ("cs189", "cs189/own_penalty", None),
    (
        "comp540",
        "comp540/faulty",
        {
            "FullyConnectedNet": {"regularisation missing"},
            "adam": {"t counted after its use"},
            "dropout_forward": {"p taken for the opposite probability"},
            "dropout_backward": {"p taken for the opposite probability"},
            "conv_backward_naive": {"overwritten where windows overlap"},
        },
    ),
    (
        "eecs598",
        "eecs598/faulty",
        {
            "binary svm_loss": {"missing 1/N"},
            "SVM": {"missing 1/N"},
            "SoftmaxClassifier": set(),
            "dropout_forward": {"scaled although the course's dropout is not"},
            "dropout_backward": {"scaled although the course's dropout is not"},
            "conv_forward": {"kernel flipped"},
            "ConvNet": set(),
        },
    ),
    (
        "cs189",
        "cs189/faulty",
        {"relu_backward": {"dout passed on"}, "rmsprop": set(), "FullyConnectedNet of CS 189": set()},
    ),
]


@pytest.mark.parametrize(("course", "name", "faults"), FULL, ids=[name for _, name, _ in FULL])
def test_other_courses(course, name, faults):
    rubric = course_rubric(course)
    report = grade(SUBMISSIONS / name, msgspec.structs.replace(rubric, cases=4 if name == "cs231n/perfect" else 2))
    lost = {item.name: {cause.title for cause in item.causes} for item in report.items if item.earned < item.points}
    if faults is None:
        assert lost == {}
        assert report.earned == report.total
    else:
        assert set(lost) == set(faults)
        for item, titles in faults.items():
            assert titles <= lost[item]


def test_cases_depend_on_the_name_and_the_seed_alone(tmp_path):
    rubric = msgspec.structs.replace(RUBRIC, points={"affine_forward": 1})
    source = SUBMISSIONS / "cs231n/loops"
    shutil.copytree(source, tmp_path / "ada")
    labels = {
        key: [case.label for case in grade(path, r, name=name).items[0].cases]
        for key, path, name, r in (
            ("ada", tmp_path / "ada", None, rubric),
            ("bob", source, "bob", rubric),
            ("again", source, "ada", rubric),
            ("seed", source, "ada", msgspec.structs.replace(rubric, seed=1)),
        )
    }
    assert labels["ada"] == labels["again"]
    assert labels["ada"] != labels["bob"]
    assert labels["ada"] != labels["seed"]


def test_changed_inputs_and_stale_caches_are_faults(tmp_path):
    """What notebooks do not see: a forward or backward pass that writes to its inputs, and a cache in a global."""
    (tmp_path / "layers.py").write_text(
        "import numpy as np\n"
        "def relu_forward(x):\n    return np.maximum(x, 0, out=x), x\n"
        "def relu_backward(dout, cache):\n    dout *= cache > 0\n    return dout\n"
        "def affine_forward(x, w, b):\n    global last\n    last = x, w, b\n"
        "    return x.reshape(len(x), -1) @ w + b, last\n"
        "def affine_backward(dout, cache):\n    x, w, b = last\n"
        "    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)\n"
    )
    points = {"relu_forward": 1, "relu_backward": 1, "affine_forward": 1, "affine_backward": 1}
    report = grade(tmp_path, msgspec.structs.replace(RUBRIC, points=points, diagnose=False))
    assert [item.earned for item in report.items] == [0, 0, 1, 0]
    assert report.items[0].cases[0].findings == ["x is an input, and is changed in place"]
    assert "dout is an input, and is changed in place" in report.items[1].cases[0].findings


def test_gradient_checks_explain_what_no_known_mistake_does(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_SECONDS", 1000.0)  # however slow the machine is
    (tmp_path / "layers.py").write_text(
        "import numpy as np\n"
        "def relu_forward(x):\n    return np.maximum(x, 0), x\n"
        "def relu_backward(dout, cache):\n    return dout * (cache < 0)\n"
    )
    (item,) = grade(tmp_path, msgspec.structs.replace(RUBRIC, points={"relu_backward": 1})).items
    assert item.earned == 0
    assert "dx = dout * (x > 0)" in [cause.equation for cause in item.causes]


def test_item_is_given_up_after_two_cases_that_had_to_be_ended():
    limits = LimitsPart(seconds=0.5, total_seconds=10_000)
    rubric = msgspec.structs.replace(RUBRIC, limits=limits, points={"softmax_loss": 5}, cases=5)
    (item,) = grade(SUBMISSIONS / "cs231n/loops", rubric).items
    assert [case.kind for case in item.cases] == ["time", "time", "not run", "not run", "not run"]


def test_time_of_a_whole_submission_is_limited():
    limits = LimitsPart(seconds=2, total_seconds=1e-6)
    report = grade(SUBMISSIONS / "cs231n/loops", msgspec.structs.replace(RUBRIC, limits=limits))
    assert report.earned == 0
    assert {case.kind for item in report.items for case in item.cases} <= {"not run", "missing"}


def test_folder_with_what_cannot_be_graded(tmp_path):
    shutil.copytree(SUBMISSIONS / "cs231n/loops", tmp_path / "ada")
    shutil.make_archive(str(tmp_path / "ada"), "zip", SUBMISSIONS / "cs231n/loops")
    (tmp_path / "empty").mkdir()
    (tmp_path / "essay.docx").write_bytes(b"PK\3\4 not an archive")
    (tmp_path / ".hidden").mkdir()
    rubric = msgspec.structs.replace(RUBRIC, points={"relu_forward": 2})
    reports = {report.name: report for report in grade_folder(tmp_path, rubric)}
    assert set(reports) == {"ada", "ada.zip", "empty", "essay.docx"}
    assert reports["ada"].earned == reports["ada.zip"].earned == 2
    assert "no Python file" in reports["empty"].error
    assert reports["essay.docx"].error
    with pytest.raises(ConfigError):
        grade_folder(tmp_path / "none", rubric)
    with pytest.raises(ConfigError):
        grade_folder(tmp_path / "empty", rubric)


def test_system_without_fences_is_refused_unless_accepted(monkeypatch):
    monkeypatch.setattr(sandbox.landlock, "version", lambda: 0)
    rubric = msgspec.structs.replace(RUBRIC, points={"relu_forward": 2, "relu_backward": 3, "svm_loss": 5})
    with pytest.raises(ConfigError, match="lacks landlock"):
        grade(SUBMISSIONS / "cs231n/reads_files", rubric)
    report = grade(SUBMISSIONS / "cs231n/reads_files", rubric, weak_sandbox=True)
    assert report.fences == []
    assert report.earned == 2


def test_two_labels_conventions_are_right_and_a_third_is_not():
    """What the binary losses' judge takes: 0 and 1, or −1 and +1, but the whole of one of them."""
    from chainrule.courses import eecs598
    from chainrule.grade.cases import Drawing
    from chainrule.grade.inside.routines import ROUTINES

    drawing = Drawing(eecs598.edition(2019), np.random.default_rng(0), 4)
    ours = drawing.find("layers.py", "svm_loss")

    def judged(student):
        cases = ITEMS["binary svm_loss"].make(drawing)
        results = [ROUTINES[c.routine](lambda file, name: student, c.call) for c in cases]
        return [not c.judge(c.expected, got, 1e-6) for c, got in zip(cases, results, strict=True)]

    def only_signs(x, y):
        if 0 in y:
            raise ValueError("labels are −1 and +1")
        return ours(x, y)

    def half_of_each(x, y):
        loss, dx = ours(x, y)
        return (loss, 2 * dx) if (y < 0).any() else (2 * loss, dx)

    assert all(judged(ours))
    assert all(judged(only_signs))
    assert not all(judged(half_of_each))
