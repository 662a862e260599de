"""Both frameworks' own readers take the weights from where ours has found them, in either file of a pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import pytest
import torch
from twins import carried
from wrapped_files import ASKED, CHOSEN, DIGITS, FOUND, OTHERS, WEIGHTS, behind, model, write_shards

from convert import write_pdparams
from convert.arrays import Array
from convert.errors import WrongChoice
from convert.source.read import Selection
from verify.cli import main
from verify.gate import Verdict
from verify.gates.structure import file_digests, run_structure
from verify.pair import Pair, read_pair
from verify.workers.worker import Worker

pytest_plugins = ["stand_ins"]

FILES = {**FOUND, **CHOSEN}


def in_paddle(weights: dict[str, Array]) -> dict[str, Any]:
    return {name: paddle.to_tensor(array) for name, array in carried(DIGITS.params(), weights).items()}


def target() -> dict[str, Any]:
    return in_paddle(WEIGHTS)


def other_target() -> dict[str, Any]:
    return in_paddle(OTHERS)


def prefixed(prefix: str, state_dict: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in state_dict.items()}


# What paddle.save is given, and what part of it is verified.
TARGETS: dict[str, tuple[Callable[[], Any], Selection]] = {
    "Paddle's own example": (lambda: {"model": target(), "opt": {}, "epoch": 100}, Selection()),
    "a name that nobody has thought of": (lambda: {"gewichte": target(), "x": 1}, Selection()),
    "two dicts deep": (lambda: {"ema": {"module": target()}, "epoch": 1}, Selection()),
    "behind a prefix": (lambda: prefixed("_layers.", target()), Selection()),
    "in a dict and behind two": (lambda: {"model": prefixed("_layers.backbone.", target())}, Selection()),
    "with its optimizer's state": (
        lambda: {"model": target(), "opt": {"w_moment1_0": paddle.ones([2]), "w_moment2_0": paddle.ones([2])}},
        Selection(),
    ),
    "the one that was chosen": (
        lambda: {"model": other_target(), "ema": target()},
        Selection(weights="ema", side="dst-"),
    ),
    "the one behind the prefix that was given": (
        lambda: prefixed("student.", target()) | prefixed("teacher.", other_target()),
        Selection(strip_prefix="student.", side="dst-"),
    ),
}


def holds(pair: Pair, workers: dict[str, Worker]) -> tuple[bool, str]:
    """Whether the structure gate does, and who read the files."""
    gate = run_structure(pair, file_digests(pair), workers)
    return gate.verdict is Verdict.PASSED, dict(gate.details)["readers"]


@pytest.mark.parametrize("kind", FILES)
def test_torch_reads_the_weights_that_ours_has_found_in(kind: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    case = FILES[kind]
    torch.save(case.content(), tmp_path / "x.pth")
    write_pdparams(tmp_path / "x.pdparams", carried(DIGITS.params(), WEIGHTS))

    part = Selection(case.weights, case.strip_prefix)
    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams", source_part=part)

    assert holds(pair, workers) == (True, "torch by torch.load, paddle by paddle.load")


@pytest.mark.parametrize("kind", TARGETS)
def test_paddle_reads_the_weights_that_ours_has_found_in(kind: str, tmp_path: Path, workers: dict[str, Worker]) -> None:
    content, part = TARGETS[kind]
    torch.save(model(), tmp_path / "x.pth")
    paddle.save(content(), f"{tmp_path}/x.pdparams")

    pair = read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams", target_part=part)

    assert holds(pair, workers) == (True, "torch by torch.load, paddle by paddle.load")


def test_a_target_of_two_models_is_asked_for_by_its_own_options(tmp_path: Path) -> None:
    torch.save(model(), tmp_path / "x.pth")
    paths = (tmp_path / "x.pth", tmp_path / "x.pdparams")
    side = Selection(side="dst-")

    paddle.save({"model": other_target(), "ema": target()}, f"{paths[1]}")
    with pytest.raises(WrongChoice, match=r"choose one with --dst-weights model or --dst-weights ema$"):
        read_pair("", *paths, target_part=side)
    paddle.save(prefixed("a.", target()) | prefixed("b.", other_target()), f"{paths[1]}")
    with pytest.raises(WrongChoice, match=r"choose with --dst-strip-prefix a\. or --dst-strip-prefix b\.$"):
        read_pair("", *paths, target_part=side)


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_reads_every_shard_of_an_index(legacy: bool, tmp_path: Path, workers: dict[str, Worker]) -> None:
    write_shards(tmp_path, behind("model.", model()), legacy=legacy)
    write_pdparams(tmp_path / "x.pdparams", carried(DIGITS.params(), WEIGHTS))

    pair = read_pair("", tmp_path, tmp_path / "x.pdparams")

    assert pair.source.checkpoint.container == "sharded torch"
    assert holds(pair, workers) == (True, "torch by torch.load, paddle by paddle.load")


def test_a_pair_of_wrapped_files_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_encoders, _ = ASKED["two encoders"]
    torch.save({"x": two_encoders()}, tmp_path / "x.pth")
    paddle.save({"model": other_target(), "ema": prefixed("student.", target())}, f"{tmp_path}/x.pdparams")
    given = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams", "--report", f"{tmp_path}/out"]
    parts = ["--strip-prefix", "module.encoder_q.", "--dst-weights", "ema", "--dst-strip-prefix", "student."]

    status = main([*given, *parts])

    output = capsys.readouterr()
    assert "VERIFIED" in output.out
    assert "state dict 'x.state_dict', prefix 'module.encoder_q.'" in output.out
    assert "state dict 'ema', prefix 'student.'" in output.out
    assert status == 0


def test_the_other_half_of_a_pair_is_not_verified(tmp_path: Path, workers: dict[str, Worker]) -> None:
    torch.save(
        behind("student.", {name: torch.from_numpy(array) for name, array in OTHERS.items()}), tmp_path / "x.pth"
    )
    write_pdparams(tmp_path / "x.pdparams", carried(DIGITS.params(), WEIGHTS))

    assert not holds(read_pair("", tmp_path / "x.pth", tmp_path / "x.pdparams"), workers)[0]
