"""Models without a head, and with another head than their source's: every gate that there is, on what they answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from made_up_images import write_images
from pairs import PROTOCOL, Weights, write_pair
from twins import BACKBONES, TINY

from convert.archs import ArchSpec, get_spec
from convert.arrays import Array
from convert.checkpoints import read_checkpoint, write_checkpoint, write_pdparams
from convert.errors import FerryError
from convert.job import Job
from convert.job import Options as ConvertOptions
from convert.key_formats.convnext import DINOV3, DINOV3_IN_MEMORY, OFFICIAL, OPENCLIP, TIMM_FEATURES
from convert.key_formats.rules import KeyFormat
from convert.state_dict import convert_state_dict
from verify.facts import facts_of
from verify.gate import Gate, Verdict
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import layers_gate, run_layers
from verify.gates.parity import parity_gates, parity_inputs
from verify.gates.structure import file_digests, run_structure, tensor_problems
from verify.inputs import Inputs
from verify.options import Options
from verify.pair import Pair, read_pair
from verify.reference.families import units_of
from verify.selftest.weights import distinct_weights
from verify.store.words import identity_words
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

DIGITS = get_spec("convnext_digits")
BARE = dataclasses.replace(DIGITS, num_classes=0, last_norm=False)
HEAD = ("head.weight", "head.bias")


def gates_of(pair: Pair, workers: dict[str, Worker]) -> tuple[Gate, ...]:
    inputs = parity_inputs(pair.spec, PROTOCOL)
    return (
        run_structure(pair, file_digests(pair), workers),
        *parity_gates(pair, workers, inputs),
        layers_gate(run_layers(pair, workers, inputs)),
        gradients_gate(run_gradients(pair, workers, inputs)),
    )


def verdicts(gates: tuple[Gate, ...]) -> set[Verdict]:
    return {gate.verdict for gate in gates}


@pytest.mark.parametrize("spec", BACKBONES, ids=lambda spec: spec.name)
def test_every_gate_passes_on_features(spec: ArchSpec, tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = write_pair(tmp_path, spec)

    gates = gates_of(pair, workers)

    assert verdicts(gates) == {Verdict.PASSED}
    assert [gate.measured.partition(":")[0] for gate in gates[1:3]] == ["features", "features"]


@pytest.mark.parametrize("spec", BACKBONES, ids=lambda spec: spec.name)
def test_the_last_unit_is_what_the_model_answers(spec: ArchSpec) -> None:
    assert units_of(spec)[-1].name == ("pre_logits" if "hidden" in spec.name else "features")


def test_a_fault_in_a_backbone_is_seen(tmp_path: Path, workers: dict[str, Worker]) -> None:
    def exchange(weights: dict[str, Array]) -> None:
        weights["stages.2.0.gamma"], weights["stages.2.1.gamma"] = (
            weights["stages.2.1.gamma"],
            weights["stages.2.0.gamma"],
        )

    gates = gates_of(write_pair(tmp_path, BACKBONES[0], exchange), workers)

    assert verdicts(gates) == {Verdict.FAILED}
    assert any("stages.2.0" in problem for problem in gates[3].problems)


def converted(folder: Path, spec: ArchSpec, num_classes: int | None) -> Pair:
    """A checkpoint and what `convert --num-classes` makes of it."""
    write_checkpoint(folder / "x.pth", distinct_weights(spec.params(), dtype="float32"), framework="torch")
    Job.read("", folder / "x.pth", ConvertOptions(num_classes=num_classes)).write(folder / "x.pdparams")
    return read_pair("", folder / "x.pth", folder / "x.pdparams")


CHANGES: dict[str, tuple[ArchSpec, int | None, str]] = {
    "a new head": (
        dataclasses.replace(DIGITS, num_classes=0),
        7,
        "; the head is new: 7 classes, initialised at random (seed 0), untrained",
    ),
    "a new head in place of another": (
        DIGITS,
        7,
        "; the head is new: 7 classes, initialised at random (seed 0), untrained",
    ),
    "a new head and a new last norm": (
        BARE,
        7,
        "; the head is new: 7 classes, initialised at random (seed 0), untrained; the last norm is new too: "
        "ones and zeros",
    ),
    "no head in place of one": (DIGITS, 0, "; the head is left out"),
    "no head as before": (dataclasses.replace(DIGITS, num_classes=0), None, ""),
    "no last norm as before": (BARE, None, ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_convert_makes_of_a_head_is_verified_and_said(
    change: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    spec, num_classes, said = CHANGES[change]
    pair = converted(tmp_path, spec, num_classes)

    assert tensor_problems(pair) == []
    gates = gates_of(pair, workers)

    assert verdicts(gates) == {Verdict.PASSED}
    assert gates[0].measured.partition(", digest ")[2][12:] == said


HEADLESS = dataclasses.replace(DIGITS, num_classes=0)
RESPONSE = dataclasses.replace(get_spec("convnextv2_atto"), num_classes=0, last_norm=False)


def under(key_format: KeyFormat, spec: ArchSpec) -> Weights:
    """Weights under a library's keys, where it has a key for them."""
    weights = distinct_weights(spec.params(), dtype="float32")
    rows = {name: key_format.from_official(name) for name in weights}
    return {row[0]: weights[name] for name, row in rows.items() if row}


def with_a_second_norm() -> Weights:
    weights = under(OFFICIAL, HEADLESS)
    return {**weights, **{f"norms.3.{name}": weights[f"norm.{name}"] for name in ("weight", "bias")}}


def with_flat_response_norms() -> Weights:
    return {name: w.reshape(1, -1) if ".grn." in name else w for name, w in under(OFFICIAL, RESPONSE).items()}


def of_clip() -> Weights:
    return {name: w for name, w in under(OPENCLIP, DIGITS).items() if name != "visual.head.proj.bias"}


LIBRARIES: dict[str, tuple[Weights, str]] = {
    "features of timm": (under(TIMM_FEATURES, BARE), "no head, no last norm: features of 160"),
    "DINOv3 of transformers": (under(DINOV3, HEADLESS), "no head: features of 160"),
    "DINOv3 of transformers in memory": (under(DINOV3_IN_MEMORY, HEADLESS), "no head: features of 160"),
    "DINOv3 of Meta": (with_a_second_norm(), "no head: features of 160"),
    "a masked autoencoder": (with_flat_response_norms(), "no head, no last norm: features of 320"),
    "CLIP": (of_clip(), "10 classes"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_librarys_backbone_is_converted_and_verified(
    library: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    tensors, answer = LIBRARIES[library]
    write_checkpoint(tmp_path / "x.pth", tensors, framework="torch")
    Job.read("", tmp_path / "x.pth").write(tmp_path / "x.pdparams")
    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams")

    gates = (
        run_structure(pair, file_digests(pair), workers),
        *parity_gates(pair, workers, parity_inputs(pair.spec, PROTOCOL)),
    )

    assert pair.spec.answer == answer
    assert (tensor_problems(pair), verdicts(gates)) == ([], {Verdict.PASSED})


def test_a_paddle_file_with_flat_response_norms_is_verified(tmp_path: Path, workers: dict[str, Worker]) -> None:
    tensors = with_flat_response_norms()
    write_checkpoint(tmp_path / "x.pth", tensors, framework="torch")
    write_pdparams(
        tmp_path / "x.pdparams", {name: w.T if "pwconv" in name and w.ndim == 2 else w for name, w in tensors.items()}
    )
    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams")

    gate = run_structure(pair, file_digests(pair), workers)

    assert (tensor_problems(pair), gate.verdict) == ([], Verdict.PASSED)


OWN = dataclasses.replace(TINY, depths=(2, 1), dims=(6, 10), kernel=5, patch=2, grn=True)


def test_a_convnext_of_ones_own_is_read_off_converted_and_verified(tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = converted(tmp_path, OWN, None)

    gates = gates_of(pair, workers)

    assert pair.spec.name == "own ConvNeXt: depths (2, 1), dims (6, 10), kernel 5, patch 2, GRN"
    assert verdicts(gates) == {Verdict.PASSED}


def retrained(folder: Path, name: str) -> Pair:
    """The pair of a replaced head in which one element of a tensor is another."""
    converted(folder, DIGITS, 7)
    target = {key: np.array(tensor) for key, tensor in read_checkpoint(folder / "x.pdparams").tensors.items()}
    target[name].flat[0] += 1
    write_pdparams(folder / "x.pdparams", target, force=True)
    return read_pair("", folder / "x.pth", folder / "x.pdparams")


@pytest.mark.parametrize("name", HEAD)
def test_a_head_that_is_neither_the_sources_nor_new_fails_and_is_named(
    name: str, tmp_path: Path, workers: dict[str, Worker]
) -> None:
    pair = retrained(tmp_path, name)

    gate = run_structure(pair, file_digests(pair), workers)

    assert gate.verdict is Verdict.FAILED
    assert gate.problems == (
        f"differs  {name}",
        "the target's head is another than the source's (10 classes), and not the new one of 7 classes that convert "
        "makes: give the source that has it",
    )


def test_beside_a_new_head_another_tensor_may_not_differ(tmp_path: Path, workers: dict[str, Worker]) -> None:
    pair = retrained(tmp_path, "norm.weight")

    gate = run_structure(pair, file_digests(pair), workers)

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("differs  norm.weight",))


def test_a_target_of_another_network_is_no_change_of_head(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pth", distinct_weights(DIGITS.params(), dtype="float32"), framework="torch")
    bare = distinct_weights(BARE.params(), dtype="float32")
    write_pdparams(tmp_path / "x.pdparams", convert_state_dict(BARE, bare))

    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams")

    assert [line.split()[2] for line in tensor_problems(pair)] == ["norm.weight", "norm.bias", *HEAD]


@pytest.mark.parametrize("labelled", [True, False])
def test_a_data_set_is_refused_where_there_are_no_classes(labelled: bool, tmp_path: Path) -> None:
    write_pair(tmp_path, dataclasses.replace(DIGITS, num_classes=0))
    options = Options(
        src=tmp_path / "x.pth",
        dst=tmp_path / "x.pdparams",
        data=write_images(tmp_path / "val"),
        labelled=labelled,
    )

    with pytest.raises(FerryError) as caught:
        Inputs.read(options)

    assert str(caught.value) == (
        f"--data: {tmp_path}/x.pdparams has no head, so there is no class to score or to compare, with or without "
        "labels; leave --data out, for the gates on its features need none"
    )


def test_the_report_says_that_there_is_no_head(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, dataclasses.replace(TINY, num_classes=0, last_norm=False))
    options = Options(src=tmp_path / "x.pth", dst=tmp_path / "x.pdparams")
    inputs = Inputs.read(dataclasses.replace(options, arch=pair.spec))  # type: ignore[arg-type]  # of no command line

    facts = facts_of(options, pair, inputs.chosen)

    assert (
        identity_words(facts.identity)["arch"] == "tiny_twin, no head, no last norm: features of 10, 3 input channels"
    )
