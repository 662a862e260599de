"""A message's advice, taken word for word, leads on: each command fails, and with what its message says it does not."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import pytest
import torch
from checkpoint_files import as_tensors
from made_up_images import write_images
from wrapped_files import DIGITS, WEIGHTS, behind, model, other

from convert import ARCHS
from convert.checkpoints import write_checkpoint, write_pdparams
from convert.cli import main as convert
from convert.state_dict import convert_state_dict
from verify.cli import main as verify
from verify.selftest.weights import distinct_weights

pytestmark = pytest.mark.long

Make = Callable[[Path], Any]
OPTION = r"--[a-z][a-z-]*"


def saved(content: Callable[[], Any]) -> Make:
    return lambda folder: torch.save(content(), folder / "x.pth")


def with_target(folder: Path) -> None:
    torch.save(model(), folder / "x.pth")
    (folder / "x.pdparams").write_bytes(b"mine")


def of_another_arch() -> Any:
    return as_tensors(distinct_weights(ARCHS["convnext_atto"].params(), dtype="float32"))


def shallow() -> Any:
    spec = DIGITS.resized([(1, 20), (1, 40), (2, 80), (1, 160)])
    return as_tensors(distinct_weights(spec.params(), dtype="float32"))


def in_float64() -> Any:
    return as_tensors({name: values * 1.1 for name, values in distinct_weights(DIGITS.params()).items()})


def of_version_2(folder: Path) -> None:
    spec = ARCHS["convnextv2_atto"]
    weights = convert_state_dict(spec, distinct_weights(spec.params(), dtype="float32"))
    write_pdparams(folder / "x.pdparams", weights)


# What is written, the command on it, and the pattern of the advice. Its groups are the words that are added; of a
# choice each is taken in turn.
CASES: dict[str, tuple[Make, str, str]] = {
    "several state dicts": (
        saved(lambda: {"model": model(), "ema": other()}),
        "--src x.pth --dst x.pdparams",
        r"(--weights [^\s,;]+)",
    ),
    "several deep state dicts": (
        saved(lambda: {"a": {"net": model()}, "b": [{"net": other()}]}),
        "--src x.pth --dst x.pdparams",
        r"(--weights [^\s,;]+)",
    ),
    "a path that is none": (
        saved(lambda: {"model": model(), "ema": other()}),
        "--src x.pth --dst x.pdparams --weights mdoel",
        r"'(?P<weights>[a-z]+)'(?=, '|$)",
    ),
    "several models in one state dict": (
        saved(lambda: {**behind("student.", model()), **behind("teacher.", other())}),
        "--src x.pth --dst x.pdparams",
        r"(--strip-prefix [^\s,;]+)",
    ),
    "a bare model beside its average": (
        saved(lambda: {**model(), **behind("ema.", other())}),
        "--src x.pth --dst x.pdparams",
        r"(--strip-prefix [^\s,;]+)",
    ),
    "other tensors beside the model's": (
        saved(lambda: {**behind("net.", model()), "loss.weight": torch.ones(3, 3)}),
        "--src x.pth --dst x.pdparams",
        r"(--strip-prefix [^\s,;]+)",
    ),
    "a target that stands": (with_target, "--src x.pth --dst x.pdparams", r"(--force) replaces it"),
    "an architecture that is no name": (
        saved(of_another_arch),
        "--src x.pth --dst x.pdparams --arch convnext_ato",
        r"did you mean (?P<arch>[a-z0-9_]+)",
    ),
    "another architecture": (
        saved(of_another_arch),
        "--src x.pth --dst x.pdparams --arch convnext_pico",
        r"choose --arch (?P<arch>[a-z0-9_]+)",
    ),
    "what may be a part": (saved(shallow), "--src x.pth --dst x.pdparams", r"choose (--arch own)"),
    "float64": (saved(in_float64), "--src x.pth --dst x.pdparams", r"(--dtype float32) rounds it"),
    "a format that the library lacks": (
        of_version_2,
        "--src x.pdparams --dst x.safetensors --to torchvision",
        r"--to (?P<to>[a-z]+(?: or [a-z]+)*)$",
    ),
    "the same in a file of Paddle": (
        lambda folder: saved(lambda: as_tensors(distinct_weights(ARCHS["convnext_isotropic_small"].params())))(folder),
        "--src x.pth --dst x.pdparams --dtype float32 --to paddleclas",
        r"--to (?P<to>[a-z]+(?: or [a-z]+)*)$",
    ),
}


def run(command: Callable[[list[str]], int], line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(folder)
    return command(shlex.split(line))


def followed(line: str, pattern: str, message: str) -> list[str]:
    """The command with what the message advises, once for each choice that it gives."""
    lines = []
    for match in re.finditer(pattern, message, re.MULTILINE):
        named = match.groupdict()
        words = [f"--{option} {word}" for option, text in named.items() for word in text.split(" or ")]
        for advice in words or [match[1]]:
            option = advice.split()[0]
            lines.append(f"{re.sub(rf' {option} [^ ]+', '', line)} {advice}")
    return lines


@pytest.mark.parametrize("case", CASES)
def test_what_convert_advises_leads_on(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, line, pattern = CASES[case]
    make(tmp_path)

    assert run(convert, line, tmp_path, monkeypatch) == 1
    message = capsys.readouterr().err
    advised = followed(line, pattern, message)
    assert advised, message
    for number, better in enumerate(advised):
        target = f"{number}.{re.search(r'--dst [a-z]+[.]([a-z]+)', better)[1]}"  # type: ignore[index]
        renamed = better if "--force" in better else re.sub(r"--dst [^ ]+", f"--dst {target}", better)
        assert run(convert, renamed, tmp_path, monkeypatch) == 0, capsys.readouterr().err


@pytest.mark.parametrize("option", ["--plan", "--arch convnext_digits"])
def test_what_prints_all_problems_prints_them(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = {name: tensor for name, tensor in model().items() if "stages.2" not in name} | {"more": torch.ones(2)}
    torch.save(strange, tmp_path / "x.pth")
    line = "--src x.pth --dst x.pdparams" + " --arch convnext_digits" * (option == "--plan")

    assert run(convert, line, tmp_path, monkeypatch) == 1
    assert re.search(rf"{option} (prints them all|lists them)", capsys.readouterr().err)
    assert run(convert, f"{line} {option}", tmp_path, monkeypatch) == 1
    printed = capsys.readouterr()
    assert "stages.2.0.gamma" in printed.out + printed.err


def write_verified(folder: Path) -> None:
    write_checkpoint(folder / "x.pth", WEIGHTS, framework="torch")
    write_pdparams(folder / "x.pdparams", convert_state_dict(DIGITS, WEIGHTS))


def test_a_target_of_several_state_dicts_is_chosen_by_what_verify_advises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_verified(tmp_path)
    models = [
        {name: paddle.to_tensor(values) for name, values in convert_state_dict(DIGITS, weights).items()}
        for weights in (WEIGHTS, distinct_weights(DIGITS.params(), seed=1, dtype="float32"))
    ]
    paddle.save({"model": models[0], "ema": models[1]}, str(tmp_path / "x.pdparams"))

    assert run(verify, "--src x.pth --dst x.pdparams", tmp_path, monkeypatch) == 1
    advised = followed("--src x.pth --dst x.pdparams", r"(--dst-weights [^\s,;]+)", capsys.readouterr().err)
    assert len(advised) == 2
    assert run(verify, advised[0], tmp_path, monkeypatch) == 0


def test_a_backbone_is_verified_without_the_data_as_is_advised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = dataclasses.replace(DIGITS, num_classes=0)
    weights = {name: values for name, values in WEIGHTS.items() if not name.startswith("head.")}
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")
    write_pdparams(tmp_path / "x.pdparams", convert_state_dict(spec, weights))
    write_images(tmp_path / "val", count=4)
    line = "--src x.pth --dst x.pdparams"

    assert run(verify, f"{line} --data val", tmp_path, monkeypatch) == 1
    assert "; leave --data out" in capsys.readouterr().err
    assert run(verify, line, tmp_path, monkeypatch) == 0


def test_each_layout_that_a_data_set_may_have_is_named_as_it_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_verified(tmp_path)
    val = write_images(tmp_path / "val", count=10)
    lines = [f"{path.relative_to(val)} {number % 10}" for number, path in enumerate(sorted(val.glob("*/*")))]
    (val / "val_list.txt").write_text("\n".join(lines))
    line = "--src x.pth --dst x.pdparams --size 64 --data val"

    assert run(verify, line, tmp_path, monkeypatch) == 1
    layouts = re.search(r"may be read as (.+); --layout chooses", capsys.readouterr().err)
    assert layouts
    for layout in layouts[1].split(" or as "):
        assert run(verify, f"{line} --layout {layout}", tmp_path, monkeypatch) == 0, capsys.readouterr().err


def test_the_reading_of_advice_takes_every_choice() -> None:
    assert followed("--a x --to z", r"--to (?P<to>[a-z]+(?: or [a-z]+)*)$", "choose --to one or two") == [
        "--a x --to one",
        "--a x --to two",
    ]
    assert followed("--a x", r"(--b [a-z]+)", "--b c, or --b d") == ["--a x --b c", "--a x --b d"]
