"""The ledger of a study: who tries what, and what came of it. Every trial ends exactly once.

An attempt is a row of the study: begun by one process, alive while that process gives signs of life, and ended
either with an outcome or without one. A trial is free while it has no living attempt and no outcome, so what a killed
process was at is tried again by whoever comes next. Rows change their state under the study's lock only, and a row
that was given up for dead takes no outcome any more.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chainrule.errors import ConfigError
from chainrule.recipes import Recipe, parse_recipe, to_toml
from chainrule.search.binding import stored
from chainrule.search.learning import distributions, import_optuna
from chainrule.search.plan import Outcome, Place, Plan
from chainrule.search.storage import Storage

MAX_ATTEMPTS = 5  # that may be killed before a trial counts as lost: it may be what kills them
LEASE_SECONDS = 60


@dataclass(frozen=True)
class Attempt:
    """One row of the study. status: that of an outcome, or running, or killed or interrupted, which are no outcomes."""

    place: Place
    row: int  # its number in the study
    status: str
    values: dict[str, Any]
    value: float | None
    curve: dict[int, float]
    notes: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A trial that this process has begun."""

    place: Place
    values: dict[str, Any]
    known: list[Outcome]  # what a pruner compares it with
    row: Any  # Optuna's trial
    row_id: int


class Ledger:
    """The study `name` in a storage; `recipe` is what it searches, None for whatever it was begun with.

    Raises `ConfigError` where the study holds another search, or does not exist and no recipe is given.
    """

    def __init__(self, url: str, name: str, recipe: Recipe | None = None, lease: int = LEASE_SECONDS) -> None:
        self._optuna = import_optuna()
        self.name, self.lease = name, lease
        self.storage = Storage(url, lease)
        with self.storage.errors():
            with self._lock():
                self._study = self._open(recipe)
            declaration = self._study.user_attrs["recipe"]
            self._id = self.storage.optuna.get_study_id_from_name(name)
        self.plan = Plan(parse_recipe(declaration, f"study {name}"))
        self._distributions = distributions(self.plan.spaces)

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return self.storage.lock(f"study {self.name}")

    def _open(self, recipe: Recipe | None) -> Any:
        sampler = self._optuna.samplers.RandomSampler(seed=0)  # draws nothing: the plan has all values
        names = self._optuna.get_all_study_names(self.storage.optuna)
        if recipe is None and self.name not in names:
            raise ConfigError(f"storage {self.storage.title}: there is no study {self.name!r}")
        study = self._optuna.create_study(
            study_name=self.name,
            storage=self.storage.optuna,
            sampler=sampler,
            direction="maximize" if recipe is None or Plan(recipe).sign > 0 else "minimize",
            load_if_exists=True,
        )
        if recipe is not None:
            kept, wanted = study.user_attrs.get("recipe"), to_toml(recipe)
            if kept is None:
                study.set_user_attr("recipe", wanted)
            elif kept != wanted:
                changed = sorted(set(kept.splitlines()) ^ set(wanted.splitlines()))
                raise ConfigError(
                    f"study {self.name!r} in {self.storage.title} holds another search (they differ in "
                    f"{'; '.join(line.strip() for line in changed[:3])}); choose another --out, or --study"
                )
        return study

    def attempts(self) -> list[Attempt]:
        """All rows that belong to a trial, in the order of their making."""
        with self.storage.errors():
            rows = self._study.get_trials(deepcopy=False)
        return [self._attempt(row) for row in rows if "place" in row.user_attrs]

    def claim(self, worker: str) -> Claim | Literal["wait", "done"]:
        """Begin the next trial; "wait" while it depends on others that run, "done" where there is none left."""
        with self.storage.errors(), self._lock():
            self._bury()
            attempts = self.attempts()
            if not any(row.state.name == "WAITING" for row in self._study.get_trials(deepcopy=False)):
                place = next_place(self.plan, attempts)
                if not isinstance(place, Place):
                    return place
                begun = {a.place: a.values for a in attempts}
                values = begun.get(place)
                if values is None:
                    values = self.plan.values(place, outcomes(attempts), begun)
                # From here on a kill leaves a row that waits, which is what the next one to come begins with.
                self._study.add_trial(
                    self._optuna.trial.create_trial(
                        state=self._optuna.trial.TrialState.WAITING,
                        params={n: stored(s, values[n]) for n, s in self.plan.spaces.items()},
                        distributions=self._distributions,
                        user_attrs={"place": list(place), "values": values},
                    )
                )
            row = self._study.ask(self._distributions)
            row_id = self.storage.optuna.get_trial_id_from_study_id_trial_number(self._id, row.number)
            self.storage.optuna.record_heartbeat(row_id)
            row.set_user_attr(
                "worker", {"name": worker, "process": this_process()}
            )  # without this, the process died above and the row is dead
            place, known = Place(*row.user_attrs["place"]), outcomes(attempts)
            earlier = [known[p] for p in self.plan.learns_from(place)]
            return Claim(place, row.user_attrs["values"], earlier, row, row_id)

    def _bury(self) -> None:
        """End the rows of processes that are dead: without a sign of life, known to be, or killed while they began."""
        self._optuna.storages.fail_stale_trials(self._study)
        for row in self._study.get_trials(deepcopy=False):
            worker = row.user_attrs.get("worker")
            if row.state.name == "RUNNING" and (worker is None or is_dead(worker["process"])):
                self._study.tell(row.number, state=self._optuna.trial.TrialState.FAIL)

    @contextlib.contextmanager
    def alive(self, claim: Claim) -> Iterator[None]:
        """Give signs of life for the trial while the block runs."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(max(self.lease / 4, 0.25)):
                with contextlib.suppress(Exception):  # the next one may come through; if none does, the lease ends
                    self.storage.optuna.record_heartbeat(claim.row_id)
            self.storage.optuna.remove_session()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def report(self, claim: Claim, epoch: int, value: float) -> bool:
        """Note the figure after an epoch; False where the trial was taken away and need not go on."""
        try:
            with self.storage.errors():
                claim.row.report(value, epoch)
        except self._optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    def settle(self, claim: Claim, status: str, value: float | None, notes: dict[str, Any]) -> bool:
        """End the trial with its outcome; False, and nothing is written, where it was taken away meanwhile."""
        states = self._optuna.trial.TrialState
        with self.storage.errors(), self._lock():
            if not self._runs(claim):
                return False
            claim.row.set_user_attr("outcome", {**notes, "value": value, "status": status})
            if status == "finished":
                self._study.tell(claim.row.number, value)
            else:
                self._study.tell(claim.row.number, state=states.PRUNED)
        return True

    def hand_back(self, claim: Claim) -> None:
        """End the attempt without an outcome, because its process is asked to stop."""
        with self.storage.errors(), self._lock():
            if self._runs(claim):
                claim.row.set_user_attr("outcome", {"status": "interrupted"})
                self._study.tell(claim.row.number, state=self._optuna.trial.TrialState.FAIL)

    def _runs(self, claim: Claim) -> bool:
        return bool(self.storage.optuna.get_trial(claim.row_id).state.name == "RUNNING")

    def release(self, worker: str) -> None:
        """End what the process `worker` was at, which is known to be dead: nobody needs to wait for its lease."""
        with self.storage.errors(), self._lock():
            for row in self._study.get_trials(deepcopy=False):
                if (
                    row.state.name == "RUNNING"
                    and "worker" in row.user_attrs
                    and row.user_attrs["worker"]["name"] == worker
                ):
                    self._study.tell(row.number, state=self._optuna.trial.TrialState.FAIL)

    def _attempt(self, row: Any) -> Attempt:
        place, values = Place(*row.user_attrs["place"]), row.user_attrs["values"]
        # An outcome in a row that was not ended is that of a process killed between the two: it does not count.
        notes = dict(row.user_attrs.get("outcome", {"status": "killed"})) if row.state.is_finished() else {}
        status, value = notes.pop("status", "running"), notes.pop("value", None)
        if row.state.name == "FAIL" and status != "interrupted":
            status, value = "killed", None
        return Attempt(place, row.number, status, values, value, row.intermediate_values, notes)


def outcomes(attempts: Sequence[Attempt]) -> dict[Place, Outcome]:
    """What is known of the trials that have ended."""
    found: dict[Place, Outcome] = {}
    killed: dict[Place, int] = {}
    for a in attempts:
        if a.status not in ("running", "killed", "interrupted"):
            found.setdefault(a.place, Outcome(a.status, a.values, a.value, a.curve, a.notes.get("rungs", {})))
        killed[a.place] = killed.get(a.place, 0) + (a.status == "killed")
    for a in attempts:
        if killed[a.place] >= MAX_ATTEMPTS:
            found.setdefault(a.place, Outcome("lost", a.values))
    return dict(sorted(found.items()))


def next_place(plan: Plan, attempts: Sequence[Attempt]) -> Place | Literal["wait", "done"]:
    """The first trial that is free; "wait" while it depends on others, or all that remain are running."""
    known = outcomes(attempts)
    running = {a.place for a in attempts if a.status == "running"}
    for place in plan.places:
        if place not in known and place not in running:
            if not plan.may_begin(place, known):
                return "wait"
            return "done" if plan.is_confirmation(place) and plan.best(known) is None else place
    return "wait" if running - known.keys() else "done"


def this_process() -> list[Any]:
    """The machine, as far as process numbers hold on it (None where that cannot be told), and this process's number."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return [f"{boot} {os.stat('/proc/self/ns/pid').st_ino}", os.getpid()]
    except OSError:
        return [None, os.getpid()]


def is_dead(process: list[Any]) -> bool:
    """Whether a process of this machine is gone. False where it runs elsewhere: then its lease has to end."""
    machine, number = process
    if machine is None or machine != this_process()[0]:
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False


def wait(seconds: float, stop: threading.Event) -> None:
    """Sleep, but not through a request to stop."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not stop.wait(min(seconds, 0.2)):
        pass
