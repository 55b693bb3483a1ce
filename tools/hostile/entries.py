"""Every public entry point of the package, found in the package's own lists: functions, constructors, methods.

A name is public where a package of `chainrule` offers it (`__all__`, or what its `__init__` imports of its own), and a
method where its name has no underscore in front. Nothing is listed here by hand but what is left out, with the reason.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import chainrule

#: Packages whose names are not for users, and why.
INTERNAL_PACKAGES = {
    "chainrule.cli": "commands, whose words the command line's own parser checks; tests/cli",
    "chainrule.bench": "run by `chainrule bench` alone",
    "chainrule.reproduce": "run by `chainrule reproduce` alone",
    "chainrule.engines.native": "the plan's parts; the engine itself is offered by chainrule.engines",
    "chainrule.check.diagnosis": "offered by chainrule.check",
    "chainrule.check.diagnosis.hypotheses": "the list of known faults, called by the diagnosis alone",
    "chainrule.check.diagnosis.kinds": "the list of kinds of layer, looked into by the diagnosis alone",
    "chainrule.lint.rules": "the list of lint rules, called by `lint` with a subject it built",
    "chainrule.grade.cases": "the list of what can be graded, called by `grade` alone",
    "chainrule.grade.inside": "runs in the limited child process, behind a protocol of its own; tests/grade",
    "chainrule.grade.mistakes": "planted faults for the grader's tests",
    "chainrule.grade.report": "pages of results that `grade` made",
    "chainrule.analysis.tracing": "offered by chainrule.analysis",
    "chainrule.courses.common": "offered by the courses' editions, and covered as such",
}

#: Entry points that are left out, by pattern, and why. A pattern that matches nothing is an error.
_BASE = "a base class: nothing is made of it, and its subclasses are covered"
_PROTOCOL = "a protocol: what implements it is covered"
_RECORD = "a record that the package makes of its results"
_NO_MIX = "a transform is called or mixes, and says which it does not"
_HOOK = "a moment that the solver tells its callbacks of, with itself as the argument"
_MODEL_STEP = "a step of the model's own `loss`, which checks in front of it"
EXCLUDED = {
    "layers.Layer*": _BASE,
    "losses.Loss*": _BASE,
    "initializers.Initializer*": _BASE,
    "optim.UpdateRule*": _BASE,
    "optim.Schedule*": _BASE,
    "optim.Transform*": _BASE,
    "data.Transform*": _BASE,
    "solver.WeightAveraging*": _BASE,
    "engines.Engine*": _PROTOCOL,
    "data.Batches*": _PROTOCOL,
    "engines.Evaluation": _RECORD,
    "solver.Epoch": _RECORD,
    "solver.History": _RECORD,
    "check.Cause": _RECORD,
    "check.Diagnosis": _RECORD,
    "check.Row": _RECORD,
    "check.GradientReport": _RECORD,
    "analysis.Costs": _RECORD,
    "analysis.Trace": _RECORD,
    "analysis.theory.Finding": _RECORD,
    "analysis.theory.Topic": "a line of the closed list of topics",
    "models.Model": "a line of the closed list of published models",
    "data.Audit": _RECORD,
    "data.Facts": "a line of the closed list of data sets",
    "data.Leak": _RECORD,
    "data.Skipped": _RECORD,
    "ensembles.BaggingRow": _RECORD,
    "ensembles.Comparison": _RECORD,
    "ensembles.OutOfBag": _RECORD,
    "grade.Report": _RECORD,
    "lint.Finding": _RECORD,
    "lint.Report": _RECORD,
    "report.ClassRow": _RECORD,
    "search.LearningRateRange": _RECORD,
    "search.Results": _RECORD,
    "recipes.Experiment": _RECORD,
    "recipes.Recipe": "a msgspec structure: read from TOML or changed by `change`, which check types",
    "recipes.Study": "a msgspec structure: read from TOML, which checks types",
    "grade.Rubric": "a msgspec structure: read from TOML, which checks types",
    "search.Plan.*": "what the search asks of its plan, with outcomes that it read from its storage",
    "search.Results.*": "what the search found; `search` returns it",
    "lint.Subject*": "what lint rules ask; made by `lint`",
    "lint.Rule*": "a base class: a rule is called by `lint`",
    "courses.cs231n.layers_file": "a table that another course shares",
    "courses.*.backward_activation": _MODEL_STEP,
    "courses.*.between": _MODEL_STEP,
    "courses.*.build": _MODEL_STEP,
    "courses.*.cast_params": _MODEL_STEP,
    "courses.*.draw": _MODEL_STEP,
    "courses.*.draw_affine": _MODEL_STEP,
    "courses.*Net.dropout_forward": _MODEL_STEP,
    "courses.*.layer_names": _MODEL_STEP,
    "courses.*.scores": _MODEL_STEP,
    "layers.Sequential.split": "hands out a layer's tensors, which the layer checks",
    "optim.Step": "a tuple that rules check when they are given it",
    "optim.When": "a tuple that schedules check when they are given it",
    "losses.BinaryHinge.probabilities": "defines none, and says so",
    "losses.MultiClassHinge.probabilities": "defines none, and says so",
    "losses.SquaredError.probabilities": "defines none, and says so",
    "solver.*.on_*": _HOOK,
    "solver.*.state": _HOOK,
    "solver.*.load_state": _HOOK,
    "solver.*.share": "a hook that kinds of averaging write",
    "solver.*.finished": "a hook that kinds of averaging write",
    "solver.*.add": "a hook that kinds of averaging write",
    "ensembles.Snapshots.*": _HOOK,
    "report.Progress.*": _HOOK,
    "engines.FunctionRule*": "what the engines ask of a rule that is a function, with arrays of their own",
    "engines.NativeEngine.time_operations": "what the benchmark measures with",
    "data.augment.AlternatingFlip.mix": _NO_MIX,
    "data.augment.ColorJitter.mix": _NO_MIX,
    "data.augment.Cutout.mix": _NO_MIX,
    "data.augment.Grayscale.mix": _NO_MIX,
    "data.augment.HorizontalFlip.mix": _NO_MIX,
    "data.augment.RGB.mix": _NO_MIX,
    "data.augment.RandomCrop.mix": _NO_MIX,
    "data.augment.Resize.mix": _NO_MIX,
    "data.augment.Rotation.mix": _NO_MIX,
    "data.augment.Translation.mix": _NO_MIX,
    "data.augment.CutMix.__call__": _NO_MIX,
    "data.augment.MixUp.__call__": _NO_MIX,
    "data.NormalizedRows.normalize": "what the loader calls with rows that it took itself",
    "solver.Rollback*": _RECORD,
    "data.Loader.make": "what the loader's threads call with rows that it drew",
    "ensembles.Ensemble.decide": "a step of the ensemble's own predictions",
    "ensembles.Ensemble.labels": "a step of the ensemble's own scores",
    "ensembles.Ensemble.outputs": "a step of the ensemble's own predictions",
    "ensembles.Member.batches": "a step of the ensemble's own predictions",
    "recipes.Recipe.check": "called by what reads recipes, with where they stand",
    "recipes.Study.check": "called by what reads studies, with where they stand",
    "courses.*.data_loss": _MODEL_STEP,
    "courses.*.forward_activation": _MODEL_STEP,
    "courses.*.show_net_weights": "draws on screen the weights of a network on 32 x 32 colour images",
    "layers.Cost": "a pair of counts that `cost` returns",
    "errors.*": "what the package raises; a caller makes none",
    "*.derived_sizes": "a hook that subclasses write; called with sizes that `bind` found",
    "data.augment.*.apply": "a hook that subclasses write; `__call__` checks in front of it",
    "losses.*.check_scores": "a hook that subclasses write; called behind the checks of `Loss`",
    "losses.*.check_targets": "a hook that subclasses write; called behind the checks of `Loss`",
}


@dataclass(frozen=True)
class Entry:
    """One entry point: its name below `chainrule`, its class if it is a method or constructor, and the member."""

    name: str
    target: Any
    owner: type | None = None
    member: str = ""

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """As a caller sees it, without self."""
        function = self.target if self.owner is None or self.member == "" else getattr(self.owner, self.member)
        signature = inspect.signature(function)
        raw = inspect.getattr_static(self.owner, self.member) if self.member else None
        if self.member and not isinstance(raw, (classmethod, staticmethod)):
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        return signature

    @property
    def is_instance_method(self) -> bool:
        """Whether it is called on an instance."""
        if not self.member or self.owner is None:
            return False
        return not isinstance(inspect.getattr_static(self.owner, self.member), (classmethod, staticmethod))


def packages() -> list[str]:
    """The packages and modules whose names are public."""
    found = [f"chainrule.{name}" for name in chainrule.PUBLIC]
    found += [m.name for m in pkgutil.walk_packages(chainrule.__path__, "chainrule.") if m.ispkg]
    return [name for name in dict.fromkeys(found) if name not in INTERNAL_PACKAGES]


def public_objects() -> Iterator[tuple[str, Any]]:
    """Every public function and class once, by the first name it is offered under."""
    seen: set[int] = set()
    for package in packages():
        module = importlib.import_module(package)
        for name in sorted(chainrule._names(module)):
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isroutine(value)) and id(value) not in seen:
                seen.add(id(value))
                yield f"{package.removeprefix('chainrule.')}.{name}", value
    for name, value in _course_names():
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _course_names() -> Iterator[tuple[str, Any]]:
    """What the code bases of the courses offer, in every edition."""
    from chainrule.courses import names

    for course, editions in names().items():
        module = importlib.import_module(f"chainrule.courses.{course}")
        for edition in reversed(editions):
            offered = module.edition(edition)
            for path in offered.files:
                for name, value in vars(offered.module(path)).items():
                    if inspect.isclass(value) or inspect.isroutine(value):
                        yield f"courses.{course}.{PurePosixPath(path).stem}.{name}", value


def all_entries() -> list[Entry]:
    """Every public function, constructor and method, those left out among them."""
    found: list[Entry] = []
    for name, value in public_objects():
        if not inspect.isclass(value):
            found.append(Entry(name, value))
            continue
        if not inspect.isabstract(value):
            found.append(Entry(name, value, value))
        found += [Entry(f"{name}.{member}", value, value, member) for member in sorted(_members(value))]
    return found


def _members(cls: type) -> set[str]:
    names = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("chainrule"):
            continue
        for name, raw in vars(base).items():
            public = not name.startswith("_") or name in ("__call__", "__getitem__")
            if public and (inspect.isfunction(raw) or isinstance(raw, (classmethod, staticmethod))):
                names.add(name)
    return names


def reason_to_leave_out(entry: Entry, patterns: dict[str, str]) -> str | None:
    """Why an entry is left out, or None."""
    for pattern, reason in patterns.items():
        if fnmatch.fnmatchcase(entry.name, pattern):
            return reason
    return None


def takes_arguments(entry: Entry) -> bool:
    """Whether there is anything to give it."""
    return bool(entry.signature.parameters)


Maker = Callable[[], Any]
