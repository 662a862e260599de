"""The command prints for people and for programs, and says what does not go together."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors

from convert import ARCHS
from convert.digest import sha256_of
from convert.inspect.diff_document import SCHEMA as DIFF_SCHEMA
from convert.inspect.document import SCHEMA as INSPECT_SCHEMA
from convert.inspect.signs import KINDS
from convert.inspect.text import SHOWN
from verify.program.commands import main
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")
SCHEMA = json.loads(INSPECT_SCHEMA.read_text(encoding="utf-8"))
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    planted = {**WEIGHTS, "head.bias": np.zeros(10, "float32"), "head.weight": WEIGHTS["head.weight"] * 0}
    planted["norm.bias"] = np.full_like(WEIGHTS["norm.bias"], np.inf)
    state = {0: {"exp_avg": torch.ones(2)}}
    torch.save({"model": as_tensors(planted), "epoch": 3, "optimizer": {"state": state}}, tmp_path / "x.pth")
    return tmp_path / "x.pth"


def printed(capsys: Captured, *words: object) -> str:
    assert main(["inspect", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_plain_view_is_short(checkpoint: Path, capsys: Captured) -> None:
    assert printed(capsys, checkpoint).splitlines() == [
        f"{checkpoint}: torch zip, {checkpoint.stat().st_size:,} bytes",
        f"sha256 {sha256_of(checkpoint)}",
        "",
        "at               tensors  parameters  bytes      dtypes   what",
        "model            74       471,790     1,887,160  float32  "
        "convnext_digits, 10 classes, 3 input channels, official keys",
        "optimizer.state  1        2           8          float32  no state dict",
        "",
        "beside the tensors",
        "  epoch  3",
        "",
        "signs that something is off",
        "  not finite: 1 tensor with 0 NaN and 160 Inf",
        "    model.norm.bias",
        "  untrained head: every bias is 0, and the weights' root mean square is 0: a head that was never trained",
        "    model.head.weight, model.head.bias",
        "  all zero: 2 tensors of which every value is 0",
        "    model.head.weight, model.head.bias",
    ]


def test_tensors_have_a_line_each(checkpoint: Path, capsys: Captured) -> None:
    lines = printed(capsys, checkpoint, "--tensors").splitlines()

    first = next(n for n, line in enumerate(lines) if line.startswith("tensor "))
    head = lines[first].split()
    rows = {line.split()[0]: line.split() for line in lines[first + 1 : first + 76]}
    assert head == ["tensor", "shape", "dtype", "min", "max", "mean", "rms", "NaN", "Inf", "digest"]
    assert list(rows) == [*(f"model.{name}" for name in WEIGHTS), "optimizer.state[0].exp_avg"]
    assert rows["model.norm.bias"][1:9] == ["(160,)", "float32", "-", "-", "-", "-", "0", "160"]
    assert lines[first + 76].startswith("digest: the first 16 digits of the SHA-256 of dtype, shape and values")


@pytest.mark.parametrize("words", [[], ["--tensors"]])
def test_the_json_has_the_stated_form(words: list[str], checkpoint: Path, capsys: Captured) -> None:
    document = json.loads(printed(capsys, checkpoint, "--json", *words))

    jsonschema.validate(document, SCHEMA)
    assert document["sha256"] == sha256_of(checkpoint)
    assert [place["tensors"] is None for place in document["places"]] == [not words] * 2
    assert [sign["kind"] for sign in document["signs"]] == ["not finite", "untrained head", "all zero"]


@pytest.mark.parametrize("schema", [INSPECT_SCHEMA, DIFF_SCHEMA], ids=lambda path: path.name)
def test_a_form_is_a_schema_that_describes_every_field(schema: Path) -> None:
    document = json.loads(schema.read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator.check_schema(document)
    assert [node for node in nodes(document) if not node.get("description")] == []
    assert [node for node in nodes(document) if "properties" in node and node.get("additionalProperties", True)] == []


def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
    inner += [node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict)]
    own = [] if node == {"type": "null"} else [node]
    return own + [found for child in inner for found in nodes(child)]


def test_the_form_has_every_kind_of_sign() -> None:
    kinds = SCHEMA["properties"]["signs"]["items"]["properties"]["kind"]["enum"]

    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize("change", [{"bytes": "many"}, {"extra": 1}, {"schema_version": 2}, {"places": [{}]}])
def test_the_form_refuses_another(change: dict[str, Any], checkpoint: Path, capsys: Captured) -> None:
    document = json.loads(printed(capsys, checkpoint, "--json"))

    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(document | change)


def test_a_long_list_is_cut_for_people_and_whole_for_programs(tmp_path: Path, capsys: Captured) -> None:
    torch.save({"w": torch.arange(3.0), **{f"number {n}": n for n in range(30)}}, tmp_path / "x.pth")

    text = printed(capsys, tmp_path / "x.pth")

    assert f"  ... and {30 - SHOWN} more; --json has all\n" in text
    assert len(json.loads(printed(capsys, tmp_path / "x.pth", "--json"))["beside"]) == 30


MISUSE = {
    "two files": (["x", "y"], "one file is looked at; --diff compares two"),
    "one file to compare": (["x", "--diff"], "--diff compares two files; give two, not 1"),
    "three files": (["x", "y", "z", "--diff"], "--diff compares two files; give two, not 3"),
    "tensors of two": (["x", "y", "--diff", "--tensors"], "--diff compares two files, so leave --tensors out"),
    "weights of one": (["x", "--weights", "m"], "--weights needs --diff: give it, or leave it out"),
    "no file": ([], "the following arguments are required: FILE"),
}


@pytest.mark.parametrize("kind", MISUSE)
def test_it_is_wrong_usage_to_give(kind: str, capsys: Captured) -> None:
    words, message = MISUSE[kind]

    with pytest.raises(SystemExit) as caught:
        main(["inspect", *words])

    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"paddleferry inspect: error: {message}"


def test_bad_input_is_one_clear_error(tmp_path: Path, capsys: Captured) -> None:
    missing = tmp_path / "x.pth"

    assert main(["inspect", str(missing)]) == 1
    assert capsys.readouterr() == (
        "",
        f"paddleferry inspect: {missing}: cannot be read: No such file or directory; "
        "check the path and its permissions\n",
    )


def test_the_help_says_what_the_statuses_mean(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert "exit status: 0 shown, or both equal; 1 bad input, or with --diff different; 2 wrong usage" in text


def run_on_a_terminal(checkpoint: Path, *, is_gone: bool) -> tuple[bytes, str]:
    """What the command writes to stdout, and to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))  # rows, columns
    code = "import sys, verify.program.commands as program; sys.exit(program.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "inspect", str(checkpoint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        written = b""
        if is_gone:
            os.close(ours)
        else:
            with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
                while part := os.read(ours, 4096):
                    written += part
            os.close(ours)
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return out, written.decode()


def test_a_bar_shows_on_a_terminal(checkpoint: Path) -> None:
    out, drawn = run_on_a_terminal(checkpoint, is_gone=False)

    assert out.startswith(f"{checkpoint}: torch zip".encode())
    assert "inspect:" in drawn
    assert "B/s" in drawn


def test_a_terminal_that_goes_away_ends_nothing(checkpoint: Path) -> None:
    out, _ = run_on_a_terminal(checkpoint, is_gone=True)

    assert out.startswith(f"{checkpoint}: torch zip".encode())
