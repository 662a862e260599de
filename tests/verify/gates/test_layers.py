"""--layers: the unit that departs is the one with the fault, and the hint says what the fault is."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from pairs import PROTOCOL, WRONG_VALUES, write_pair
from twins import FAMILIES, ISOTROPIC, RMS, V2

from convert.archs.spec import ArchSpec
from verify.gate import Measure
from verify.gates.compare import Comparison
from verify.gates.layers import UnitDifference, UnitReport, layers_gate, run_layers, unit_rows
from verify.gates.parity import parity_inputs
from verify.limits import UNIT_MAX_REL
from verify.pair import Pair
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

NOTHING = "no usual mistake reproduces it"

# A builder of tests/support/paddle_faults.py to the unit that must be named and the hint that must be given.
BUILDERS = {
    "an_epsilon_of_1e_5": ("stages.2.1", "stages.2.1.norm: eps 1e-05 in place of 1e-06"),
    "an_odd_epsilon": ("stages.1.0", "stages.1.0.norm: eps 0.00037 in place of 1e-06"),
    "the_last_epsilon_of_1e_5": ("features", "norm: eps 1e-05 in place of 1e-06"),
    "gelu_by_tanh": ("stages.2.0", "stages.2.0.gelu: the tanh approximation in place of the exact one"),
    "gelu_by_sigmoid": ("stages.2.0", "stages.2.0.gelu: the sigmoid approximation in place of the exact one"),
    "gamma_ignored": ("stages.2.0", "stages.2.0.gamma: left out"),
    "shortcut_left_out": ("stages.2.0", "stages.2.0: the shortcut is left out"),
    "a_bias_dropped": ("stages.2.1", "stages.2.1.pwconv1: the bias is dropped"),
    "the_head_transposed": ("head", "head: the square weight is transposed"),
    "norm_tensors_exchanged": ("stages.2.2", "stages.2.2.norm.weight and stages.2.2.norm.bias are exchanged"),
    "reflecting_padding": ("stages.0.0", "stages.0.0.dwconv: the padding is numpy's 'reflect' in place of zeros"),
    "norm_before_pooling": ("features", "norm before the mean over height and width in place of after it"),
    "pooling_by_maximum": ("features", "the mean over height and width: the maximum in place of the mean"),
    "unbiased_variance": ("features", "norm: the variance is unbiased in place of biased"),
    "kernel_flipped": ("stages.0.0", "stages.0.0.dwconv.weight is flipped in height and width"),
    "channels_swapped": ("downsample_layers.0", "downsample_layers.0.0: the input's channels are reversed"),
    "height_and_width_exchanged": (
        "downsample_layers.0",
        "downsample_layers.0: height and width of its input are exchanged",
    ),
    "rounding_in_float64": ("features", "features: its output is rounded to float32"),
    "drop_path_active": ("stages.0.0", f"{NOTHING}; 4 of 4 channels differ, at 384 of 384 positions"),
    "one_pixel_doubled": ("stages.2.0", f"{NOTHING}; 1 of 8 channels differ, at 1 of 24 positions"),
    "not_a_number_in_a_block": ("stages.2.0", f"{NOTHING}; 192 of 192 values are not finite"),
    "blocks_in_another_order": ("stages.2.0", "Paddle's model ran stages.2.1 where PyTorch's ran stages.2.0"),
}
OTHER_FAMILIES = {
    "grn_by_the_spectral_norm": (
        V2,
        "stages.2.1",
        "stages.2.1.grn: a channel's spectral norm in place of a channel's Euclidean norm over height and width",
    ),
    "grn_over_the_channels": (
        V2,
        "stages.2.1",
        "stages.2.1.grn: a pixel's norm over the channels in place of a channel's Euclidean norm over height and width",
    ),
    "the_rms_norm_as_a_layer_norm": (RMS, "stages.2.1", "stages.2.1.norm: a layer norm in place of an RMS norm"),
    "isotropic_block_without_its_shortcut": (ISOTROPIC, "blocks.1", "blocks.1: the shortcut is left out"),
}
# A fault of tests/support/pairs.py in the .pdparams file.
FILES = {
    "a depthwise bias zeroed": ("stages.2.1", "stages.2.1.dwconv.bias is 0 throughout"),
    "two norms swapped": ("stages.2.0", "stages.2.0.norm.weight holds stages.2.1.norm.weight"),
    "two blocks of equal shape swapped": ("stages.2.0", "stages.2.0 holds the tensors of stages.2.2"),
    "the square head not transposed": ("head", "head.weight is transposed"),
    "LayerScale at its initial value": ("stages.3.0", "stages.3.0.gamma is 1e-06 throughout"),
    "one element off by 1e-3": ("stages.1.0", "stages.1.0.pwconv2.weight differs in 1 of 144 values"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("tiny"))


def compare_units(pair: Pair, workers: dict[str, Worker], **builders: str) -> UnitReport:
    return run_layers(pair, workers, parity_inputs(pair.spec, PROTOCOL), builders=builders)


def named(report: UnitReport) -> tuple[str, str]:
    """The first unit that departs, empty if none does, and the hint."""
    return (report.first.name if report.first else "", report.hint)


@pytest.mark.parametrize("spec", FAMILIES, ids=lambda spec: spec.name)
def test_no_unit_of_an_untouched_pair_departs(spec: ArchSpec, tmp_path: Path, workers: dict[str, Worker]) -> None:
    report = compare_units(write_pair(tmp_path, spec), workers)

    assert (named(report), layers_gate(report).verdict.value) == (("", ""), "passed")
    assert max(unit.alone.max_rel for unit in report.units if unit.dtype == "float64") < 1e-12
    assert max(unit.alone.max_rel for unit in report.units if unit.dtype == "float32") < 1e-5


def test_every_unit_is_there_in_the_order_of_the_forward_pass_in_both_dtypes(
    tiny: Pair, workers: dict[str, Worker]
) -> None:
    compared = [(unit.dtype, unit.name) for unit in compare_units(tiny, workers).units]

    units = [
        *("downsample_layers.0", "stages.0.0", "downsample_layers.1", "stages.1.0", "downsample_layers.2"),
        *("stages.2.0", "stages.2.1", "stages.2.2", "downsample_layers.3", "stages.3.0", "features", "head"),
    ]
    assert compared == [(dtype, name) for dtype in UNIT_MAX_REL for name in units]


@pytest.mark.parametrize("fault", BUILDERS)
def test_the_faulty_unit_and_its_mistake_are_named(fault: str, tiny: Pair, workers: dict[str, Worker]) -> None:
    report = compare_units(tiny, workers, paddle=f"paddle_faults:{fault}")

    assert named(report) == BUILDERS[fault]
    assert layers_gate(report).verdict.value == "FAILED"


@pytest.mark.parametrize("fault", OTHER_FAMILIES)
def test_the_other_families_mistakes_are_named(fault: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    spec, unit, hint = OTHER_FAMILIES[fault]
    report = compare_units(write_pair(tmp_path, spec), workers, paddle=f"paddle_faults:{fault}")

    assert named(report) == (unit, hint)


@pytest.mark.parametrize("fault", FILES)
def test_the_wrong_tensor_in_the_file_is_named(fault: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    report = compare_units(write_pair(tmp_path, edit=WRONG_VALUES[fault]), workers)

    assert named(report) == FILES[fault]


def test_a_mistake_in_torch_s_model_is_not_laid_to_paddle(tiny: Pair, workers: dict[str, Worker]) -> None:
    report = compare_units(tiny, workers, torch="torch_faults:an_epsilon_of_1e_5")

    assert report.hint == ("PyTorch's model is not the architecture's: stages.2.1.norm: eps 1e-05 in place of 1e-06")


def test_a_unit_alone_departs_and_those_after_it_only_on_the_way_from_the_image(
    tiny: Pair, workers: dict[str, Worker]
) -> None:
    report = compare_units(tiny, workers, paddle="paddle_faults:gelu_by_tanh")

    wide = [unit for unit in report.units if unit.dtype == "float64"]
    after = [unit for unit in wide if unit.cumulative.max_rel > UNIT_MAX_REL["float64"]]
    assert [unit.name for unit in wide if unit.departs] == ["stages.2.0"]
    assert [unit.name for unit in after] == [unit.name for unit in wide[5:]]


def test_a_fault_of_float32_alone_fails_the_gate_without_a_hint(tiny: Pair, workers: dict[str, Worker]) -> None:
    report = compare_units(tiny, workers, paddle="paddle_faults:a_block_in_half_precision")

    gate = layers_gate(report)
    assert report.first
    assert (report.first.dtype, named(report)) == ("float32", ("stages.2.0", ""))
    assert gate.verdict.value == "FAILED"
    assert gate.measured == "1 of 12 units depart, the first is stages.2.0, in float32 alone"
    assert [problem.split(": max rel")[0] for problem in gate.problems] == ["float32  stages.2.0"]


def test_the_workers_are_ready_for_the_run_afterwards(tiny: Pair, workers: dict[str, Worker]) -> None:
    before = compare_units(tiny, workers, paddle="paddle_faults:blocks_in_another_order")
    after = compare_units(tiny, workers)

    assert (named(before)[0], named(after)[0]) == ("stages.2.0", "")


# The gate and the table


def unit(name: str, alone: float, *, dtype: str = "float64") -> UnitDifference:
    return UnitDifference(name, dtype, Comparison(0.0, 2e-15, (0,)), Comparison(0.0, alone, (0, 3)))


DEPARTED = UnitReport(
    (unit("stem", 3e-16), unit("blocks.0", 1e-3), unit("stem", 1e-7, dtype="float32")), "blocks.0.x: why"
)
IN_FLOAT32 = UnitReport(
    (
        unit("stem", 3e-16),
        unit("blocks.0", 3e-16),
        unit("stem", 1e-7, dtype="float32"),
        unit("blocks.0", 2e-4, dtype="float32"),
        unit("head", 2e-3, dtype="float32"),
    )
)


def test_the_gate_says_what_departs_and_why() -> None:
    gate = layers_gate(DEPARTED)

    assert gate.measured == "1 of 2 units depart, the first is blocks.0"
    assert gate.limit == "each unit alone: max rel <= 1e-10 in float64, <= 1e-04 in float32"
    assert gate.problems == ("blocks.0.x: why", "float64  blocks.0: max rel 1.0e-03 at (0, 3)")
    assert gate.details == (("first", "blocks.0"), ("hint", "blocks.0.x: why"))
    assert gate.measures == (
        Measure("units", 2),
        Measure("max rel in float64", 1e-3, 1e-10),
        Measure("max rel in float32", 1e-7, 1e-4),
    )


def test_the_first_to_depart_is_of_float32_where_none_does_in_float64() -> None:
    gate = layers_gate(IN_FLOAT32)

    assert IN_FLOAT32.first == IN_FLOAT32.units[3]
    assert gate.measured == "2 of 3 units depart, the first is blocks.0, in float32 alone"
    assert [row[-1] for row in unit_rows(IN_FLOAT32)[1:]] == [
        "",
        "first to depart in float32",
        "departs in float32",
    ]


def test_the_gate_says_the_largest_differences_where_none_departs() -> None:
    gate = layers_gate(dataclasses.replace(DEPARTED, units=(DEPARTED.units[0], DEPARTED.units[2])))

    assert gate.measured == "max rel 3.0e-16 in float64, max rel 1.0e-07 in float32"


@pytest.mark.parametrize("alone", [math.nan, math.inf, 1.01e-10])
def test_a_unit_departs_above_the_limit_and_where_it_is_not_finite(alone: float) -> None:
    assert unit("stem", alone).departs


def test_a_report_of_no_unit_is_no_pass() -> None:
    assert layers_gate(UnitReport(())).verdict.value == "FAILED"


def test_the_table_marks_the_first_unit_that_departs() -> None:
    assert unit_rows(DEPARTED) == [
        ["unit", "float64 cumulative", "float64 alone", "float32 cumulative", "float32 alone", ""],
        ["stem", "2.0e-15", "3.0e-16", "2.0e-15", "1.0e-07", ""],
        ["blocks.0", "2.0e-15", "1.0e-03", "", "", "first to depart"],
    ]
