"""Files of training code, as Python objects: where the weights stand in them, and behind which prefix."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from checkpoint_files import as_tensors

from convert import ARCHS
from verify.selftest.weights import distinct_weights

StateDict = dict[str, torch.Tensor]

DIGITS = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(DIGITS.params(), dtype="float32")
OTHERS = distinct_weights(DIGITS.params(), seed=1, dtype="float32")
OPTIMIZER = {
    "state": {n: {"step": torch.tensor(3.0), "exp_avg": torch.ones(9), "exp_avg_sq": torch.ones(9)} for n in range(4)},
    "param_groups": [{"lr": 0.1, "params": [0, 1, 2, 3]}],
}


def model() -> StateDict:
    """The weights that are looked for."""
    return as_tensors(WEIGHTS)


def other() -> StateDict:
    """Those of another model of the same architecture."""
    return as_tensors(OTHERS)


def behind(prefix: str, state_dict: Mapping[str, torch.Tensor]) -> StateDict:
    """The same tensors with that before every key."""
    return {prefix + key: tensor for key, tensor in state_dict.items()}


def write_shards(folder: Path, state_dict: Mapping[str, torch.Tensor], *, legacy: bool = False) -> Path:
    """Two files of torch.save and their index, as transformers writes them; returns the index."""
    keys = list(state_dict)
    weight_map = {key: f"pytorch_model-{1 + (n > len(keys) // 2):05}-of-00002.bin" for n, key in enumerate(keys)}
    for name in sorted(set(weight_map.values())):
        tensors = {key: state_dict[key] for key in keys if weight_map[key] == name}
        torch.save(tensors, folder / name, _use_new_zipfile_serialization=not legacy)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


@dataclass(frozen=True)
class Wrapped:
    """A file, and where in it the weights are found.

    Attributes:
        content: makes the object that is saved.
        wrapper: the path under which the summary says that they stood.
        prefix: what it says was taken off.
        weights: what `--weights` is given; "" where it is not needed.
        strip_prefix: what `--strip-prefix` is given.
        left_out: how many tensors the summary says were left out.
    """

    content: Callable[[], Any]
    wrapper: str = ""
    prefix: str = ""
    weights: str = ""
    strip_prefix: str = ""
    left_out: int = 0


def same_twice() -> Any:
    state_dict = model()
    return {"model": state_dict, "best": state_dict}


def of_the_tutorial() -> Any:
    return {"epoch": 1, "model_state_dict": model(), "optimizer_state_dict": OPTIMIZER, "loss": torch.tensor(0.1)}


def of_two() -> Any:
    return {"state_dict": model(), "ema_state_dict": behind("module.", other())}


def of_contrast() -> Any:
    both = behind("module.encoder_q.", model()) | behind("module.encoder_k.", other())
    return {"state_dict": {**both, "module.queue": torch.ones(4, 4)}}


def of_trainers() -> Any:
    return {"trainers": [{"net": other()}, {"ema": {"module": model()}}], "epoch": 3}


FOUND: dict[str, Wrapped] = {
    "PyTorch's tutorial": Wrapped(of_the_tutorial, "model_state_dict"),
    "PyTorch's ImageNet example": Wrapped(
        lambda: {"state_dict": behind("module.", model()), "best_acc1": torch.tensor(70.0), "optimizer": OPTIMIZER},
        "state_dict",
        "module.",
    ),
    "a name that nobody has thought of": Wrapped(lambda: {"gewichte": model(), "x": 1}, "gewichte"),
    "a pair with an optimizer": Wrapped(lambda: (model(), OPTIMIZER), "0"),
    "a list of trainers": Wrapped(lambda: [{"x": 1}, {"net": model()}], "1.net"),
    "three dicts deep": Wrapped(
        lambda: {"checkpoint": {"model": {"state_dict": model()}}}, "checkpoint.model.state_dict"
    ),
    "an ordered dict in one": Wrapped(lambda: OrderedDict(ema=OrderedDict(module=OrderedDict(model()))), "ema.module"),
    "a key with a dot": Wrapped(lambda: {"best.pth": {"net": model()}}, "best.pth.net"),
    "a whole number for a key": Wrapped(lambda: {0: model()}, "0"),
    "the same state dict twice": Wrapped(same_twice, "model"),
    "a compiled model": Wrapped(lambda: behind("_orig_mod.", model()), "", "_orig_mod."),
    "a compiled model in parallel": Wrapped(lambda: behind("module._orig_mod.", model()), "", "module._orig_mod."),
    "a parallel model compiled": Wrapped(
        lambda: {"state_dict": behind("_orig_mod.module.", model())}, "state_dict", "_orig_mod.module."
    ),
    "a part of a class": Wrapped(lambda: behind("net.timm_model.backbone.", model()), "", "net.timm_model.backbone."),
    "a sequence's first": Wrapped(lambda: behind("0.", model()), "", "0."),
    "averaged weights": Wrapped(
        lambda: {"n_averaged": torch.tensor(5), **behind("module.", model())}, "", "module.", left_out=1
    ),
    "a best accuracy among the weights": Wrapped(
        lambda: {"best_acc1": torch.tensor(70.0), **model(), "epoch": torch.tensor(3)}, left_out=2
    ),
    "a number among those behind a prefix": Wrapped(
        lambda: {"model": {**behind("net.", model()), "net.logit_scale": torch.tensor(4.6)}},
        "model",
        "net.",
        left_out=1,
    ),
    "small mappings beside": Wrapped(
        lambda: {
            "model": model(),
            "center": {"center": torch.ones(1, 7)},
            "prototypes": {"a": torch.ones(3), "b": torch.ones(3), "c": torch.ones(3)},
            "rng": torch.get_rng_state(),
        },
        "model",
    ),
}

CHOSEN: dict[str, Wrapped] = {
    "the averaged ones": Wrapped(
        lambda: {"state_dict": other(), "ema_state_dict": behind("module.", model())},
        "ema_state_dict",
        "module.",
        "ema_state_dict",
    ),
    "the trained ones": Wrapped(of_two, "state_dict", weights="state_dict"),
    "by slashes": Wrapped(of_trainers, "trainers.1.ema.module", weights="trainers/1/ema/module"),
    "by dots": Wrapped(of_trainers, "trainers.1.ema.module", weights="trainers.1.ema.module"),
    "by the beginning of a path": Wrapped(of_trainers, "trainers.1.ema.module", weights="trainers.1"),
    "the bare ones": Wrapped(lambda: {**model(), "ema": other()}, "", weights="."),
    "those beside the bare ones": Wrapped(lambda: {**other(), "ema": model()}, "ema", weights="ema"),
    "by their second name": Wrapped(same_twice, "model", weights="best"),
    "one of two encoders": Wrapped(
        of_contrast, "state_dict", "module.encoder_q.", strip_prefix="module.encoder_q.", left_out=75
    ),
    "one of two encoders, without the dot": Wrapped(
        of_contrast, "state_dict", "module.encoder_q.", strip_prefix="module.encoder_q", left_out=75
    ),
    "those of a detector": Wrapped(
        lambda: {"state_dict": {**behind("backbone.", model()), "neck.weight": torch.ones(3, 3)}},
        "state_dict",
        "backbone.",
        strip_prefix="backbone.",
        left_out=1,
    ),
    "one without a prefix": Wrapped(
        lambda: {**model(), **behind("ema.", other()), "ema.decay": torch.tensor(0.9), "ema.queue": torch.ones(2)},
        strip_prefix=".",
        left_out=76,
    ),
    "one beside its twin in parallel": Wrapped(
        lambda: behind("module.", other()) | model(), strip_prefix=".", left_out=74
    ),
    "one with a word that begins the other's": Wrapped(
        lambda: behind("module.", model()) | behind("module.ema.", other()),
        "",
        "module.",
        strip_prefix="module.",
        left_out=74,
    ),
    "those behind more than was named": Wrapped(
        lambda: behind("student.backbone.", model()) | behind("teacher.backbone.", other()),
        "",
        "student.backbone.",
        strip_prefix="student.",
        left_out=74,
    ),
}

BEHIND = "stands before a ConvNeXt's keys, but not before"
# What is asked for, and what the answer advises: each is run.
ASKED: dict[str, tuple[Callable[[], Any], str]] = {
    "two state dicts": (
        of_two,
        "holds several state dicts: 'state_dict', 'ema_state_dict'; "
        "choose one with --weights state_dict or --weights ema_state_dict",
    ),
    "the one bare, the other not": (
        lambda: {**model(), "ema": other()},
        "holds several state dicts: the bare state dict, 'ema'; choose one with --weights . or --weights ema",
    ),
    "one of them deep": (
        of_trainers,
        "holds several state dicts: 'trainers.0.net', 'trainers.1.ema.module'; "
        "choose one with --weights trainers.0.net or --weights trainers.1.ema.module",
    ),
    "a name that a shell would part": (
        lambda: {"my model": model(), "b": other()},
        "holds several state dicts: 'my model', 'b'; choose one with --weights 'my model' or --weights b",
    ),
    "two encoders": (
        of_contrast,
        "holds several models, behind 'module.encoder_q.', 'module.encoder_k.'; "
        "choose with --strip-prefix module.encoder_q. or --strip-prefix module.encoder_k.",
    ),
    "a bare one and its average": (
        lambda: {**model(), **behind("ema.", other())},
        "holds several models, one without a prefix and behind 'ema.'; "
        "choose with --strip-prefix . or --strip-prefix ema.",
    ),
    "a parallel one and its average in it": (
        lambda: {**behind("module.", model()), **behind("module.ema.", other())},
        "holds several models, behind 'module.', 'module.ema.'; "
        "choose with --strip-prefix module. or --strip-prefix module.ema.",
    ),
    "the weights of a loss": (
        lambda: {"state_dict": {**behind("model.", model()), "criterion.weight": torch.ones(10)}},
        f"'model.' {BEHIND} 1 other tensor: 'criterion.weight'; "
        "--strip-prefix model. takes what it stands before, and leaves the rest out",
    ),
    "a head of the author's": (
        lambda: {**behind("backbone.", model()), "fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)},
        f"'backbone.' {BEHIND} 2 other tensors: 'fc.weight', 'fc.bias'; "
        "--strip-prefix backbone. takes what it stands before, and leaves the rest out",
    ),
}
