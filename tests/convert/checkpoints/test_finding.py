"""The weights are found wherever in a file they stand; of several the user is asked, and each answer leads on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import same_bits
from wrapped_files import ASKED, CHOSEN, FOUND, OPTIMIZER, WEIGHTS, Wrapped, model, of_the_tutorial, other

from convert import read_checkpoint
from convert.checkpoints.finding import MAX_DEPTH
from convert.cli import main
from convert.errors import CheckpointError, WrongChoice
from convert.source.read import Selection, read_source

FILES = {**FOUND, **CHOSEN}


def selection(case: Wrapped) -> Selection:
    return Selection(case.weights, case.strip_prefix)


def options(case: Wrapped) -> list[str]:
    weights = ["--weights", case.weights] if case.weights else []
    return [*weights, *(["--strip-prefix", case.strip_prefix] if case.strip_prefix else [])]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_the_weights_are_found_in(kind: str, legacy: bool, tmp_path: Path) -> None:
    case = FILES[kind]
    torch.save(case.content(), tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)

    source = read_source(tmp_path / "x.pth", selection=selection(case))

    assert same_bits({name: source.tensors[name] for name in WEIGHTS}, WEIGHTS)
    assert (source.checkpoint.wrapper, source.named.prefix) == (case.wrapper, case.prefix)
    assert len(source.named.left_out) + len(source.named.numbers) == case.left_out


@pytest.mark.parametrize("kind", FILES)
def test_the_summary_says_where_they_stood(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = FILES[kind]
    torch.save(case.content(), tmp_path / "x.pth")

    status = main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams", *options(case)])

    lines = capsys.readouterr().out.splitlines()
    under = f", under {case.wrapper!r}" if case.wrapper else ""
    taken_off = f", prefix {case.prefix!r} taken off" if case.prefix else ""
    assert lines[0] == f"read {tmp_path}/x.pth: torch zip{under}, official keys{taken_off}"
    numbered = re.compile(rf"{case.left_out} (tensor|single number)s? .*left out")
    assert sum(bool(numbered.match(line)) for line in lines[1:]) == bool(case.left_out)
    assert status == 0


@pytest.mark.parametrize("kind", ASKED)
def test_the_user_is_asked_for(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, message = ASKED[kind]
    torch.save(content(), tmp_path / "x.pth")

    status = main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"])

    assert capsys.readouterr() == ("", f"convert: {tmp_path}/x.pth: {message}\nconvert: nothing was written\n")
    assert status == 1


@pytest.mark.parametrize("kind", ASKED)
def test_each_answer_that_is_offered_leads_on(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, message = ASKED[kind]
    torch.save(content(), tmp_path / "x.pth")
    answers = re.findall(r"--(?:weights|strip-prefix) (?:'[^']*'|\S+)", message)

    digests = set()
    for answer in answers:
        given = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams", "--force", "--json"]
        assert main([*given, *shlex.split(answer)]) == 0
        digests.add(re.findall(r'"digest": "(\w+)"', capsys.readouterr().out)[0])
    assert len(digests) == len(answers) > 0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("loss.x", "has no weights under 'loss.x'; it holds 'model_state_dict'"),
        ("epoch", "has no weights under 'epoch'; it holds 'model_state_dict'"),
        ("optimizer_state_dict", "has no weights under 'optimizer_state_dict'; it holds 'model_state_dict'"),
    ],
)
def test_a_path_without_weights_is_answered_with_those_that_have_some(
    weights: str, message: str, tmp_path: Path
) -> None:
    torch.save(of_the_tutorial(), tmp_path / "x.pth")

    with pytest.raises(WrongChoice) as caught:
        read_checkpoint(tmp_path / "x.pth", weights=weights)

    assert str(caught.value) == f"{tmp_path}/x.pth: {message}"


def test_a_prefix_that_no_key_has_is_answered_with_those_that_some_have(tmp_path: Path) -> None:
    content, _ = ASKED["two encoders"]
    torch.save(content(), tmp_path / "x.pth")

    with pytest.raises(WrongChoice) as caught:
        read_source(tmp_path / "x.pth", selection=Selection(strip_prefix="encoder."))

    assert str(caught.value) == (
        f"{tmp_path}/x.pth: no key begins with 'encoder.'; "
        "--strip-prefix module.encoder_q. or --strip-prefix module.encoder_k."
    )


def test_any_path_that_holds_tensors_can_be_chosen(tmp_path: Path) -> None:
    torch.save({"model": model(), "center": {"c": torch.ones(1, 7)}}, tmp_path / "x.pth")

    assert list(read_checkpoint(tmp_path / "x.pth", weights="center").tensors) == ["c"]


def test_two_state_dicts_of_no_known_model_are_asked_for_too(tmp_path: Path) -> None:
    torch.save({"netG": {"w": torch.ones(1)}, "netD": {"w": torch.ones(2)}}, tmp_path / "x.pth")

    with pytest.raises(WrongChoice, match=r"choose one with --weights netG or --weights netD$"):
        read_checkpoint(tmp_path / "x.pth")


def nested(depth: int) -> Any:
    content: Any = model()
    for _ in range(depth):
        content = {"x": content}
    return content


def test_a_state_dict_is_looked_for_at_small_depths_only(tmp_path: Path) -> None:
    torch.save(nested(MAX_DEPTH), tmp_path / "x.pth")
    torch.save(nested(MAX_DEPTH + 1), tmp_path / "y.pth")

    assert read_checkpoint(tmp_path / "x.pth").wrapper == "x.x.x.x.x"
    with pytest.raises(CheckpointError, match="holds no tensors; keys: 'x'; "):
        read_checkpoint(tmp_path / "y.pth")


def test_a_dict_that_holds_itself_ends_the_search(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": model()}
    content["again"] = [content]
    torch.save(content, tmp_path / "x.pth")

    assert read_checkpoint(tmp_path / "x.pth").wrapper == "model"
    assert read_checkpoint(tmp_path / "x.pth", weights="again.0.model").wrapper == "model"


def test_weights_that_are_arrays_of_numpy_are_found(tmp_path: Path) -> None:
    mixed = {**model(), "norm.bias": np.array(WEIGHTS["norm.bias"])}
    torch.save({"a": {"b": mixed}, "optimizer": OPTIMIZER}, tmp_path / "x.pth")

    read = read_checkpoint(tmp_path / "x.pth")

    assert read.wrapper == "a.b"
    assert same_bits(read.tensors, WEIGHTS)


def test_the_other_model_is_another_one() -> None:
    assert not same_bits({name: tensor.numpy() for name, tensor in other().items()}, WEIGHTS)
