"""From finished trainings to the lines of the table: ours beside what was reported, and whether it is reached.

A row reports figures on test, validation or training rows. Those on rows that were not trained on decide: the test
figures where there are any, otherwise the validation figures, otherwise the training figures. A figure is reached where
it is at least as good as reported, and "within error" where it is worse by no more than its own sampling error.
Where nothing is reported on test rows, our test accuracy stands beside, "not reported".
Settings with a historical generator must give their accuracies exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chainrule.recipes import Recipe, Study
from chainrule.recipes.recipe import Reported
from chainrule.recipes.study import Claim
from chainrule.reproduce.jobs import Job, Row
from chainrule.reproduce.outcomes import Outcome, deviation, mean

SECTIONS = {"binary20d": "Two classes of 20 features", "mnist": "MNIST", "cifar10": "CIFAR-10", "notmnist": "notMNIST"}
OTHER = "Other data"
EXACT, REACHED, WITHIN, MISSED = "exact", "reached", "within error", "not reached"
UNREPORTED = "not reported"
UNJUDGED = ("not run", "failed", "shortened")
NUMBERS = ("reported", "ours", "std", "difference", "sampling_error")
TOLERANCE = 5e-7  # figures are reported with at most four decimals; this is rounding

Outcomes = Mapping[str, Outcome]  # by a training's key


def row_dict(row: Row, outcomes: Outcomes, *, shortened: bool) -> dict[str, Any]:
    """One line of the table as plain data."""
    declared = row.declared
    shown = _shown(row, outcomes)
    figures = [] if shown is None else [_figure(f, r, group, outcomes) for group in shown for f, r in group[1].items()]
    if isinstance(declared, Recipe) and not any(f["name"].startswith("test") for f in figures):
        beside = _figure("test_accuracy", None, ("", {}, list(row.jobs)), outcomes)
        figures += [beside] if beside["ours"] is not None else []
    claims = [_claim(claim, declared, row, outcomes) for claim in getattr(declared, "claims", [])]
    deciding = [f for f in figures if f["decides"]]
    states = [outcomes[job.key].state for job in row.jobs]
    status = _status(row, deciding, claims, states, shortened)
    main = deciding[-1] if deciding else dict.fromkeys(("name", *NUMBERS))
    measured = [outcomes[job.key].measured for job in row.jobs]
    loads = [load for m in measured for load in m.get("load_average", []) if load is not None]
    sizes = [outcomes[job.key].results.get("parameters") for job in row.jobs]
    return {
        "name": row.name,
        "kind": "study" if isinstance(declared, Study) else "recipe",
        "section": SECTIONS.get(str(row.jobs[0].recipe.data.name), OTHER),
        "title": declared.title,
        "source": declared.source,
        "setting": declared.setting,
        "note": declared.note,
        "figure": main["name"],
        **{key: main[key] for key in NUMBERS},
        "reached": None if status in UNJUDGED else status in (EXACT, REACHED, WITHIN),
        "status": status,
        "seconds": _sum(m.get("seconds") for m in measured),
        "parameters": max((s for s in sizes if s is not None), default=None),
        "seeds": sorted({job.recipe.seed for job in row.jobs}),
        "epochs": max(len(outcomes[job.key].epochs) for job in row.jobs),
        "load_average": max(loads, default=None),
        "threads": sorted({str(m["threads"]) for m in measured if m.get("threads") is not None}),
        "best": shown[0][0] if shown is not None and isinstance(declared, Study) and declared.judge == "best" else None,
        "figures": figures,
        "claims": claims,
        "variants": _variants(row, outcomes) if isinstance(declared, Study) else [],
        "failures": sorted({outcomes[job.key].why for job in row.jobs if outcomes[job.key].why}),
        "keys": [job.key for job in row.jobs],
    }


Group = tuple[str, dict[str, float], list[Job]]  # a variant's name, what is reported of it, its trainings


def _shown(row: Row, outcomes: Outcomes) -> list[Group] | None:
    """What is put beside reported figures: the recipe, the study's best variant, or each variant; None without any."""
    declared = row.declared
    if isinstance(declared, Recipe):
        return [("", reported_figures(declared.reported), list(row.jobs))]
    groups = variant_jobs(row)
    if declared.judge == "each":
        return [(v.name, reported_figures(v.reported), groups[v.name]) for v in declared.all_variants]
    best = best_variant(row, outcomes)
    return None if best is None else [(best, reported_figures(declared.reported), groups[best])]


def best_variant(row: Row, outcomes: Outcomes) -> str | None:
    """The variant that is best on the validation rows, by the study's monitor; None where none is finished."""
    assert isinstance(row.declared, Study)
    sign = -1 if row.declared.monitor == "val_loss" else 1
    scores = {v: sign * _mean(jobs, row.declared.monitor, outcomes) for v, jobs in variant_jobs(row).items()}
    finite = {v: score for v, score in scores.items() if math.isfinite(score)}
    return max(finite, key=lambda v: finite[v]) if finite else None


def variant_jobs(row: Row) -> dict[str, list[Job]]:
    """The trainings of every variant, one a seed."""
    groups: dict[str, list[Job]] = {}
    for job in row.jobs:
        groups.setdefault(job.variant, []).append(job)
    return groups


def reported_figures(reported: Reported) -> dict[str, float]:
    """The figures that are reported, by name, training figures first and test figures last."""
    return {name: value for name, value in msgspec.to_builtins(reported).items() if value is not None}


def _figure(name: str, reported: float | None, group: Group, outcomes: Outcomes) -> dict[str, Any]:
    variant, all_reported, jobs = group
    values = [v for v in (outcomes[job.key].figure(name) for job in jobs) if math.isfinite(v)]
    ours, error = mean(values), mean([outcomes[job.key].sampling_error(name) for job in jobs])
    part = name.partition("_")[0]
    difference = math.nan if reported is None else ours - reported
    above = -difference if name.endswith("loss") else difference  # what we are better by
    if reported is None:
        verdict = UNREPORTED
    elif not values:
        verdict = MISSED
    elif above >= -TOLERANCE:
        verdict = REACHED
    else:
        verdict = WITHIN if math.isfinite(error) and -above <= error else MISSED
    parts = [n.partition("_")[0] for n in all_reported]
    return {
        "name": name,
        "variant": variant,
        "reported": reported,
        "ours": _or_none(ours),
        "std": deviation(values),
        "difference": _or_none(difference),
        "sampling_error": _or_none(error),
        "verdict": verdict,
        "decides": reported is not None and part == next(p for p in ("test", "val", "train") if p in parts),
    }


def _claim(claim: Claim, study: Recipe | Study, row: Row, outcomes: Outcomes) -> dict[str, Any]:
    if claim.best is not None:
        best = best_variant(row, outcomes)
        return {"says": claim.says, "holds": None if best is None else claim.is_best(best), "best": best}
    groups = variant_jobs(row)
    higher, lower = (_compared(groups[str(v)], claim.figure, outcomes) for v in (claim.higher, claim.lower))
    return {
        "says": claim.says,
        "holds": None if math.isnan(higher) or math.isnan(lower) else higher > lower,
        "figure": claim.figure,
        str(claim.higher): _or_none(higher),
        str(claim.lower): _or_none(lower),
    }


def _compared(jobs: Sequence[Job], figure: str, outcomes: Outcomes) -> float:
    """The mean of a figure, which is as bad as can be where training diverged."""
    if any(outcomes[job.key].state == "diverged" for job in jobs):
        return math.inf if figure.endswith("loss") else -math.inf
    return _mean(jobs, figure, outcomes)


def _variants(row: Row, outcomes: Outcomes) -> list[dict[str, Any]]:
    found = []
    for name, jobs in variant_jobs(row).items():
        figures = ("train_accuracy", "val_accuracy", "test_accuracy", "val_loss", "test_loss", "mean_step_loss")
        seconds = _sum(outcomes[job.key].measured.get("seconds") for job in jobs)
        values = {f: _or_none(_mean(jobs, f, outcomes)) for f in figures}
        state = next((outcomes[j.key].state for j in jobs if outcomes[j.key].state != "finished"), "finished")
        found.append({"name": name, "state": state, **values, "seconds": seconds})
    return found


def _status(
    row: Row, deciding: Sequence[dict[str, Any]], claims: Sequence[dict[str, Any]], states: list[str], shortened: bool
) -> str:
    if "missing" in states:
        return "not run"
    if "failed" in states:
        return "failed"
    if shortened:
        return "shortened"
    if set(states) == {"diverged"}:
        return "diverged"
    verdicts = [f["verdict"] for f in deciding]
    if MISSED in verdicts or not all(claim["holds"] for claim in claims):
        return MISSED
    if row.jobs[0].recipe.generator == "legacy":
        return EXACT if all(abs(f["difference"]) <= TOLERANCE for f in deciding) else MISSED
    return WITHIN if WITHIN in verdicts else REACHED


def _mean(jobs: Sequence[Job], figure: str, outcomes: Outcomes) -> float:
    return mean([outcomes[job.key].figure(figure) for job in jobs])


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sum(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
