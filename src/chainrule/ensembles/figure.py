"""The picture of a bagging study: errors and their correlation against the number of members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.ensembles.bagging import BaggingRow
from chainrule.errors import require_some
from chainrule.report.plots import BLUE, ORANGE, new_figure
from chainrule.typed import typed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DARK = "#555555"


@typed
def bagging_figure(studies: Sequence[tuple[str, Sequence[BaggingRow]]]) -> Figure:
    """One column a study (its title and its table): E_av, E_bag and E_av/L above, the correlation of errors below."""
    require_some("bagging_figure", "studies", studies, "study")
    for title, table in studies:
        require_some("bagging_figure", f"the table of {title!r} in studies", table, "row")
    figure = new_figure((5.2 * len(studies), 6.0))
    places = figure.subplots(2, len(studies), squeeze=False, sharex="col", height_ratios=(3, 1))
    for column, (title, table) in enumerate(studies):
        _errors(places[0][column], title, table)
        _correlation(places[1][column], table)
    return figure


def _errors(axes: Any, title: str, table: Sequence[BaggingRow]) -> None:
    members = [row.members for row in table]
    axes.plot(members, [r.average_error for r in table], color=ORANGE, label="$E_{av}$: mean error of the members")
    axes.plot(
        members, [r.ensemble_error for r in table], color=BLUE, marker="o", label="$E_{bag}$: error of their average"
    )
    axes.plot(
        members,
        [r.uncorrelated_error for r in table],
        color=_DARK,
        linestyle="--",
        label="$E_{av}/L$: if errors were uncorrelated",
    )
    axes.set(title=title, ylabel="mean squared error")
    axes.set_ylim(0, 1.35 * max(r.average_error for r in table) + 1e-12)  # room for the legend
    _plain(axes)
    axes.legend(frameon=False, loc="upper right", fontsize=9)


def _correlation(axes: Any, table: Sequence[BaggingRow]) -> None:
    known = [row for row in table if row.correlation is not None]
    axes.axhline(0, color=_DARK, linewidth=0.8)
    axes.plot([r.members for r in known], [r.correlation for r in known], color=BLUE, marker="o", markersize=4)
    axes.set(xlabel="members L", ylabel="correlation ρ", ylim=(-0.15, 1.05))
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
