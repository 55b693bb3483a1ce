"""Parts of memory-mapped sets: where their rows lie."""

import gc
import os
import re

import numpy as np
import pytest

from chainrule.data import Dataset, Normalizer, k_fold, mapped, ordered_split, random_split, stratified_split
from chainrule.data.mapped import is_mapped, stays_on_disk, take_rows
from chainrule.data.splits import Splits
from chainrule.errors import DataError
from chainrule.recipes.experiment import normalized

N, SHAPE = 301, (3, 5, 7)
X = np.random.default_rng(0).integers(0, 256, (N, *SHAPE), dtype=np.uint8)
Y = np.arange(N) % 3


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A set in a file, of which nothing more is to be copied into memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mapped, "IN_MEMORY", 100)
    X.tofile(tmp_path / "x")
    return Dataset(np.memmap(tmp_path / "x", np.uint8, "r", shape=X.shape), Y)


def test_what_is_mapped(dataset, tmp_path):
    assert is_mapped(dataset.X)
    assert is_mapped(dataset.X[3:].transpose(0, 2, 1, 3))
    assert not is_mapped(X)
    assert not is_mapped(X[2:][::2])
    assert not is_mapped(np.frombuffer(bytes(8), np.uint8))
    assert not is_mapped(np.frombuffer(memoryview(bytearray(8)), np.uint8))
    assert stays_on_disk(dataset.X)
    assert not stays_on_disk(dataset.X[:0])
    assert not stays_on_disk(X)


@pytest.mark.parametrize(
    "split",
    [
        lambda data: random_split(data, val=0.2, test=31, seed=1),
        lambda data: stratified_split(data, val=0.2, test=31, seed=1),
        lambda data: ordered_split(data, val=0.2, test=31),
        lambda data: list(k_fold(data, 3, seed=2))[1],
    ],
    ids=["random", "stratified", "ordered", "k_fold"],
)
def test_parts_of_a_map_are_maps_with_the_rows_of_a_copy(dataset, split):
    ours, copied = split(dataset).as_dict(), split(Dataset(X, Y)).as_dict()
    assert ours.keys() == copied.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, copied[name])
        assert is_mapped(array) == name.startswith("X")
        assert not array.flags.writeable or name.startswith("y")


def test_neighbouring_rows_are_a_view(dataset):
    assert np.shares_memory(dataset.take(np.arange(7, 90)).X, dataset.X)
    assert np.shares_memory(dataset.take([300]).X, dataset.X)
    assert not np.shares_memory(dataset.take(np.arange(90, 7, -1)).X, dataset.X)
    assert not np.shares_memory(dataset.take([4, 5, 5, 7]).X, dataset.X)
    np.testing.assert_array_equal(dataset.take(np.array([4, 5, 5, 7], np.uint8)).X, X[[4, 5, 5, 7]])
    np.testing.assert_array_equal(dataset.take(np.array([4, 3], np.uint8)).X, X[[4, 3]])


def test_a_map_that_can_be_written_is_not_shared(dataset, tmp_path):
    file = np.memmap(tmp_path / "x", np.uint8, "r+", shape=X.shape)
    part = take_rows(file, np.arange(10))
    file[:] = 0
    np.testing.assert_array_equal(part, X[:10])


def test_few_rows_come_into_memory(dataset, monkeypatch):
    monkeypatch.setattr(mapped, "IN_MEMORY", 3 * 105)
    assert not is_mapped(take_rows(dataset.X, np.array([9, 0, 4])))
    assert is_mapped(take_rows(dataset.X, np.array([9, 0, 4, 4])))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_other_dtypes_and_several_blocks(tmp_path, dataset, dtype, monkeypatch):
    monkeypatch.setattr("chainrule.data.mapped.row_blocks", lambda X: [slice(0, 100), slice(100, len(X))])
    numbers = (X.astype(np.float64) * 3 - 70).astype(dtype)
    numbers.tofile(tmp_path / "numbers")
    order = np.random.default_rng(3).permutation(N)
    part = take_rows(np.memmap(tmp_path / "numbers", dtype, "r", shape=X.shape), order)
    assert part.dtype == dtype
    np.testing.assert_array_equal(part, numbers[order])


def test_the_file_has_no_name_and_ends_with_the_array(dataset, tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    part = dataset.take(np.arange(N)[::-1])
    kept = part.X[3:]
    assert list((tmp_path / "cache" / "chainrule").iterdir()) == []
    del part
    gc.collect()
    np.testing.assert_array_equal(kept, X[::-1][3:])
    del kept
    gc.collect()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_without_a_cache_folder_the_systems_own_is_used(dataset, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    np.testing.assert_array_equal(dataset.take(np.arange(N)[::-1]).X, X[::-1])


def test_a_full_disk_is_an_error(dataset, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full, which is always full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(DataError, match=r"31,605 bytes .* cannot be written .*: No space left.*XDG_CACHE_HOME"):
        dataset.take(np.arange(N)[::-1])


def test_training_leaves_a_large_map_where_it_is(dataset):
    splits = Splits(dataset, dataset.take([1, 0]))
    data = normalized(splits, Normalizer.fit("unit", dataset.X, 255.0), "float32")
    assert not isinstance(data["X_train"], np.ndarray)
    np.testing.assert_array_equal(data["X_train"][:4], (X[:4] / 255).astype(np.float32))


def test_source_is_shown_in_a_line(dataset):
    from chainrule.data import Skipped, Source

    names = {"train": tuple(f"{i}.png" for i in range(N))}
    source = Source("set", dataset, dataset.take([0]), skipped=(Skipped("a", "b"),), row_names=names)
    shown = repr(source)
    assert re.fullmatch(
        r"Source\('set', train \(301, 3, 5, 7\) uint8, test \(1, 3, 5, 7\) uint8, 1 file skipped\)", shown
    )
