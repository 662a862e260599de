"""OpenCLIP's models, whose projection is the head: timm's own filter and model are the judge."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from oracles import IMAGE, ORACLE, torch_output
from timm.models.convnext import checkpoint_filter_fn
from twins import max_rel, random_image, randomised

from convert.archs import ARCHS, ArchSpec
from convert.arrays import Array
from convert.checkpoints import read_checkpoint, write_checkpoint
from convert.cli import main
from convert.errors import CheckpointError
from convert.key_formats import name_officially

# OpenCLIP builds timm's model without a classifier as `visual.trunk`; the rest of CLIP stands beside it.
TEXT_TOWER = (
    "transformer.resblocks.0.ln_1.weight",
    "token_embedding.weight",
    "ln_final.bias",
    "text.transformer.resblocks.0.ln_1.weight",
    "positional_embedding",
    "text_projection",
    "logit_scale",
    "logit_bias",
    "attn_mask",
)
PROJECTIONS: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "linear": ("convnext_atto", {"visual.head.proj.weight": (7, 320)}),
    "linear with a bias": (
        "convnext_atto",
        {"visual.head.proj.weight": (7, 320), "visual.head.proj.bias": (7,)},
    ),
    "mlp": (
        "convnext_large_mlp",
        {
            "visual.head.mlp.fc1.weight": (1536, 1536),
            "visual.head.mlp.fc1.bias": (1536,),
            "visual.head.mlp.fc2.weight": (7, 1536),
        },
    ),
}
FEWER: dict[str, dict[str, Any]] = {"convnext_large_mlp": {"depths": (1, 1, 1, 1)}}


def clip_of(projection: str) -> tuple[ArchSpec, dict[str, Array]]:
    """The architecture with CLIP's projection as its head, and OpenCLIP's state dict."""
    arch, head = PROJECTIONS[projection]
    spec: ArchSpec = dataclasses.replace(ARCHS[arch], num_classes=7, **FEWER.get(arch, {}))
    trunk = timm.create_model(arch.removesuffix("_mlp"), num_classes=0, **FEWER.get(arch, {}))
    shapes = {f"visual.trunk.{name}": tuple(tensor.shape) for name, tensor in trunk.state_dict().items()}
    return spec, {**randomised(shapes | head), **{name: np.ones(3) for name in TEXT_TOWER}}


@pytest.mark.parametrize("projection", ["linear", "mlp"])  # timm's own filter drops a bias
def test_our_logits_of_a_clip_model_are_timms(projection: str) -> None:
    spec, tensors = clip_of(projection)
    arch = PROJECTIONS[projection][0]
    model = timm.create_model(arch, num_classes=7, **FEWER.get(arch, {}))
    theirs = {name: torch.from_numpy(array) for name, array in tensors.items()}
    model.load_state_dict(checkpoint_filter_fn(theirs, model))
    with torch.no_grad():
        expected = model.double().eval()(torch.from_numpy(random_image(IMAGE))).numpy()

    named = name_officially(tensors)

    # timm's model holds float32: its weights are the file's, rounded.
    weights = {name: array.astype("float32").astype("float64") for name, array in named.tensors.items()}
    assert max_rel(torch_output(spec, weights), expected) <= ORACLE


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_clip_models_projection_is_the_head_and_only_the_text_tower_is_left_out(projection: str) -> None:
    spec, tensors = clip_of(projection)

    named = name_officially(tensors)

    assert (named.key_format.name, named.left_out) == ("openclip", TEXT_TOWER)
    assert {name: array.shape for name, array in named.tensors.items()} == {
        param.torch_name: param.shape for param in spec.params()
    }
    assert list(named.made) == ([] if "bias" in projection else ["head.bias"])
    assert not any(array.any() for array in named.made.values())


def test_a_clip_models_visual_tower_alone_has_the_same_tensors() -> None:
    _, tensors = clip_of("linear")
    alone = {name.removeprefix("visual."): array for name, array in tensors.items() if name.startswith("visual.")}

    named = name_officially(alone)

    assert (named.key_format.name, named.left_out, named.prefix) == ("openclip", (), "")
    assert list(named.tensors) == list(name_officially(tensors).tensors)


def test_two_projections_in_one_file_are_refused() -> None:
    _, tensors = clip_of("linear")

    with pytest.raises(CheckpointError) as caught:
        name_officially({**tensors, "visual.head.mlp.fc2.weight": np.ones((7, 320))})

    assert str(caught.value) == (
        "'visual.head.proj.weight' and 'visual.head.mlp.fc2.weight' are one tensor's names; "
        "keep one model's keys in the file"
    )


def test_a_projection_of_no_columns_makes_no_bias() -> None:
    _, tensors = clip_of("linear")

    named = name_officially({**tensors, "visual.head.proj.weight": np.ones((10**12, 0))})

    assert "head.bias" not in named.tensors


def test_a_bias_of_zeros_is_written_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, tensors = clip_of("linear")
    theirs = {name: array.astype("float32") for name, array in tensors.items()}
    write_checkpoint(tmp_path / "x.pth", theirs, framework="torch")

    assert main(["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]) == 0

    written = read_checkpoint(tmp_path / "x.pdparams").tensors
    assert np.array_equal(written["head.weight"], theirs["visual.head.proj.weight"].T)
    assert not written["head.bias"].any()
    assert "head.bias is of zeros, for the source's layer has no bias\n" in capsys.readouterr().out
