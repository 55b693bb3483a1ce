"""What trials learn from earlier ones: values by TPE, and when to give up. Optuna does both, on a study in memory.

That study holds exactly the trials that the plan says are known, in the plan's order, so that the answer is the same
whichever process asks, and when.

Sources: TPE: Bergstra et al., NeurIPS 2011. Median rule: Golovin et al., "Google Vizier", KDD 2017. Successive
halving: Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.errors import ConfigError
from chainrule.recipes.spaces import Space
from chainrule.search.binding import stored

if TYPE_CHECKING:
    from chainrule.search.plan import Outcome

#: Optuna's warnings about what is done here on purpose.
_EXPECTED = (
    r"Argument ``(heartbeat_interval|constant_liar)`` is an experimental",
    r"optuna\.storages\.\S*fail_stale_trials is experimental",
    r"Heartbeat of storage is supposed to be used with Study\.optimize",
)
STARTUP_TRIALS = 4  # that the median rule waits for
REDUCTION_FACTOR = 3  # of successive halving: one in so many goes on


def import_optuna() -> Any:
    """The module, silent; a `ConfigError` where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise ConfigError("a search needs Optuna, which comes with: pip install 'chainrule[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for message in _EXPECTED:
        warnings.filterwarnings("ignore", message)
    return optuna


def distributions(spaces: Mapping[str, Space]) -> dict[str, Any]:
    """The spaces as Optuna's distributions."""
    make = import_optuna().distributions
    found = {}
    for name, space in spaces.items():
        ends = space.ends()
        if space.name == "choice":
            found[name] = make.CategoricalDistribution([stored(space, v) for v in ends])
        elif space.name == "range":
            found[name] = make.IntDistribution(ends[0], ends[-1], step=getattr(space, "step", 1))
        else:
            found[name] = make.FloatDistribution(ends[0], ends[-1], log=space.name == "log")
    return found


def tpe(
    spaces: Mapping[str, Space],
    known: Sequence[Outcome],
    running: Sequence[Mapping[str, Any]],
    sign: int,
    seed: int,
) -> dict[str, Any]:
    """The values that TPE suggests after the `known` trials, away from those that are `running`."""
    optuna = import_optuna()
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = study_of(spaces, known, sign, sampler=sampler)
    for values in running:
        study.add_trial(_frozen(optuna, spaces, values, optuna.trial.TrialState.RUNNING))
    drawn = study.ask(distributions(spaces)).params
    return {name: _read(space, drawn[name]) for name, space in spaces.items()}


class Pruner:
    """Says after each epoch of a trial whether to give it up, compared with the `known` ones."""

    def __init__(
        self, kind: str, spaces: Mapping[str, Space], values: Mapping[str, Any], known: Sequence[Outcome], sign: int
    ) -> None:
        optuna = import_optuna()
        rules = {
            "none": optuna.pruners.NopPruner,
            "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
            "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(1, REDUCTION_FACTOR),
        }
        study = study_of(spaces, known, sign, pruner=rules[kind]())
        study.enqueue_trial({name: stored(space, values[name]) for name, space in spaces.items()})
        self._study, self._trial = study, study.ask(distributions(spaces))

    def gives_up(self, epoch: int, value: float) -> bool:
        """Whether the trial, whose figure is `value` after `epoch` epochs, should end."""
        self._trial.report(value, epoch)
        return bool(self._trial.should_prune())

    @property
    def rungs(self) -> dict[str, float]:
        """What successive halving noted of the trial, for those that come after it."""
        noted = self._study.get_trials(deepcopy=False)[-1].system_attrs
        return {k: v for k, v in noted.items() if k.startswith("completed_rung")}


def study_of(spaces: Mapping[str, Space], known: Sequence[Outcome], sign: int, **options: Any) -> Any:
    """A study in memory that holds the `known` trials."""
    optuna = import_optuna()
    options.setdefault("sampler", optuna.samplers.RandomSampler(seed=0))
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", **options)
    states = optuna.trial.TrialState
    for outcome in known:
        more: dict[str, Any] = {"intermediate_values": outcome.curve, "system_attrs": outcome.rungs}
        if outcome.status == "finished":
            study.add_trial(_frozen(optuna, spaces, outcome.values, states.COMPLETE, value=outcome.value, **more))
        elif outcome.status == "pruned":
            study.add_trial(_frozen(optuna, spaces, outcome.values, states.PRUNED, **more))
        else:  # without a curve it counts as worse than all
            study.add_trial(_frozen(optuna, spaces, outcome.values, states.PRUNED))
    return study


def _frozen(optuna: Any, spaces: Mapping[str, Space], values: Mapping[str, Any], state: Any, **more: Any) -> Any:
    params = {name: stored(space, values[name]) for name, space in spaces.items()}
    return optuna.trial.create_trial(state=state, params=params, distributions=distributions(spaces), **more)


def _read(space: Space, value: Any) -> Any:
    """The value that Optuna drew, as the space has it."""
    if space.name == "choice":
        return next(v for v in space.grid() if stored(space, v) == value)
    return int(value) if space.name == "range" else space.rounded(value)  # type: ignore[attr-defined]
