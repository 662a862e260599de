"""What the command prints for programs, the list of architectures, and the plan's operations."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from library_keys import stored

from convert import ARCHS, convert_state_dict
from convert.checkpoints import write_checkpoint
from convert.cli import main
from convert.digest import combined_digest, sha256_of, tensor_digests
from convert.job import Job, Options
from convert.params import parameter_count
from convert.source.pretrained import PRETRAINED
from convert.summary import as_text
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnextv2_atto"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")


def write_source(folder: Path, kind: str) -> Path:
    """The same tensors in another container, layout or key format."""
    container, _, keys = kind.partition(", ")
    if container == "pdparams":
        weights, framework = convert_state_dict(SPEC, WEIGHTS), "paddle"
    else:
        weights, framework = stored(SPEC, keys or "official", WEIGHTS), "torch"
    if kind == "pth in reverse order":
        container, weights = "pth", dict(reversed(WEIGHTS.items()))
    write_checkpoint(folder / f"x.{container}", weights, framework=framework)
    return folder / f"x.{container}"


def document(capsys: pytest.CaptureFixture[str], *given: object) -> dict[str, Any]:
    assert main([*map(str, given), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return dict(json.loads(out))


def test_the_json_summary_has_every_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "x.pth", tmp_path / "x.pdparams"
    theirs = {f"module.{key}": array for key, array in stored(SPEC, "timm", WEIGHTS).items()}
    torch.save({"state_dict_ema": as_tensors(theirs)}, source)

    summary = document(capsys, "--src", source, "--dst", target)

    assert summary == {
        "schema_version": 1,
        "arch": "convnextv2_atto",
        "variant": None,
        "form": "",
        "recognised": True,
        "num_classes": 1000,
        "in_chans": 3,
        "tensors": 140,
        "parameters": 3_708_400,
        "operations": {"1x1 convolution to Linear": 24, "copy": 91, "transpose": 25, "vector to (1, 1, 1, C)": 24},
        "digest": combined_digest(tensor_digests(WEIGHTS)),
        "source": {
            "path": str(source),
            "container": "torch zip",
            "framework": "torch",
            "wrapper": "state_dict_ema",
            "prefix": "module.",
            "key_format": "timm",
            "sha256": sha256_of(source),
            "shards": {},
        },
        "target": {
            "path": str(target),
            "container": "paddle pickle",
            "framework": "paddle",
            "key_format": "official",
            "bytes": target.stat().st_size,
            "sha256": sha256_of(target),
        },
        "notes": [],
    }


def test_the_json_summary_names_the_targets_key_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_source(tmp_path, "pdparams")

    summary = document(capsys, "--src", source, "--dst", tmp_path / "y.safetensors", "--to", "timm")

    target = summary["target"]
    assert (target["container"], target["framework"], target["key_format"]) == ("safetensors", "torch", "timm")


def test_the_json_summary_has_the_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({name: tensor.half() for name, tensor in as_tensors(WEIGHTS).items()}, tmp_path / "x.pth")

    summary = document(capsys, "--src", tmp_path / "x.pth", "--dst", tmp_path / "y.pth", "--num-classes", 7)

    assert summary["notes"] == [
        "140 tensors of float16 became float32",
        "the head is new: 7 classes, initialised at random (seed 0), untrained",
    ]


def test_a_library_that_must_be_told_the_eps_is_noted(tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, eps=1e-5)
    read = Job.read("", write_source(tmp_path, "pth"), Options(to="mmpretrain"))

    lines = as_text(dataclasses.replace(read, spec=spec), "torch").split("\n")

    assert lines[2:] == ["every norm's eps is 1e-05, mmpretrain's is 1e-06: build it with that eps"]
    assert as_text(read, "torch").split("\n") == lines[:2]


KINDS = [
    "pth",
    "pth in reverse order",
    "safetensors",
    "pdparams",
    "pth, timm",
    "safetensors, transformers",
    "pth, mmpretrain",
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_the_tensors_alone(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = document(capsys, "--src", write_source(tmp_path, kind), "--dst", tmp_path / "y.safetensors")

    assert summary["digest"] == combined_digest(tensor_digests(WEIGHTS))


def test_the_digest_sees_one_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {name: array.copy() for name, array in WEIGHTS.items()}
    weights["head.bias"][3:4].view("uint32")[0] ^= 1
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    summary = document(capsys, "--src", tmp_path / "x.pth", "--dst", tmp_path / "y.pdparams")

    assert summary["digest"] != combined_digest(tensor_digests(WEIGHTS))


def test_the_list_has_every_architecture_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["architecture", "parameters", "classes", "published", "checkpoints"]
    assert [row[:3] for row in rows[1:-3]] == [
        [name, f"{parameter_count(spec.params()):,}", "10" if name == "convnext_digits" else "1000"]
        for name, spec in ARCHS.items()
    ]


def test_the_list_has_every_published_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-3]]
    assert {f"{row[0]}.{name}" for row in rows for name in row[3:]} == set(PRETRAINED)


def plan(capsys: pytest.CaptureFixture[str], *given: object) -> dict[str, list[str]]:
    """Target key to the cells of its row."""
    assert main([*map(str, given), "--plan"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()[1:]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    return {row[-2]: row for row in rows}


def test_the_plan_says_what_happens_to_each_tensor_of_timms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(capsys, "--src", write_source(tmp_path, "pth, timm"))

    block = "stages.0.blocks.0"
    wide, grn = "1x1 convolution to Linear, transpose", "vector to (1, 1, 1, C)"
    assert [rows[f"stages.0.0.{name}"] for name in ("dwconv.bias", "pwconv1.weight", "grn.gamma")] == [
        [f"{block}.conv_dw.bias", "(40,)", "copy", "stages.0.0.dwconv.bias", "(40,)"],
        [f"{block}.mlp.fc1.weight", "(160, 40, 1, 1)", wide, "stages.0.0.pwconv1.weight", "(40, 160)"],
        [f"{block}.mlp.grn.weight", "(160,)", grn, "stages.0.0.grn.gamma", "(1, 1, 1, 160)"],
    ]


def test_the_plan_back_to_timm_says_what_is_undone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(capsys, "--src", write_source(tmp_path, "pdparams"), "--to", "timm")

    key = "stages.0.blocks.0.mlp.fc1.weight"
    operations = "transpose, back from 1x1 convolution to Linear"
    assert rows[key] == ["stages.0.0.pwconv1.weight", "(40, 160)", operations, key, "(160, 40, 1, 1)"]


def test_the_plan_shows_casts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(capsys, "--src", write_source(tmp_path, "pth"), "--dtype", "bfloat16")

    assert rows["head.weight"][2] == "cast, transpose"


def test_the_plan_of_a_pth_target_transposes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(capsys, "--src", write_source(tmp_path, "pth"), "--dst", tmp_path / "y.pth")

    assert {row[2] for row in rows.values()} == {"copy"}


def test_the_plans_target_shapes_are_the_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = plan(capsys, "--src", write_source(tmp_path, "pth, timm"))

    assert {key: row[-1] for key, row in rows.items()} == {p.paddle_name: str(p.paddle_shape) for p in SPEC.params()}


def test_what_is_left_out_of_a_clip_model_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trunk = {f"visual.trunk.{key}": array for key, array in stored(SPEC, "timm", WEIGHTS).items() if "fc." not in key}
    text = {"text_projection": np.ones((2, 2), "float32"), "logit_scale": np.ones((), "float32")}
    write_checkpoint(tmp_path / "x.pth", {**text, **trunk}, framework="torch")

    summary = document(capsys, "--src", tmp_path / "x.pth", "--dst", tmp_path / "y.pdparams", "--num-classes", 1000)

    assert summary["source"]["key_format"] == "openclip"
    assert summary["notes"][1] == "2 tensors of other parts of the model left out, first text_projection"
