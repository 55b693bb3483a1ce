"""`read`: every kind of source is recognised and comes out as the same data set; bad ones say what is wrong."""

from __future__ import annotations

import builtins
import gzip
import pickle
import tarfile

import numpy as np
import pytest
import scipy.io
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_iris

from chainrule.data import Dataset, Source, Splits, read
from chainrule.data.readers import KINDS, READERS
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def same(data, X=X, y=Y):
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.y, y)


# -- files of arrays


def test_npz_mat_and_pickles_hold_the_same(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    scipy.io.savemat(tmp_path / "a.mat", {"X": X, "y": Y[:, None]})
    for name, value in (("pair", (X, Y)), ("keys", {"data": X, "labels": Y.tolist()}), ("bytes", {b"X": X, b"y": Y})):
        for protocol in range(6):
            data = pickle.dumps(value, protocol)
            write(tmp_path / f"{name}{protocol}.pkl", data)
            write(tmp_path / f"{name}{protocol}.pkl.gz", gzip.compress(data))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2 + 3 * 6 * 2
    for file in files:
        source = read(file)
        same(source.train)
        assert (source.test, source.val) == (None, None)
        assert source.name == source.train.name == file.name.split(".")[0]
        same(read(str(file)).train)


def test_parts(tmp_path):
    pairs = [(X, Y), (X[:2], Y[:2]), (X[3:], Y[3:])]
    write(tmp_path / "three.pkl", pickle.dumps(pairs, 4))
    write(tmp_path / "two.pkl", pickle.dumps(tuple(pairs[:2]), 4))
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    np.savez(tmp_path / "b.npz", train_X=X, train_y=Y, test_X=X[:2], test_y=Y[:2])
    source = read(tmp_path / "three.pkl")
    same(source.val, X[:2], Y[:2])
    same(source.test, X[3:], Y[3:])
    assert source.test.name == "three test"
    for name in ("two.pkl", "a.npz", "b.npz"):
        same(read(tmp_path / name).train)
        same(read(tmp_path / name).test, X[:2], Y[:2])


def test_matlab_images_and_labels(tmp_path):
    images = RNG.integers(0, 256, (7, 3, 5, 6), dtype=np.uint8)
    labels = np.array([10, 1, 2, 3, 4, 5, 6])
    scipy.io.savemat(tmp_path / "s.mat", {"X": images.transpose(2, 3, 1, 0), "y": labels[:, None].astype(float)})
    data = read(tmp_path / "s.mat").train
    np.testing.assert_array_equal(data.X, images)
    assert data.y.shape == (7,)
    scipy.io.savemat(tmp_path / "t.mat", {"features": X, "t": Y[None]})
    same(read(tmp_path / "t.mat", target="t").train)


def test_names_of_arrays_can_be_given(tmp_path):
    np.savez(tmp_path / "a.npz", alpha=X, omega=Y, X_train=X)
    same(read(tmp_path / "a.npz", inputs="alpha", target="omega").train)
    with pytest.raises(
        DataError, match=r"must hold X or x or data .*, got X_train, alpha, omega; say which with inputs="
    ):
        read(tmp_path / "a.npz")
    with pytest.raises(ConfigError, match="inputs must be one of X_train, alpha, omega, got 'beta'"):
        read(tmp_path / "a.npz", inputs="beta")


# -- tables

TABLE = "height,width,kind\n1,2.5,oak\n3,4,elm\n5,6,oak\n"


def check_table(data):
    assert data.X.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert data.y.tolist() == [1, 0, 1]
    assert data.class_names == ("elm", "oak")


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", TABLE, {"target": "kind"}),
        ("a.csv", TABLE, {"target": 2}),
        ("a.csv", TABLE, {"target": -1}),
        ("a.csv", TABLE.replace("kind", "Label"), {}),
        ("a.csv", TABLE.replace("\n", "\r\n") + "\r\n\r\n", {"target": "kind"}),
        ("a.csv", "\ufeff" + TABLE, {"target": "kind", "inputs": ["height", "width"]}),
        ("a.tsv", TABLE.replace(",", "\t"), {"target": "kind"}),
        ("a.csv", TABLE.replace(",", ";"), {"target": "kind", "delimiter": ";"}),
        ("a.csv", '"1",2.5,"oak"\n3,4,elm\n 5,6 ,oak\n', {"target": 2}),
        ("a.csv.gz", gzip.compress(TABLE.encode(), mtime=0), {"target": "kind"}),
        ("table.txt", TABLE, {"target": "kind", "kind": "csv"}),
        ("a.csv", TABLE + "7,,elm\nNA,8,elm\n9,9,\n", {"target": "kind", "missing": "drop"}),
    ],
)
def test_csv(tmp_path, name, content, options):
    check_table(read(write(tmp_path / name, content), **options).train)


def test_csv_targets(tmp_path):
    file = write(tmp_path / "a.csv", "a,b,y\n1,2,3\n4,5,7\n6,7,3\n")
    assert read(file).train.y.tolist() == [3, 7, 3]
    assert read(file).train.y.dtype == np.int64
    assert read(file, target_as="numbers").train.y.dtype == np.float64
    data = read(file, target_as="labels").train
    assert (data.y.tolist(), data.class_names) == ([0, 1, 0], ("3", "7"))
    assert read(file, target="b", inputs="a").train.X.tolist() == [[1], [4], [6]]
    assert read(write(tmp_path / "b.csv", "y,a\n0.5,1\n2,2\n")).train.y.tolist() == [0.5, 2.0]
    assert read(write(tmp_path / "c.csv", "1,0\n2,1\n"), target=1, header=False).train.X.tolist() == [[1], [2]]
    assert read(write(tmp_path / "c.csv", "1,0\n2,1\n"), target=1, header=True).train.X.tolist() == [[2]]


def test_csv_texts_far_below_numbers_keep_their_zeros(tmp_path):
    lines = [f"{i},{'007' if i % 2 else '7'}" for i in range(9000)] + ["9000,seven"]
    data = read(write(tmp_path / "a.csv", "\n".join(["x,y", *lines])), target="y").train
    assert data.class_names == ("007", "7", "seven")
    assert data.class_counts().tolist() == [4500, 4500, 1]
    data = read(write(tmp_path / "b.csv", "\n".join(["x,y", *(f"{i},{i % 3}" for i in range(9000)), "0.5,1"]))).train
    assert data.X.shape == (9001, 1)
    assert data.X[-1] == 0.5


@pytest.mark.parametrize(
    ("content", "options", "error", "words"),
    [
        ("", {}, DataError, "at least one row, got none"),
        ("a,y\n", {}, DataError, "below its names, got none"),
        ("a,y\n1,2\n3\n", {}, DataError, "2 cells in every row, got 1 in line 3"),
        ("a,y\n1,2\n,3\n", {}, DataError, "missing values, got one in row 3, column 'a'"),
        ("a,y\n1,2\n2,NA\n", {}, DataError, "missing values, got one in row 3, column 'y'"),
        ("1,2\n?,3\n", {"target": 1}, DataError, "got one in row 2, column '0'"),
        ("a,y\n,2\n", {"missing": "drop"}, DataError, "at least one row without missing values"),
        ("a,y\n1,2\nx,3\n", {}, DataError, "inputs of .* must be numbers, got 'x' in row 3, column 'a'"),
        ("a,y\n1_0,2\n", {}, DataError, "must be numbers, got '1_0' in row 2"),
        ("a,y\ninf,2\n", {}, DataError, "must be finite, got inf in row 0"),
        ("a,a\n1,2\n", {"target": 0}, DataError, "one column of each name, got 'a' twice"),
        ('a,y\n"1,2\n', {}, DataError, "unexpected end of data"),
        ("a,y\n1,x\n", {"target_as": "numbers"}, DataError, "got 'x' in row 2, column 'y'"),
        ("a,y\n1," + "x" * 300 + "\n", {}, DataError, "at most 256 letters, got 300 in column 'y'"),
        ("a,b\n1,2\n", {}, ConfigError, "target must name the column .* its columns are 'a', 'b'"),
        ("a,b\n1,2\n", {"target": "c"}, ConfigError, "target must be one of the columns 'a', 'b', got 'c'"),
        ("a,b\n1,2\n", {"target": 2}, ConfigError, "target must be one of the columns"),
        ("a,b\n1,2\n", {"target": 1.5}, DTypeError, "target must be a column's name or index"),
        ("a,b\n1,2\n", {"target": True}, DTypeError, "target must be a column's name or index"),
        ("a,y\n1,2\n", {"inputs": ["y"]}, ConfigError, "other than the target 'y'"),
        ("a,y\n1,2\n", {"inputs": []}, ConfigError, "at least one column"),
        ("a,y\n1,2\n", {"missing": "mean"}, ConfigError, "unknown way with missing values 'mean'"),
        ("a,y\n1,2\n", {"target_as": "label"}, ConfigError, "did you mean 'labels'"),
        ("a,y\n1,2\n", {"delimiter": ",,"}, DTypeError, "delimiter must be one letter"),
        ("a,y\n1,2\n", {"header": "yes"}, DTypeError, "header must be True or False"),
        (b"\xff\xfe\x00a", {}, DataError, "must be UTF-8 text"),
        ("a,y\n1,2\n", {"labels": "fine"}, ConfigError, "labels must be left out for a source of kind 'csv'"),
    ],
)
def test_bad_csv(tmp_path, content, options, error, words):
    with pytest.raises(error, match=words):
        read(write(tmp_path / "bad.csv", content), **options)


def test_frames_and_parquet(tmp_path):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    frame = pandas.DataFrame({"height": [1, 3, 5], "width": [2.5, 4, 6], "kind": ["oak", "elm", "oak"]})
    frame.to_parquet(tmp_path / "a.parquet")
    table = pyarrow.Table.from_pandas(frame)
    for source in (frame, table, tmp_path / "a.parquet"):
        check_table(read(source, target="kind").train)
    frame.loc[1, "kind"] = None
    with pytest.raises(DataError, match="the table must have no missing values, got one in row 1, column 'kind'"):
        read(frame, target="kind")
    frame.loc[2, "width"] = float("nan")
    parquet.write_table(pyarrow.Table.from_pandas(frame), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", target="kind", missing="drop").train.X.tolist() == [[1, 2.5]]
    with pytest.raises(DataError, match=r"numbers or texts, got .* in column 'when'"):
        read(pandas.DataFrame({"when": pandas.to_datetime(["2020-01-01"]), "y": [1]}))
    buffers = [None, pyarrow.py_buffer(np.array([0, 1, 2], np.int32)), pyarrow.py_buffer(b"\xff\xfe")]
    latin = pyarrow.table({"x": [1.0, 2.0], "kind": pyarrow.Array.from_buffers(pyarrow.utf8(), 2, buffers)})
    parquet.write_table(latin, tmp_path / "latin.parquet")
    for source in (latin, tmp_path / "latin.parquet"):
        with pytest.raises(DataError, match=r"column 'kind' of .* must hold numbers or texts, got: "):
            read(source, target="kind")
    whole = (tmp_path / "a.parquet").read_bytes()
    write(tmp_path / "cut.parquet", whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.parquet must be a readable Parquet file"):
        read(tmp_path / "cut.parquet", target="kind")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pyarrow must be installed: pip install 'chainrule\[parquet\]'"):
        read(write(tmp_path / "a.parquet", b"PAR1"))


# -- objects


def test_objects_of_this_package_and_arrays():
    data = Dataset(X, Y, ("a", "b", "c"), "mine")
    assert read(data).train is data
    source = Source("s", data, scale=2.0)
    assert read(source) is source
    splits = Splits(data, val=Dataset(X, Y))
    assert read(splits).val is splits.val
    for value in ((X, Y), [X, Y], (X.tolist(), Y.tolist()), {"X": X, "y": Y}, {"x": X, "target": Y.astype(np.int8)}):
        same(read(value).train)
    assert read((X, np.array(["b", "a"] * 3))).train.class_names == ("a", "b")
    assert read((X, Y.astype(float)[:, None])).train.y.shape == (6,)
    assert read((X, X[:, :1])).train.y.shape == (6, 1)


def test_common_options():
    data = read((X, Y + 1), input_shape=(1, 2, 2), first_label=1, class_names=("a", "b", "c"), name="mine").train
    np.testing.assert_array_equal(data.X, X.reshape(6, 1, 2, 2))
    assert (data.y.tolist(), data.class_names, data.name) == (Y.tolist(), ("a", "b", "c"), "mine")
    renamed = read(Source("s", Dataset(X, Y), scale=2.0, notes="n"), name="t")
    assert (renamed.name, renamed.scale, renamed.notes) == ("t", 2.0, "n")


def test_bunches():
    iris = load_iris()
    data = read(iris).train
    same(data, iris.data, iris.target)
    assert data.class_names == ("setosa", "versicolor", "virginica")
    same(read(load_iris(as_frame=True)).train, iris.data, iris.target)
    same(read(load_diabetes()).train, load_diabetes().data, load_diabetes().target)
    digits = read(load_digits(), inputs="images", input_shape=(1, 8, 8)).train
    assert digits.X.shape == (1797, 1, 8, 8)
    assert digits.class_names == tuple("0123456789")


class ClassLabel:
    def __init__(self, names):
        self.names = names


class Rows:
    """What is used of a Hugging Face data set."""

    def __init__(self, features, **columns):
        self.column_names, self._columns = list(columns), columns
        self.features = {name: features.get(name) for name in columns}

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def __getitem__(self, column):
        return iter(self._columns[column])


PIXELS = RNG.integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)


def test_a_stand_in_for_hugging_face_data_sets():
    images = [Image.fromarray(pixels) for pixels in PIXELS]
    rows = Rows({"label": ClassLabel(["cat", "dog"])}, img=images, label=[0, 1, 1])
    data = read(rows).train
    np.testing.assert_array_equal(data.X, PIXELS.transpose(0, 3, 1, 2))
    assert (data.y.tolist(), data.class_names) == ([0, 1, 1], ("cat", "dog"))
    parts = read({"train": rows, "validation": rows, "test": rows})
    assert set(parts.parts) == {"train", "val", "test"}
    grey = [image.convert("L") for image in images]
    assert read(Rows({}, image=grey, label=[0, 1, 1])).train.X.shape == (3, 1, 4, 5)
    columns = Rows({}, a=[1.0, 2.0], b=[3, 4], y=[0, 1])
    assert read(columns).train.X.tolist() == [[1, 3], [2, 4]]
    assert read(columns, inputs="b").train.X.tolist() == [[3], [4]]
    assert read(columns, inputs=["b", "a"], target="y").train.X.tolist() == [[3, 1], [4, 2]]
    fine = Rows({"topic": ClassLabel(["x", "y"])}, vector=[[1, 2], [3, 4]], topic=[1, 0])
    assert read(fine).train.class_names == ("x", "y")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Rows({}, a=[1], b=[2]), ConfigError, "target must be one of the columns a, b, got None"),
        (
            lambda: Rows({}, text=["a"], label=[2]),
            DataError,
            "column 'text' must hold images or numbers, got str in row 0",
        ),
        (lambda: Rows({}, x=[[1], [1, 2]], label=[0, 1]), DataError, r"one shape, got \(2,\) in row 1 after \(1,\)"),
        (lambda: Rows({}, x=[[1], None], label=[0, 1]), DataError, "got NoneType in row 1"),
        (lambda: Rows({}, x=[], label=[]), DataError, "at least one row"),
        (lambda: Rows({"label": ClassLabel(["a"])}, x=[[1]], label=[-1]), DataError, "a class in every row, got none"),
        (lambda: {"test": Rows({}, x=[[1]], label=[0])}, DataError, "must include 'train', got only test"),
    ],
)
def test_bad_hugging_face_data_sets(make, error, words):
    with pytest.raises(error, match=words):
        read(make())


def test_real_hugging_face_data_sets():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    columns = {"image": [Image.fromarray(pixels) for pixels in PIXELS], "label": [0, 1, 1]}
    rows = datasets.Dataset.from_dict(columns, features=features)
    np.testing.assert_array_equal(read(rows).train.X, PIXELS.transpose(0, 3, 1, 2))
    assert read(datasets.DatasetDict(train=rows, test=rows)).test.class_names == ("cat", "dog")
    table = datasets.Dataset.from_dict({"a": [1.5, 2.5], "b": [3, 4], "label": [0, 1]})
    assert read(table).train.X.tolist() == [[1.5, 3], [2.5, 4]]


# -- distributions and images


def test_folders_and_archives_are_recognised(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i, pixels in enumerate(PIXELS):
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    with tarfile.open(tmp_path / "pets.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "pets", "pets")
    for place in (tmp_path / "pets", tmp_path / "pets.tar.gz"):
        data = read(place, cache=False).train
        assert (data.X.shape, data.class_names) == ((6, 3, 4, 5), ("cat", "dog"))
    assert read(tmp_path / "pets", channels=1, resize=(2, 2), cache=False).train.X.shape == (6, 1, 2, 2)


def test_real_sources(data_folder):
    same_as = read(data_folder / "mnist")
    assert (same_as.name, len(same_as.train), len(same_as.test), same_as.scale) == ("mnist", 60000, 10000, 255.0)
    for name in ("data.npz", "data.pkl"):
        if (data_folder / "binary20d" / name).is_file():
            assert read(data_folder / "binary20d" / name).train.class_counts().tolist() == [460, 540]


# -- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: read(3), DTypeError, "source must be a path or an object of kind .*, got int 3"),
        (lambda: read(None), DTypeError, "got NoneType"),
        (lambda: read(X), DTypeError, "source must be a path or an object"),
        (lambda: read("mnist"), DataError, r"use load\('mnist'\)"),
        (lambda: read("nowhere.csv"), DataError, "a path that exists or an object, got 'nowhere.csv'"),
        (lambda: read("a" * 5000), DTypeError, "a path that can exist"),
        (lambda: read("a\0b"), DTypeError, "path"),
        (lambda: read("~nobody_of_this_name/x"), DataError, "a path that exists"),
        (lambda: read((X, Y), kind="array"), ConfigError, "unknown kind of source 'array'; did you mean 'arrays'"),
        (lambda: read((X, Y), kind=3), ConfigError, "unknown kind of source 3"),
        (lambda: read((X, Y), kind="csv"), ConfigError, "source must be a path for kind 'csv'"),
        (lambda: read("/", kind="bunch"), ConfigError, "source must be an object for kind 'bunch', got the path"),
        (lambda: read((X, Y), missing="drop"), ConfigError, "missing must be left out for a source of kind 'arrays'"),
        (lambda: read((X, Y), name=3), DTypeError, "name must be a string"),
        (lambda: read((X, Y), input_shape=(3,)), ShapeError, r"input_shape must have 4 elements, got \(3,\)"),
        (lambda: read((X, Y), input_shape=4), DTypeError, "input_shape must be a tuple"),
        (lambda: read((X, Y), first_label=1), DataError, "from first_label = 1 on, got 0 in row 0"),
        (lambda: read((X, Y), first_label="1"), DTypeError, "first_label must be an integer"),
        (lambda: read((X, X), first_label=1), ConfigError, "first_label must be left out"),
        (lambda: read((X, Y), class_names=("a",)), DataError, "labels must be from 0 to 0"),
        (lambda: read((1, 2)), DTypeError, "X of the source must be an array of numbers, got int 1"),
        (lambda: read((X,)), DataError, "must hold .*, got a tuple of 1"),
        (lambda: read(([[1], [2, 3]], [0, 1])), DataError, "rows of one length"),
        (lambda: read((X, Y[:3])), ShapeError, "as many rows as each other, got 6 and 3"),
        (lambda: read({"X": X}), DataError, "must hold y .*say which with target="),
        (lambda: read({"X": X, "y": {1, 2}}), DTypeError, "y of the source must be an array"),
        (lambda: read({}), DataError, "must hold X"),
        (lambda: read({1: X}), DataError, "must hold X"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_unknown_files(tmp_path):
    with pytest.raises(DataError, match=r"which cannot be seen from .*; say which with kind="):
        read(write(tmp_path / "a.bin", b"abc"))
    with pytest.raises(DataError, match="must be a pickle of plain data"):
        read(write(tmp_path / "a.bin", b"abc"), kind="pickle")
    with pytest.raises(DataError, match=r"more than|at most"):
        read(write(tmp_path / "bomb.pkl", gzip.compress(bytes(60 << 20))))
    (tmp_path / "folder.pkl").mkdir()
    with pytest.raises(DataError, match="readable pickle"):
        read(tmp_path / "folder.pkl")


def test_pickles_are_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    for protocol in range(6):
        with pytest.raises(DataError, match="plain data"):
            read(write(tmp_path / "a.pkl", pickle.dumps((X, Evil()), protocol)))
    assert not (tmp_path / "canary").exists()


def test_the_list_of_readers():
    assert len(KINDS) == len(READERS)
    assert all(reader.matches(3) is False for reader in READERS)
