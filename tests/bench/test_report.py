"""What figures are made of measurements, on made numbers."""

from __future__ import annotations

import pytest

from chainrule.bench import page, report
from chainrule.bench.figure import scaling_figure
from chainrule.bench.rows import ROWS, step_flops

ROW = ROWS[0]


def measured(*ms, **more):
    return [{"ms": m, "peak_mb": 50.0, "first_step_s": 0.25, **more} for m in ms]


RUNS = {
    "chainrule": measured(1.0, 2.0, 4.0, step_ms=3.0),
    "chainrule bf16": measured(0.5, 0.5, 0.5),
    "torch": measured(4.0, 4.0, 4.0),
    "torch channels-last": measured(3.0, 8.0, 4.0),
    "torch bf16": measured(1.0, 1.5, 2.0),
    "torch bf16 channels-last": measured(9.0, 9.0, 9.0),
    "jax": measured(1.5, 3.0, 8.0),
}
INSIDE = {
    "operations": [
        {"phase": "forward", "kernel": "k", "layer": "0 A", "ms": 2.0, "flops": 3e8, "bytes": 1e6},
        {"phase": "forward", "kernel": "l", "layer": "0 B", "ms": 1.0, "flops": 0, "bytes": 2e6},
    ],
    "state_bytes": 4e6,
    "bandwidth_gbs": 10.0,
}


def result(runs=RUNS, skipped=None, inside=INSIDE):
    return report.row_result(ROW, runs, skipped or {}, inside, peak=100.0)


def test_ratios_are_medians_over_rounds_of_theirs_over_ours():
    ratio = result()["ratio"]
    assert ratio["best_peer"] == 1.5  # jax: 1.5/1, 3/2, 8/4; the ratio of the medians is 1.5 too
    assert report.paired_ratio([4.0, 4.0, 4.0], [1.0, 2.0, 4.0]) == 2.0
    assert report.paired_ratio([10.0, 1.0, 1.0], [1.0, 10.0, 0.5]) == 2.0  # that of the medians is 1


def test_each_comparison_takes_the_best_mode_of_its_precision():
    found = result()
    assert found["against"] == {"best_peer": "jax", "torch": "torch", "torch_bf16": "torch bf16"}
    assert found["ratio"]["torch"] == 2.0
    assert found["ratio"]["torch_bf16"] == 3.0  # against ours in bf16, not in single precision


def test_ours_is_no_peer_and_bf16_no_rival_of_single_precision():
    runs = {mode: RUNS[mode] for mode in ("chainrule", "chainrule bf16", "torch bf16")}
    found = result(runs)
    assert found["ratio"]["best_peer"] is None
    assert found["ratio"]["torch"] is None
    assert found["ratio"]["torch_bf16"] == 3.0


def test_without_bf16_of_ours_there_is_no_such_ratio():
    runs = {mode: r for mode, r in RUNS.items() if mode != "chainrule bf16"}
    found = result(runs, {"chainrule bf16": "no"})
    assert found["ratio"]["torch_bf16"] is None
    assert found["modes"]["chainrule bf16"] == {"skipped": "no"}
    assert report.geometric_means([result(), found])["torch_bf16"] is None
    assert report.geometric_means([result(), found])["best_peer"] == pytest.approx(1.5)


def test_geometric_mean():
    assert report.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert report.geometric_mean([0.5, 2.0, 1.0]) == pytest.approx(1.0)
    assert report.geometric_mean([3.0, None]) is None
    assert report.geometric_mean([]) is None
    assert report.geometric_means([]) == {"best_peer": None, "torch": None, "torch_bf16": None}


def test_figures_of_a_row():
    found = result()
    assert found["ms"] == 2.0
    assert found["step_ms"] == 3.0
    assert found["modes"]["chainrule"]["ms_range"] == [1.0, 4.0]
    assert found["gflops"] == pytest.approx(step_flops(ROW) / 2e-3 / 1e9)
    assert found["fraction_of_peak"] == pytest.approx(found["gflops"] / 100)


def test_the_floor_is_the_larger_of_arithmetic_and_bytes_for_each_operation():
    # 3e8 operations at 100 GFLOP/s are 3 ms, its megabyte 0.1 ms; 2 MB at 10 GB/s 0.2 ms; the state's 4 MB 0.4 ms.
    assert report.floor_ms(INSIDE, 100.0) == pytest.approx(3.6)
    assert result()["fraction_of_roofline"] == pytest.approx(3.6 / 2)
    assert result(inside={"skipped": "no native engine"})["fraction_of_roofline"] is None


def test_rates_of_operations():
    first, second = report.operation_results(INSIDE, 100.0)
    assert first["gflops"] == pytest.approx(150)
    assert first["fraction_of_peak"] == pytest.approx(1.5)
    assert second["gflops"] is None


def test_layers():
    title = "Affine(units=1024) 256×1024"
    runs = {
        "chainrule": [{title: {"forward_ms": f, "backward_ms": 2 * f}} for f in (1.0, 2.0, 2.0)],
        "torch": [{title: {"forward_ms": 4.0, "backward_ms": 8.0}}] * 3,
        "torch channels-last": [{title: {"skipped": "no images"}}] * 3,
    }
    (found,) = report.layer_results(runs, 1000.0)
    assert found["ratio"] == 2.0
    ours = found["modes"]["chainrule"]
    assert ours["forward_peak_fraction"] == pytest.approx(2 * 256 * 1024**2 / 2e-3 / 1e12)
    assert ours["backward_peak_fraction"] == pytest.approx(ours["forward_peak_fraction"])  # twice the work and time
    assert found["modes"]["torch channels-last"] == {"skipped": "no images"}
    assert page.layer_cells(found)[-1] == "2.00×"


def test_a_layer_that_costs_nothing_has_no_ratio():
    title = "Flatten 64×64×32×32"
    runs = {
        "chainrule": [{title: {"forward_ms": 0.0, "backward_ms": 0.0}}],
        "torch": [{title: {"forward_ms": 1.0, "backward_ms": 1.0}}],
    }
    (found,) = report.layer_results(runs, 100.0)
    assert found["ratio"] is None


def test_scaling():
    half, row, double = ROW.batch // 2, ROW.batch, 2 * ROW.batch
    times = {
        (1, half): [2.0],
        (1, row): [4.0, 5.0, 6.0],
        (1, double): [8.0],
        (2, half): [1.0, 1.0, 1.0],
        (2, row): [2.0, 2.0, 4.0],
        (2, double): [4.0, 8.0, 16.0],
    }
    found = report.scaling_result(ROW, times)
    assert found["speedup"] == {2: 2.0}
    assert found["doubling"] == pytest.approx((2 * 4) ** 0.5)
    assert len(found["points"]) == 6
    assert len(scaling_figure([found] * 4).axes) == 6  # two lines of three, the last two empty


def test_the_page_has_every_row_and_reason():
    skipped = {"torch compile": "3.0 times the eager mode's time in the first round"}
    rows = [result(skipped=skipped)]
    found = {
        "machine": {
            "processor": "Made up 9000",
            "machine": "x86_64",
            "cores": 4,
            "threads": 2,
            "instruction_sets": ["avx2", "plain"],
            "versions": {"numpy": "2"},
        },
        "engine": "native",
        "load": 0.1,
        "settings": {"rounds": 3, "seconds": 1.0, "peers_absent": ["sklearn"]},
        "peak": {"gflops": 100.0, "source": "a loop of avx2"},
        "rows": rows,
        "geometric_mean": report.geometric_means(rows),
        "repeated": 3,
        "slow": 1,
    }
    text = page.page(found, "chainrule bench", {"import numpy": 0.1, "import chainrule": 0.12})
    for said in (
        "Made up 9000",
        "instruction sets avx2, plain",
        "100 GFLOP/s (a loop of avx2)",
        "| geometric mean |  |  | 1.50× | 2.00× | 3.00× |",
        "- torch compile (mlp-200): 3.0 times",
        "Not installed: sklearn.",
        "3 were, and 1 are quoted all the same",
        "| mlp-200 | forward k | 0 A | 2.00 | 67 % | 150 | 150 % |",
        "| `import chainrule` | 0.120 | 1.20 |",
    ):
        assert said in text, said


def test_numbers():
    assert [page.number(v, 3) for v in (None, 0.0512, 5.123, 51.23)] == ["–", "0.051", "5.12", "51.2"]
    assert page.percent(0.856) == "86 %"
    assert page.times(None) == "–"
