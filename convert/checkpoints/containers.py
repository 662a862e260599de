"""The containers that a checkpoint file can be."""

from __future__ import annotations

TORCH_ZIP = "torch zip"
TORCH_LEGACY = "torch legacy"
PADDLE_PICKLE = "paddle pickle"
SAFETENSORS = "safetensors"
TORCH_CONTAINERS = (TORCH_ZIP, TORCH_LEGACY)


def what_is(start: bytes) -> str:
    if start.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the file itself; run `git lfs pull`"
    if start.lstrip()[:1] == b"<":
        return "is a web page, not a checkpoint; the address gave an error page or wants a login"
    return "is no checkpoint of torch.save, paddle.save or safetensors; give the .pth, .pdparams or .safetensors itself"
