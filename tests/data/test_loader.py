"""The loader: the same batches for any number of threads and after a resume, in constant memory, and a clean end."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import LegacyBatches, Loader, NormalizedRows, Normalizer, ReplacementBatches, ShuffledBatches
from chainrule.data.augment import (
    RGB,
    AlternatingFlip,
    ColorJitter,
    CutMix,
    Cutout,
    HorizontalFlip,
    MixUp,
    RandomCrop,
    Rotation,
    Transform,
)
from chainrule.data.augment.augmentation import Augmentation
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError

N = 50
IMAGES = (np.arange(N * 3 * 8 * 8, dtype=np.uint64) * 2654435761 % 2**32 >> 24).astype(np.uint8).reshape(N, 3, 8, 8)
LABELS = np.arange(N) * 7 % 4
SCALE = Normalizer(np.array([120.0, 130.0, 127.5]).reshape(3, 1, 1), np.array([60.0, 70.0, 64.0]).reshape(3, 1, 1))
AUGMENTS = {
    "plain": (),
    "crop and flip": (RandomCrop(2), HorizontalFlip()),
    "alternating": (RandomCrop(2, "reflect"), AlternatingFlip(), Cutout(3)),
    "everything": (RandomCrop(1), ColorJitter(0.4, 0.4, 0.4, 0.1), Rotation(20.0), Cutout(2), MixUp(0.4), CutMix()),
}


def make(augment="crop and flip", seed=3, workers=1, batch_size=8, X=None, **options):
    batches = ShuffledBatches(N, batch_size, seed, drop_last=False)
    X = NormalizedRows(IMAGES, SCALE) if X is None else X
    return Loader(X, LABELS, batches, AUGMENTS[augment], seed=seed, workers=workers, **options)


def digest(batches):
    sums = hashlib.sha256()
    for x, y in batches:
        sums.update(np.ascontiguousarray(x).tobytes())
        sums.update(np.ascontiguousarray(y).tobytes())
    return sums.hexdigest()


def streamed(loader, first, last):
    with loader.stream(first, last) as stream:
        return digest(stream)


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("chainrule-loader")]


#: Of the first two epochs. They must not differ between machines, numbers of threads, and versions of this package.
GOLDEN = {
    "plain": "333e8cb1a5a35e5719abf09328c78eabcc5ecf9fc247de76a0f000673309fdf5",
    "crop and flip": "16d0ccc93b6e22de0112a5fcd70c46c869770e27a05d271b449720c2280dc973",
    "alternating": "efcab39c698be4d86cbb30b508f5f7ba164d1e791220b351bc22426c482c23cf",
    "everything": "9457b5a8e6290832f6ffb3c9afc16a58ae701751821c26d5f876f343dc8cec4a",
}


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
@pytest.mark.parametrize("augment", AUGMENTS)
def test_batches_are_the_recorded_ones(augment, workers):
    loader = make(augment, workers=workers, ahead=1 + 3 * workers)
    assert streamed(loader, 0, 14) == GOLDEN[augment]


@given(
    first=st.integers(0, 30),
    count=st.integers(0, 12),
    workers=st.integers(0, 3),
    ahead=st.integers(1, 6),
    augment=st.sampled_from(list(AUGMENTS)),
)
def test_a_stream_from_any_step_is_the_rest_of_the_unbroken_one(first, count, workers, ahead, augment):
    """What a resumed run sees: mid-epoch, and with other threads than before."""
    loader = make(augment, workers=workers, ahead=ahead)
    fresh = make(augment)
    with loader.stream(first, first + count) as stream:
        got = list(stream)
    assert len(got) == count
    for step, (x, y) in enumerate(got, start=first):
        expected_x, expected_y = fresh.batch(step)
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y, expected_y)


def test_an_epoch_holds_every_row_once_and_a_last_batch_of_what_is_left():
    X = np.arange(float(N)).reshape(N, 1)
    loader = Loader(X, np.arange(N), ShuffledBatches(N, 8, 0, drop_last=False))
    with loader.stream(0, 7) as stream:
        batches = list(stream)
    assert [len(x) for x, _ in batches] == [8] * 6 + [2]
    assert sorted(np.concatenate([y for _, y in batches])) == list(range(N))
    for x, y in batches:
        np.testing.assert_array_equal(x[:, 0], y)
    assert Loader(X, np.arange(N), ShuffledBatches(N, 8, 0, drop_last=True)).batches.steps_per_epoch == 6


def test_a_batch_is_what_its_definition_says():
    """Gather, transform, normalise, by hand."""
    loader = make("crop and flip", seed=9)
    for step in (0, 6, 7, 23):
        rows = ShuffledBatches(N, 8, 9, drop_last=False).indices(step)
        words = Augmentation(AUGMENTS["crop and flip"], 9).words(rows, step // 7)
        x = IMAGES[rows]
        for transform, drawn in zip(AUGMENTS["crop and flip"], words, strict=True):
            x = transform(x, drawn)
        got, y = loader.batch(step)
        assert got.tobytes() == SCALE.apply(x).tobytes()
        np.testing.assert_array_equal(y, LABELS[rows])


def test_mixed_labels_are_probabilities_of_all_classes():
    x, t = make("everything", classes=6).batch(0)
    assert x.dtype == t.dtype == np.float32
    assert t.shape == (8, 6)
    np.testing.assert_allclose(t.sum(axis=1), 1, atol=1e-6)
    assert make("everything").batch(0)[1].shape == (8, 4)
    targets = np.linspace(0, 1, N)
    loader = Loader(IMAGES / 255, targets, ShuffledBatches(N, 8, 0), [MixUp()])
    assert loader.batch(0)[1].shape == (8,)


def test_the_same_row_twice_in_a_batch():
    batches = ReplacementBatches(3, 40, 0)
    x, _ = Loader(IMAGES[:3], LABELS[:3], batches, [RandomCrop(2)]).batch(0)
    assert len({image.tobytes() for image in x}) == len(set(batches.indices(0).tolist()))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_without_a_normaliser_rows_keep_their_dtype(dtype):
    X = IMAGES.astype(dtype)[:, :, ::-1]  # not contiguous
    loader = Loader(X, LABELS, ShuffledBatches(N, 8, 0), workers=2)
    x, _ = loader.batch(0)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x, X[ShuffledBatches(N, 8, 0).indices(0)])


def test_kept_batches_are_not_written_over():
    loader = make()
    with loader.stream(0, 30) as stream:
        kept = [(x, x.copy()) for x, _ in stream]
    for x, copy in kept:
        np.testing.assert_array_equal(x, copy)


def test_batches_that_are_not_kept_share_their_memory():
    places = set()
    with make(ahead=2).stream(0, 100) as stream:
        for x, _ in stream:
            places.add(x.__array_interface__["data"][0])
    assert len(places) <= 6  # the one in use, those that wait, and the one being made


def test_a_memory_map_is_never_read_as_a_whole(tmp_path):
    """Two gigabytes, most of which the file system need not even store; a few megabytes are ever allocated."""
    n = 2**31 // 3072
    X = np.memmap(tmp_path / "set", np.uint8, "w+", shape=(n, 3, 32, 32))
    marks = ReplacementBatches(n, 64, 0).indices(0)
    X[marks, 0, 0, 0] = marks % 251
    rows = NormalizedRows(X, Normalizer(np.zeros(()), np.ones(())))
    tracemalloc.start()
    loader = Loader(rows, np.zeros(n, np.int8), ReplacementBatches(n, 64, 0), [HorizontalFlip(0.0)])
    with loader.stream(0, 20) as stream:
        first, _ = next(stream)
        np.testing.assert_array_equal(first[:, 0, 0, 0], marks % 251)
        for _ in stream:
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


# -- threads, and how they end ---------------------------------------------------------------------------------------


def test_batches_are_ready_before_they_are_asked_for():
    made = []

    class Recording(Loader):
        def make(self, rows, step):
            batch = super().make(rows, step)
            made.append(step)
            return batch

    loader = Recording(IMAGES, LABELS, ShuffledBatches(N, 8, 0), workers=1, ahead=3)
    with loader.stream(0, 10) as stream:
        next(stream)
        deadline = time.monotonic() + 300
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert made == [0, 1, 2, 3]  # the one taken and three that wait, no more


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_end_with_the_block(workers):
    with make(workers=workers).stream(0, 1000) as stream:
        next(stream)
        assert threads()
    assert not threads()
    with pytest.raises(StopIteration):
        next(stream)


def test_threads_end_with_an_exception():
    def interrupted():
        with make().stream(0, 1000) as stream:
            next(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not threads()


def test_threads_end_when_a_stream_is_forgotten():
    stream = make().stream(0, 1000)
    next(stream)
    del stream
    deadline = time.monotonic() + 300
    while threads() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not threads()


class Fails(Transform):
    """Fails in some epoch, as a bad disk would."""

    words = 1

    def __init__(self, error):
        self.error = error

    def apply(self, x, words, epoch):
        if epoch == 1:
            raise self.error
        return x


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (OSError("input/output error"), DataError, "batch of step 7 failed: OSError: input/output error"),
        (MemoryError(), DataError, "batch of step 7 failed: MemoryError"),
        (ShapeError("odd"), ShapeError, "odd"),
    ],
)
def test_errors_of_the_worker_reach_the_caller_in_their_turn(workers, error, raised, text):
    loader = Loader(IMAGES, LABELS, ShuffledBatches(N, 8, 0, drop_last=False), [Fails(error)], workers=workers)
    with loader.stream(0, 14) as stream:
        for _ in range(7):  # every batch before the bad one comes
            next(stream)
        with pytest.raises(raised, match=re.escape(text)):
            next(stream)
        assert not threads()


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_rows_of_a_users_stream_are_named_in_their_turn(workers):
    class Own:
        steps_per_epoch = 5

        def indices(self, step):
            return np.array([step * 20])

    loader = Loader(IMAGES, LABELS, Own(), workers=workers)
    with loader.stream(0, 5) as stream:
        assert len([next(stream) for _ in range(3)]) == 3
        with pytest.raises(ConfigError, match="Loader: batches must give rows 0 to 49, got row 60"):
            next(stream)


def test_streams_with_a_state_are_asked_in_order():
    rng = np.random.RandomState(4)
    loader = Loader(IMAGES, LABELS, LegacyBatches(N, 6, np.random.RandomState(4)), workers=3)
    with loader.stream(0, 9) as stream:
        for _, y in stream:
            np.testing.assert_array_equal(y, LABELS[rng.choice(N, 6)])


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_the_process_at_once():
    program = """
        import sys, time
        import numpy as np
        from chainrule.data import Loader, ShuffledBatches
        from chainrule.data.augment import RandomCrop, Rotation
        X = np.zeros((2000, 3, 32, 32), np.uint8)
        loader = Loader(X, np.zeros(2000), ShuffledBatches(2000, 500, 0), [RandomCrop(4), Rotation(20.0)], workers=2)
        try:
            with loader.stream(0, 10**9) as stream:
                for i, _ in enumerate(stream):
                    if i == 1:
                        print("running", flush=True)
        except KeyboardInterrupt:
            import threading
            print("left", [t.name for t in threading.enumerate()])
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "running"
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert out.strip() == "left ['MainThread']"
    assert (process.returncode, err) == (0, "")


BATCHES = ShuffledBatches(N, 8, 0)
FLOATS = IMAGES / 255


class Crops(Transform):
    words = 1

    def apply(self, x, words, epoch):
        return x[:, :, 1:]


BAD = [
    (lambda: Loader([[1.0]], LABELS, BATCHES), DTypeError, "Loader: X must be an array or NormalizedRows, got list"),
    (lambda: Loader(IMAGES, LABELS.tolist(), BATCHES), DTypeError, "Loader: y must be an array, got list"),
    (lambda: Loader(IMAGES, LABELS[1:], BATCHES), ShapeError, "equally many rows (>= 1), got (50, 3, 8, 8) and (49,)"),
    (lambda: Loader(np.array(1.0), LABELS, BATCHES), ShapeError, "equally many rows"),
    (lambda: Loader(IMAGES, LABELS, "shuffled"), DTypeError, "Loader: batches must be a stream of batches, got str"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, workers=-1), ConfigError, "workers must be an integer >= 0, got -1"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, workers=1.0), DTypeError, "workers must be an integer, got float"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, ahead=0), ConfigError, "ahead must be an integer >= 1"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, seed=-1), ConfigError, "seed must be an integer >= 0"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, "crop"), DTypeError, "augment must be a list of transforms"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, [RGB()]), ConfigError, "RGB draws nothing"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, [Crops()]), ConfigError, "keep the shape of images, (3, 8, 8), got (3, 7"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, [RandomCrop(9)]), ConfigError, "padding must be less than the image"),
    (lambda: Loader(IMAGES, LABELS, BATCHES, [MixUp()]), DTypeError, "mixup: x must be an array of floats"),
    (lambda: Loader(IMAGES[:, 0, 0], LABELS, BATCHES, [RandomCrop(1)]), ShapeError, "axes (N, C, H, W)"),
    (lambda: Loader(IMAGES.astype(int), LABELS, BATCHES, [RandomCrop(1)]), DTypeError, "array of uint8 or floats"),
    (lambda: Loader(FLOATS, LABELS - 1, BATCHES, [MixUp()]), DataError, "y must hold labels (N,) from 0, or floats"),
    (lambda: Loader(FLOATS, LABELS, BATCHES, [MixUp()], classes=3), DataError, "labels from 0 to 2, got 3"),
    (lambda: Loader(FLOATS, LABELS, BATCHES, [MixUp()], classes=1), ConfigError, "classes must be an integer >= 2"),
    (lambda: make().stream(-1, 3), ConfigError, "first must be an integer >= 0, got -1"),
    (lambda: make().stream(0, 3.0), DTypeError, "last must be an integer"),
    (lambda: make().batch(-1), ConfigError, "step must be an integer >= 0"),
]


@pytest.mark.parametrize(("make_bad", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make_bad, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make_bad()
