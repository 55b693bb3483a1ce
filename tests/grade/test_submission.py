"""Where a submission's files are found, and where they are put."""

import io
import os
import tarfile
import zipfile

import pytest

from chainrule.courses import comp540, cs231n
from chainrule.errors import DataError
from chainrule.grade.submission import MAX_BYTES, lay_out, read_submission, submission_name

EDITION = cs231n.edition(2020)


def tree(root, files):
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


LAYOUTS = {
    "as the course has it": ("cs231n/layers.py", "cs231n/classifiers/fc_net.py"),
    "one folder deeper": ("hw2/cs231n/layers.py", "hw2/cs231n/classifiers/fc_net.py"),
    "without the package": ("layers.py", "classifiers/fc_net.py"),
    "flat": ("layers.py", "fc_net.py"),
    "flat in a folder": ("my work/layers.py", "my work/fc_net.py"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    layers, net = LAYOUTS[layout]
    folder = os.path.dirname(layers)
    given = {layers: "L", net: "F", os.path.join(folder, "helpers.py"): "H", "notes.txt": "x"}
    submission = read_submission(tree(tmp_path / "ada", given))
    assert submission.name == "ada"
    target = tmp_path / "laid"
    taken = lay_out(submission, EDITION, target)
    assert taken == {"layers.py": layers, "classifiers/fc_net.py": net}
    assert (target / "cs231n/layers.py").read_text() == "L"
    assert (target / "cs231n/classifiers/fc_net.py").read_text() == "F"
    assert (target / "cs231n/helpers.py").read_text() == "H"
    assert "affine_relu_forward" in (target / "cs231n/layer_utils.py").read_text()
    assert not (target / "cs231n/layers.py").stat().st_mode & 0o222
    assert not list(target.rglob("notes.txt"))


def test_the_copy_most_like_the_courses_is_taken(tmp_path):
    files = {"old/layers.py": "1", "cs231n/layers.py": "2", "layers.py": "3", "__MACOSX/cs231n/layers.py": "4"}
    taken = lay_out(read_submission(tree(tmp_path / "ada", files)), EDITION, tmp_path / "laid")
    assert taken == {"layers.py": "cs231n/layers.py"}


def test_fast_layers_are_always_ours_and_layer_utils_may_be_theirs(tmp_path):
    files = {"layers.py": "1", "fast_layers.py": "raise SystemExit", "layer_utils.py": "mine = 1"}
    lay_out(read_submission(tree(tmp_path / "ada", files)), comp540.edition(2018), tmp_path / "laid")
    assert "conv_forward_fast = conv_forward_naive" in (tmp_path / "laid/fast_layers.py").read_text()
    assert (tmp_path / "laid/layer_utils.py").read_text() == "mine = 1"


def archives(folder):
    with zipfile.ZipFile(folder / "ada.zip", "w") as file:
        file.writestr("hw/cs231n/layers.py", "L")
        file.writestr("hw/data.bin", bytes(1000))
    with tarfile.open(folder / "ada.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("hw/cs231n/layers.py")
        info.size = 1
        file.addfile(info, io.BytesIO(b"L"))
    return [folder / "ada.zip", folder / "ada.tar.gz"]


def test_archives_and_single_files(tmp_path):
    for path in archives(tmp_path):
        submission = read_submission(path)
        assert submission.name == "ada"
        assert submission.files == {"hw/cs231n/layers.py": b"L"}
    (tmp_path / "layers.py").write_text("L")
    assert read_submission(tmp_path / "layers.py").files == {"layers.py": b"L"}


def test_names():
    from pathlib import Path

    names = ["ada.zip", "ada.tar.gz", "ada.tgz", "ada", "./ada/", "x/ada.tar.xz"]
    assert {submission_name(Path(name)) for name in names} == {"ada"}


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("S")
    folder = tree(tmp_path / "ada", {"optim.py": "O"})
    (folder / "layers.py").symlink_to(secret)
    (folder / "more").symlink_to(tmp_path)
    submission = read_submission(folder)
    assert submission.files == {"optim.py": b"O"}
    assert "layers.py is not a plain file" in submission.notes[0]
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(DataError, match="link"):
        read_submission(tmp_path / "link")


def test_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "cut.zip").write_bytes(archives(tmp_path)[0].read_bytes()[:60])
    tree(tmp_path / "long", {"layers.py": "#" * (MAX_BYTES + 1)})
    tree(tmp_path / "many", {f"f{i}.py": "" for i in range(501)})
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as file:
        file.writestr("../layers.py", "L")
    os.mkfifo(tmp_path / "pipe.py")
    for name in ("empty", "text.txt", "cut.zip", "long", "many", "out.zip", "pipe.py", "nothing"):
        with pytest.raises(DataError):
            read_submission(tmp_path / name)
