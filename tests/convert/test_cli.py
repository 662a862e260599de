"""The `convert` command: what it prints, returns and leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, run_python, same_bits
from twins import carried

from convert import ARCHS, __version__, read_checkpoint
from convert.cli import main
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
COUNTS = "471,790 parameters in 74 tensors, 61 copied, 13 transposed"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An ordinary checkpoint of a convnext_digits, alone in its folder."""
    torch.save({"model": as_tensors(WEIGHTS), "epoch": 3}, tmp_path / "x.pth")
    return tmp_path / "x.pth"


def arguments(source: Path, *more: object) -> list[str]:
    return ["--arch", "convnext_digits", "--src", str(source), *map(str, more)]


def converted(path: Path) -> bool:
    return same_bits(read_checkpoint(path).tensors, carried(DIGITS.params(), WEIGHTS))


def test_a_conversion_writes_the_target(source: Path) -> None:
    target = source.with_suffix(".pdparams")

    assert main(arguments(source, "--dst", target)) == 0

    assert converted(target)
    assert sorted(path.name for path in source.parent.iterdir()) == ["x.pdparams", "x.pth"]


def test_a_conversion_says_what_it_read_found_and_wrote(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.with_suffix(".pdparams")

    main(arguments(source, "--dst", target))

    assert capsys.readouterr() == (
        f"read {source}: torch zip, under 'model', official keys\n"
        f"convnext_digits, 10 classes, 3 input channels: {COUNTS}\n"
        f"wrote {target}: {target.stat().st_size:,} bytes\n",
        "",
    )


def test_a_conversion_leaves_the_source_as_it_was(source: Path) -> None:
    before = source.read_bytes()

    main(arguments(source, "--dst", source.with_suffix(".pdparams")))

    assert source.read_bytes() == before


def test_a_bare_state_dict_of_parallel_training_is_converted(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(as_tensors({f"module.{name}": array for name, array in WEIGHTS.items()}), source)

    assert main(arguments(source, "--dst", source.with_suffix(".pdparams"))) == 0

    assert capsys.readouterr().out.startswith(f"read {source}: torch zip, official keys, prefix 'module.' taken off\n")
    assert converted(source.with_suffix(".pdparams"))


def test_another_head_and_stem_are_recognised(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = WEIGHTS | {
        "head.weight": np.ones((7, 160), "float32"),
        "head.bias": np.ones(7, "float32"),
        "downsample_layers.0.0.weight": np.ones((20, 1, 4, 4), "float32"),
    }
    torch.save(as_tensors(weights), source)

    assert main(arguments(source, "--plan")) == 0

    line = f"convnext_digits, 7 classes, 1 input channel: {471_790 - 3 * 161 - 640:,} parameters in 74 tensors"
    assert line in capsys.readouterr().out


def test_the_weights_to_convert_can_be_chosen(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zeros = {name: np.zeros_like(array) for name, array in WEIGHTS.items()}
    torch.save({"model": as_tensors(zeros), "model_ema": as_tensors(WEIGHTS)}, source)

    assert main(arguments(source, "--dst", source.with_suffix(".pdparams"), "--weights", "model_ema")) == 0

    assert capsys.readouterr().out.startswith(f"read {source}: torch zip, under 'model_ema', official keys\n")
    assert converted(source.with_suffix(".pdparams"))


def test_the_plan_has_a_line_for_every_tensor(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(source, "--plan")) == 0

    lines = capsys.readouterr().out.split("\n")
    cells = [tuple(cell.strip() for cell in line.split("  ") if cell.strip()) for line in lines[:75]]
    assert cells[0] == ("source", "shape", "operation", "target", "shape")
    assert cells[1:] == [
        (p.torch_name, str(p.shape), p.layout.value, p.paddle_name, str(p.paddle_shape)) for p in DIGITS.params()
    ]


def test_the_plan_ends_in_the_summary(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(source, "--plan"))

    assert capsys.readouterr().out.split("\n")[75:] == [
        "",
        f"read {source}: torch zip, under 'model', official keys",
        f"convnext_digits, 10 classes, 3 input channels: {COUNTS}",
        "nothing was written (--plan)",
        "",
    ]


def test_the_plans_columns_are_aligned(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(source, "--plan"))

    lines = capsys.readouterr().out.split("\n")
    name, shapes = "head.weight".ljust(30), ("(10, 160)".ljust(17), "(160, 10)")
    assert lines[0] == "source".ljust(30) + "shape".ljust(17) + "operation  " + "target".ljust(30) + "shape"
    assert lines[73] == name + shapes[0] + "transpose  " + name + shapes[1]


def test_the_plan_shows_the_checkpoints_own_keys(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(as_tensors({f"module.{name}": array for name, array in WEIGHTS.items()}), source)

    main(arguments(source, "--plan"))

    assert capsys.readouterr().out.split("\n")[73].split()[0] == "module.head.weight"


def test_the_plan_writes_nothing_even_with_a_target(source: Path) -> None:
    assert main(arguments(source, "--plan", "--dst", source.with_suffix(".pdparams"))) == 0

    assert list(source.parent.iterdir()) == [source]


def test_the_plan_of_an_unfitting_checkpoint_shows_every_problem(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(as_tensors({name: array.astype("int32") for name, array in WEIGHTS.items()}), source)

    assert main(arguments(source, "--plan")) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\n") == [
        f"convert: {source} does not fit convnext_digits: 74 problems",
        *(f"  dtype       {name:<28}  expected float32, found int32" for name in WEIGHTS),
        "fetch the file again, or save it anew from a model without these values",
        "convert: nothing was written",
        "",
    ]


def test_an_existing_target_is_replaced_by_force(source: Path) -> None:
    target = source.with_suffix(".pdparams")
    target.write_bytes(b"old")

    assert main(arguments(source, "--dst", target, "--force")) == 0

    assert converted(target)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--src", "x.pth"], "--dst is needed, or --plan to see the mapping only"),
        (["--arch", "convnext_tiny"], "--src is needed, or --list to see the architectures"),
        ([], "--src is needed, or --list to see the architectures"),
        (["--arch", "convnext_tiny", "--src", "x.pth"], "--dst is needed, or --plan to see the mapping only"),
        (["--arch", "convnext_tiny", "--src", "x.pth", "--plan", "y"], "unrecognized arguments: y"),
        (["--list", "--src", "x.pth"], "--list prints what is known, so leave --src out"),
        (["--src", "x.pth", "--plan", "--force", "--json"], "--plan writes nothing, so leave --force and --json out"),
        (
            ["--src", "x.pth", "--dst", "x.pdparams", "--to", "timm"],
            "--to timm is for a PyTorch target, .pth or .safetensors; a .pdparams takes --to official, paddleclas, "
            "paddleclas_wsl or paddlevit, and has the official keys without it",
        ),
        (
            ["--src", "x.pth", "--dst", "x.pt", "--to", "paddleclas"],
            "--to paddleclas is for a Paddle target, .safetensors or .pdparams; a .pt takes --to official, timm, "
            "torchvision, transformers or mmpretrain, and has the official keys without it",
        ),
        (
            ["--src", "x.pth", "--dst", "x.pdparams", "--sha256", "0" * 64],
            "x.pth: --sha256 is for a download; `sha256sum` prints a file's digest",
        ),
    ],
)
def test_wrong_usage_exits_with_2(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(given)

    assert caught.value.code == 2
    assert capsys.readouterr().err.split("\n")[-2] == f"convert: error: {message}"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"paddleferry {__version__}\n"


COMMANDS = {
    "python -m convert": [sys.executable, "-m", "convert"],
    "convert": [f"{Path(sys.executable).parent}/convert"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works_as_a_process_of_its_own(command: str, source: Path) -> None:
    target = source.with_suffix(".pdparams")

    child = subprocess.run([*COMMANDS[command], *arguments(source, "--dst", target)], capture_output=True, text=True)

    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.startswith(f"read {source}: torch zip, under 'model', official keys\n")
    assert converted(target)


def test_the_command_fails_as_a_process_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convert", *arguments(tmp_path / "no.pth", "--dst", tmp_path / "x.pdparams")]

    child = subprocess.run(command, capture_output=True, text=True)

    assert (child.returncode, child.stdout) == (1, "")
    assert child.stderr == (
        f"convert: {tmp_path}/no.pth: cannot be read: No such file or directory; check the path and its "
        "permissions\nconvert: nothing was written\n"
    )


def test_an_interrupted_conversion_says_that_nothing_was_written(source: Path) -> None:
    code = (
        "import signal, sys, convert.cli\n"
        "source = sys.argv[4]\n"
        "def interrupt(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]) == source:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
        "sys.exit(convert.cli.main(sys.argv[1:]))"
    )

    child = run_python(code, *arguments(source, "--dst", source.with_suffix(".pdparams")))

    assert (child.returncode, child.stdout) == (130, "")
    assert child.stderr == "\nconvert: interrupted; nothing was written\n"
    assert list(source.parent.iterdir()) == [source]
