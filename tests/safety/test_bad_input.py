"""Files handed over by mistake: each message names the file, the cause and the next step, and nothing is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bad_files import FILES, SHARD, make, write_good
from checkpoint_files import standing

from convert.checkpoints.containers import INDEX_SUFFIX
from convert.cli import main

CHECK = "check the path and its permissions"
AGAIN = "fetch the file again"
SAVE = "save model.state_dict()"
NO_FILE = ("is a pipe or a device, not a file", "save it to the disk first")
PAGE = ("is a web page, not a checkpoint", "the address gave an error page or wants a login")
NO_CHECKPOINT = (
    "is no checkpoint of torch.save, paddle.save or safetensors",
    "give the .pth, .pdparams or .safetensors itself",
)
NO_TORCH_ZIP = ("a zip file, but not one of torch.save: it has no data.pkl", "give the .pth itself")
CUT_ZIP = (
    "the zip container is damaged or cut short: File is not a zip file",
    "fetch the file again and compare its digest",
)
NO_TENSORS = "holds no tensors; keys: "
FORMATS = (
    "official, timm, torchvision, transformers, transformers DINOv3, mmpretrain, paddleclas, openclip, "
    "official isotropic, mindvision, mindcv, official ResNeXt, paddleclas_wsl, tutorial ResNeXt, "
    "official RepLKNet, paddlevit"
)
FIRST_SIX = ", ".join(
    f"'downsample_layers.{i}.{j}.{p}'" for i, j in ((0, 0), (0, 1), (1, 0)) for p in ("bias", "weight")
)

# What is handed over, the cause and the next step.
MESSAGES: dict[str, tuple[str, str]] = {
    "a file that is missing": ("cannot be read: No such file or directory", CHECK),
    "a link to nothing": ("cannot be read: No such file or directory", CHECK),
    "a link to itself": ("cannot be read: Too many levels of symbolic links", CHECK),
    "a folder": (
        "is a folder without a checkpoint (model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
        "pytorch_model.bin.index.json)",
        "give the file itself",
    ),
    "a file in a file": ("cannot be read: Not a directory", CHECK),
    **dict.fromkeys(("a pipe", "a device", "a socket"), NO_FILE),
    "an empty file": ("is empty (0 bytes)", "the download may have failed, fetch it again"),
    **dict.fromkeys(("a web page", "an answer in XML"), PAGE),
    "a git-lfs pointer": ("is a git-lfs pointer, not the file itself", "run `git lfs pull`"),
    **dict.fromkeys(("one byte", "an answer in JSON", "a text", "an image", "a file of zeros"), NO_CHECKPOINT),
    **dict.fromkeys(("a gzip file", "a 7z file", "a tar file of torch 0.1", "an empty zip file"), NO_CHECKPOINT),
    **dict.fromkeys(("a TensorFlow checkpoint", "a Keras file", "an ONNX file", "an array of numpy"), NO_CHECKPOINT),
    "an archive of numpy": (
        "an archive of numpy.savez",
        "of PyTorch's tensors make a .pth: python -c 'import torch; import numpy; torch.save({k: torch.from_numpy(v) "
        """for k, v in numpy.load("{path}").items()}, "{stem}_state_dict.pth")'""",
    ),
    "another zip file": NO_TORCH_ZIP,
    "a TorchScript program": (
        "a TorchScript program, not a state dict",
        "its author can run: python -c 'import torch; "
        """torch.save(torch.jit.load("{path}").state_dict(), "{stem}_state_dict.pth")'""",
    ),
    "a file of a big-endian machine": (
        "written on a big-endian machine, which is not supported",
        "save it anew on a little-endian one",
    ),
    **dict.fromkeys(("a torch zip cut in its data", "a torch zip cut in its first header"), CUT_ZIP),
    "a legacy file cut in its data": ("the file is cut short within storage {key}", "fetch it again"),
    "a legacy file cut in its pickle": (
        "the pickle is cut short: 4 bytes wanted, 2 left",
        f"{AGAIN} (byte 27 of the pickle)",
    ),
    "a legacy file with a byte more": ("1 bytes follow the last storage", AGAIN),
    "a Paddle file cut in its data": (
        "the pickle is cut short: 204800 bytes wanted, 29245 left",
        f"{AGAIN} (byte 70750 of the pickle)",
    ),
    "a Paddle file with a byte more": ("1 bytes follow the pickle's end", AGAIN),
    "a safetensors file cut in its header": ("the file is cut short: its header has 6,432 bytes", "fetch it again"),
    "a safetensors file cut in its data": (
        "the file is cut short within 'downsample_layers.3.1.weight'",
        "fetch it again",
    ),
    "a safetensors file with a byte more": ("1 bytes follow the last tensor", AGAIN),
    "a header that is no JSON": (
        "the header is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        AGAIN,
    ),
    "a torch zip with a flipped bit": ("x/data/72 fails its checksum: the file is damaged", "fetch it again"),
    "a tensor": ("holds one tensor, not a state dict", SAVE),
    "a list of tensors": ("holds a list, not a state dict", SAVE),
    "a tensor in a legacy file": ("holds one tensor, not a state dict", SAVE),
    "a whole number in a pickle": ("the pickle holds a int, not a dict of tensors", SAVE),
    "a list in a pickle": ("holds a list, not a state dict", SAVE),
    "an empty state dict": (f"{NO_TENSORS}nothing", SAVE),
    "an optimizer's state only": (
        "holds an optimizer's state under 'optimizer', and no weights",
        "give the file with the model's",
    ),
    "an epoch among the tensors": ("the state dict holds 1 entries that are no tensors: 'epoch'", SAVE),
    "two state dicts": (
        "holds several state dicts: 'model', 'model_ema'",
        "choose one with --weights model or --weights model_ema",
    ),
    "another network": (
        f"the keys ('conv1.weight', 'fc.bias', ...) are a network's in no key format known here: {FORMATS}",
        "give the network's own state dict",
    ),
    "the keys of two libraries": (
        "the keys fit several key formats: official, official isotropic",
        "keep one model's keys in the file",
    ),
    "a ConvNeXt of no known size": (
        "the tensors fit no architecture known here",
        "closest is test_convnext2, 52 names or shapes apart: --arch test_convnext2 lists them",
    ),
    "a tensor in double precision": (
        "norm.bias is float64, which float32 cannot hold",
        "--dtype float32 rounds it",
    ),
    "an index that is a web page": ("the index is no JSON: Expecting value: line 2 column 2 (char 2)", AGAIN),
    "an index without a map": (
        "an index without a weight_map from tensors to files",
        "give the index that lies beside the shards",
    ),
    "an index without its shard": (
        f"{SHARD}, which it names, cannot be read: No such file or directory",
        "put it there",
    ),
    "an index with a cut shard": (
        f"{SHARD}: the file is cut short within 'downsample_layers.3.1.weight'",
        "fetch it again",
    ),
    "an index with another shard": (f"{SHARD} does not hold what the index says: {FIRST_SIX}, ...", "fetch both again"),
}


def bare(kind: str) -> str:
    return kind.removesuffix(f" {INDEX_SUFFIX}")


NAN = "a tensor with a NaN"  # the message is a table
# Damaged in a way that may as well be an attempt to deceive.
REFUSED = (
    "a legacy file cut in its pickle",
    "a Paddle file cut in its data",
    "a Paddle file with a byte more",
    "a safetensors file with a byte more",
    "a whole number in a pickle",
)
AFTER_REFUSAL = (
    "convert: where a fresh copy of the file is refused too, ask its author for tensors alone: a .safetensors\n"
)


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != NAN], ids=bare)
def test_the_message_names_the_file_the_cause_and_the_next_step_for(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(kind, tmp_path)
    before = standing_files(tmp_path)

    status = main(["--src", str(path), "--dst", str(tmp_path / "x.pdparams")])

    message = re.sub(r"(?<=storage )\d{6,}", "{key}", capsys.readouterr().err)  # an address of the writing process
    cause, step = MESSAGES[bare(kind)]
    separator = ": " if "--dtype" in step else "; "
    advice = AFTER_REFUSAL if kind in REFUSED else ""
    step = step.replace("{path}", str(path)).replace("{stem}", str(path.with_suffix("")))
    assert message == f"convert: {path}: {cause}{separator}{step}\n{advice}convert: nothing was written\n"
    assert status == 1
    assert standing_files(tmp_path) == before


def standing_files(folder: Path) -> dict[str, bytes]:
    return standing(folder) if not any(path.is_symlink() for path in folder.rglob("*")) else {}


def test_a_tensor_with_a_nan_is_named_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(NAN, tmp_path)

    status = main(["--src", str(path), "--dst", str(tmp_path / "x.pdparams")])

    problem = "not finite  head.bias                     1 of 10 values are NaN or Inf"
    step = "fetch the file again, or save it anew from a model without these values"
    message = (
        f"convert: {path} does not fit convnext_digits: 1 problem\n  {problem}\n{step}\nconvert: nothing was written\n"
    )
    assert (status, capsys.readouterr().err) == (1, message)


# The rest of the command line, for a good file; {folder} is where it lies.
ARGUMENTS: dict[str, tuple[str, str]] = {
    "an architecture that nobody has": (
        "--arch convnext_digit --dst {folder}/x.pdparams",
        "unknown architecture 'convnext_digit'; did you mean convnext_digits, convnext_tiny, convnext_pico?",
    ),
    "a state dict that the file lacks": (
        "--weights model_ema --dst {folder}/x.pdparams",
        "{folder}/x.pth: has no weights under 'model_ema'; it holds 'model'",
    ),
    "a target whose folder is missing": (
        "--dst {folder}/no/x.pdparams",
        "{folder}/no/x.pdparams: the folder {folder}/no does not exist; create it first",
    ),
    "a target whose folder is a file": (
        "--dst {folder}/x.pth/x.pdparams",
        "{folder}/x.pth/x.pdparams: the folder {folder}/x.pth does not exist; create it first",
    ),
    "a target that is a folder": ("--dst {folder}", "{folder}: is a directory; name a file in it"),
    "a target that exists": (
        "--dst {folder}/y.pdparams",
        "{folder}/y.pdparams: exists already and was left as it is; --force replaces it",
    ),
    "a target that is the source": (
        "--force --dst {folder}/x.pth",
        "{folder}/x.pth: is the source itself; choose another target",
    ),
    "a target of another kind": (
        "--dst {folder}/x.onnx",
        "{folder}/x.onnx: the target's name must end in .pdparams or .safetensors",
    ),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_the_message_names_what_is_wrong_and_the_next_step_for(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_good(tmp_path / "x.pth")
    (tmp_path / "y.pdparams").write_bytes(b"old")
    arguments, message = (text.replace("{folder}", str(tmp_path)) for text in ARGUMENTS[kind])
    before = sorted(path.name for path in tmp_path.iterdir())

    status = main(["--src", str(tmp_path / "x.pth"), *arguments.split(" ")])

    assert (status, capsys.readouterr()) == (1, ("", f"convert: {message}\nconvert: nothing was written\n"))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_there_are_dozens_of_kinds_of_bad_input() -> None:
    assert len(FILES) + len(ARGUMENTS) >= 68
    assert {bare(kind) for kind in FILES} == {*MESSAGES, NAN}
