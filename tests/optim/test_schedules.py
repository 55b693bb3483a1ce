"""Every schedule: closed-form values, the two ends, and that it is a pure function of where training stands."""

from __future__ import annotations

import dataclasses
import math

import pytest

from chainrule.errors import ConfigError, DTypeError
from chainrule.optim import SCHEDULES, Schedule, When
from chainrule.optim.schedules import Cosine, CyclicCosine, EpochDecay, OneCycle, ReduceOnPlateau, StepDecay, WarmUp

#: One of each with numbers other than the defaults; the tests below must not miss a schedule.
EXAMPLES: list[Schedule] = [
    EpochDecay(0.9),
    StepDecay(2, 0.5),
    Cosine(0.1),
    CyclicCosine(3, 0.1),
    WarmUp(4, Cosine(0.2)),
    WarmUp(3),
    OneCycle(0.25, 0.1, 0.01),
    ReduceOnPlateau(0.5, 2, 0.01),
]


def at(step: int, total: int = 100, per_epoch: int = 10, metrics: tuple[float, ...] = ()) -> When:
    return When(step, per_epoch, total, metrics)


def test_every_schedule_is_tested() -> None:
    assert {type(s) for s in EXAMPLES} == set(SCHEDULES)
    assert len({s.key for s in SCHEDULES}) == len(SCHEDULES)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_pure_finite_and_never_negative(schedule: Schedule) -> None:
    moments = [at(s, metrics=tuple(0.1 * (i % 3) for i in range(s // 10))) for s in range(101)]
    once = [schedule(m) for m in moments]
    again = [schedule(m) for m in reversed(moments)][::-1]
    assert once == again
    assert all(math.isfinite(f) and 0 <= f <= 1 for f in once)
    assert all(type(f) in (float, int) for f in once)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_one_step_in_all_and_steps_beyond_the_end(schedule: Schedule) -> None:
    for moment in (at(0, total=1, per_epoch=1), at(0, total=0), at(150, total=100)):
        assert 0 <= schedule(moment) <= 1


def test_a_run_of_one_step_starts_and_ends() -> None:
    for schedule in (Cosine(0.1), OneCycle(0.25, 0.2, 0.1)):
        assert schedule(at(1, total=1, per_epoch=1)) == pytest.approx(0.1)
        assert schedule(at(0, total=1, per_epoch=1)) == pytest.approx(1.0 if schedule == Cosine(0.1) else 0.2)


def test_epoch_counts_completed_epochs() -> None:
    assert [at(s).epoch for s in (0, 9, 10, 19, 20)] == [0, 0, 1, 1, 2]


def test_epoch_decay() -> None:
    assert [EpochDecay(0.5)(at(s)) for s in (0, 9, 10, 25, 30)] == [1, 1, 0.5, 0.25, 0.125]
    assert EpochDecay(1.0)(at(99)) == 1.0
    assert [EpochDecay(0.0)(at(s)) for s in (0, 9, 10)] == [1, 1, 0]


def test_step_decay() -> None:
    assert [StepDecay(2, 0.5)(at(s)) for s in (0, 19, 20, 39, 40)] == [1, 1, 0.5, 0.5, 0.25]
    assert StepDecay(1)(at(30)) == pytest.approx(1e-3)


def test_cosine() -> None:
    assert Cosine()(at(0)) == 1.0
    assert Cosine()(at(50)) == pytest.approx(0.5, abs=1e-15)
    assert Cosine()(at(100)) == 0.0
    assert Cosine(0.2)(at(25)) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2, rel=1e-14)
    assert Cosine(0.2)(at(1000)) == pytest.approx(0.2)  # beyond the end it stays


def test_cyclic_cosine() -> None:
    schedule = CyclicCosine(4, 0.2)
    cycle = [0.2 + 0.8 * (1 + math.cos(math.pi * s / 25)) / 2 for s in range(25)]
    assert [schedule(at(s)) for s in range(100)] == pytest.approx(cycle * 4, rel=1e-14)
    assert CyclicCosine(1, 0.1)(at(30)) == Cosine(0.1)(at(30))


def test_cyclic_cosine_rounds_its_length_up() -> None:
    # equation 2 of the paper: mod(t − 1, ⌈T/M⌉) with t from 1
    schedule = CyclicCosine(3)
    assert [schedule.length(total) for total in (0, 1, 3, 10, 12)] == [1, 1, 1, 4, 4]
    expected = [(1 + math.cos(math.pi * ((t - 1) % 4) / 4)) / 2 for t in range(1, 11)]
    assert [schedule(at(s, total=10)) for s in range(10)] == pytest.approx(expected, rel=1e-14)


def test_warm_up_then_constant() -> None:
    assert [WarmUp(4)(at(s)) for s in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_warm_up_then_cosine_over_the_steps_that_remain() -> None:
    schedule = WarmUp(20, Cosine(0.1))
    assert schedule(at(19)) == schedule(at(20)) == 1.0
    assert schedule(at(60)) == pytest.approx(0.55)  # half of the remaining 80 steps
    assert schedule(at(100)) == pytest.approx(0.1)
    for s in (21, 47, 99):
        assert schedule(at(s)) == Cosine(0.1)(at(s - 20, total=80))


def test_warm_up_longer_than_the_run() -> None:
    schedule = WarmUp(200, Cosine())
    assert schedule(at(99)) == 0.5
    assert schedule(at(200)) == 1.0


def test_warm_up_of_plateau_sees_the_metrics() -> None:
    schedule = WarmUp(2, ReduceOnPlateau(0.5, 1, 0.0))
    assert schedule(at(50, metrics=(0.5, 0.4))) == 0.5
    assert schedule(at(0, metrics=(0.5, 0.4))) == 0.5  # the warm-up itself: 1/2


def test_one_cycle() -> None:
    schedule = OneCycle(rise=0.25, start=0.1, final=0.01)
    assert schedule(at(0)) == pytest.approx(0.1)
    assert schedule(at(25)) == 1.0
    assert schedule(at(100)) == pytest.approx(0.01)
    assert schedule(at(10)) == pytest.approx(1 + (0.1 - 1) * (1 + math.cos(math.pi * 0.4)) / 2, rel=1e-14)
    assert schedule(at(75)) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi * 2 / 3)) / 2, rel=1e-14)
    rising, falling = [schedule(at(s)) for s in range(26)], [schedule(at(s)) for s in range(25, 101)]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize(
    ("metrics", "factor"),
    [
        ((), 1.0),
        ((0.5,), 1.0),
        ((0.5, 0.5), 1.0),
        ((0.5, 0.5, 0.5), 0.5),  # two epochs without a better one
        ((0.5, 0.4, 0.6, 0.5), 1.0),  # the better one in between starts the count anew
        ((0.5, 0.4, 0.6, 0.5, 0.6), 0.5),
        ((0.5, 0.4, 0.4, 0.4, 0.4), 0.25),
        ((0.5, 0.4, 0.4, 0.4, 0.6, 0.5), 0.5),
        ((0.5, 0.51, 0.51), 0.5),  # better by the threshold only is not better
        ((0.5, 0.5101, 0.5), 1.0),
        ((-3.0, -2.0, -1.0), 1.0),  # R² may be negative
        ((math.nan,), 1.0),
        ((math.nan, math.nan), 0.5),  # a score that is not a number is no better
    ],
)
def test_plateau_replays_the_history(metrics: tuple[float, ...], factor: float) -> None:
    schedule = ReduceOnPlateau(gamma=0.5, patience=2, threshold=0.01)
    assert schedule(at(0, metrics=metrics)) == factor
    assert schedule(at(99, metrics=list(metrics))) == factor  # type: ignore[arg-type]


def test_defaults() -> None:
    assert StepDecay(3) == StepDecay(3, 0.1)
    assert Cosine() == Cosine(0.0)
    assert CyclicCosine(2) == CyclicCosine(2, 0.0)
    assert WarmUp(3) == WarmUp(3, None)
    assert OneCycle() == OneCycle(0.3, 0.04, 1e-4)
    assert ReduceOnPlateau() == ReduceOnPlateau(0.1, 5, 1e-4)


BAD = {
    EpochDecay: {"decay": (-0.1, math.nan)},
    StepDecay: {"every": (0, -1), "gamma": (-0.1, math.inf)},
    Cosine: {"final": (-0.1, 1.1)},
    CyclicCosine: {"cycles": (0, -1), "final": (-0.1, 1.1)},
    WarmUp: {"steps": (0, -3)},
    OneCycle: {"rise": (0.0, 1.0), "start": (-0.1, 1.1), "final": (-0.1, 1.1)},
    ReduceOnPlateau: {"gamma": (-0.1, 1.0), "patience": (0,), "threshold": (-1e-9, math.nan)},
}


@pytest.mark.parametrize("cls", SCHEDULES)
def test_hyperparameters_are_checked(cls: type[Schedule]) -> None:
    good = {f.name: getattr(next(e for e in EXAMPLES if type(e) is cls), f.name) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, values in BAD[cls].items():
        for value in values:
            with pytest.raises(ConfigError, match=f"{cls.key}: {name} must be an? .*, got {value!r}"):
                cls(**{**good, name: value})
        with pytest.raises(DTypeError, match=f"{cls.key}: {name} must be an? .*, got str 'x'"):
            cls(**{**good, name: "x"})
        if name in ("every", "steps", "patience", "cycles"):
            with pytest.raises(DTypeError, match=f"{cls.key}: {name} must be an integer, got float 1.5"):
                cls(**{**good, name: 1.5})


def test_warm_up_takes_schedules_only() -> None:
    with pytest.raises(DTypeError, match="warm_up: then must be a schedule, got str 'cosine'"):
        WarmUp(3, "cosine")  # type: ignore[arg-type]


def test_a_schedule_without_a_formula_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Schedule()(at(0))
