"""What is said of files whose state dict cannot be read as it stands, each with what its author can do about it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from convert.errors import shown

PIR = b'{"base_code":{"magic":"pir"'  # how Paddle 3 begins the program that paddle.jit.save writes
PADDLE_PROGRAMS = (".pdmodel", ".pdiparams")
ENCRYPTED = b"\x5e\x3a\x7f"  # how an encrypted checkpoint of MindSpore begins, after a byte for the cipher
CIPHERS = {0xD8: "AES-GCM", 0xD9: "AES-CBC", 0xDA: "SM4-CBC"}
DISTRIBUTED = ".distcp"
# In a zip: of torch.jit.save; of torch.export.save, old or new, one of these.
TORCHSCRIPT = b"/constants.pkl"
PICKLE = b"/data.pkl"  # of torch.save
ARRAY = b".npy"  # of numpy.savez
EXPORTED = (b"/models/model.json", b"/archive_format", b"serialized_exported_program.json")


def whole_module(name: str, path: Path, key: str = "") -> str:
    """Why a file is refused that has an object of that class where a state dict should stand, under that key."""
    where = f"under {shown(repr(key))} a {name}" if key else f"a {name}"
    item = f"[{_text(key)}]" if key else ""
    saved = path.with_name(f"{path.stem}_state_dict.pth")
    code = f"torch.save(torch.load({_text(path)}, weights_only=False){item}.state_dict(), {_text(saved)})"
    return f"holds {where}, which was not run, not a state dict; its author can run: {_python(code)}"


def what_zip_is(names: bytes, path: Path) -> str:
    """What a zip is that torch.save did not write, where it is a program or numpy's; "" of any other.

    Args:
        names: the zip's directory, or its entries' names.
        path: the file.
    """
    saved = _text(path.with_name(f"{path.stem}_state_dict.pth"))
    if TORCHSCRIPT in names:
        code = f"torch.save(torch.jit.load({_text(path)}).state_dict(), {saved})"
        return f"a TorchScript program, not a state dict; its author can run: {_python(code)}"
    if any(part in names for part in EXPORTED):
        code = f"torch.save(torch.export.load({_text(path)}).state_dict, {saved})"
        return f"an exported program of torch.export, not a state dict; its author can run: {_python(code)}"
    if ARRAY in names and PICKLE not in names:
        content = f"numpy.load({_text(path)}).items()"
        code = f"import numpy; torch.save({{k: torch.from_numpy(v) for k, v in {content}}}, {saved})"
        return f"an archive of numpy.savez; of PyTorch's tensors make a .pth: {_python(code)}"
    return ""


def what_program_is(name: str, start: bytes) -> str:
    """What a file of that name with that start is, where it belongs to an exported program of Paddle; "" if to none."""
    if not name.endswith(PADDLE_PROGRAMS) and not start.startswith(PIR):
        return ""
    part = "the parameters of an exported program" if name.endswith(".pdiparams") else "an exported program"
    saved = "paddle.save(layer.state_dict(), 'x.pdparams')"
    return f"is {part} of paddle.jit.save, without the layers' names; its author can run: {saved}"


def encrypted_mindspore(cipher: str) -> str:
    """What is said of a checkpoint of MindSpore that was saved with a key, by that cipher."""
    loaded = f"mindspore.load_checkpoint('x.ckpt', dec_key=KEY, dec_mode='{cipher}')"
    saved = f"mindspore.save_checkpoint([{{'name': n, 'data': p}} for n, p in {loaded}.items()], 'plain.ckpt')"
    return f"is an encrypted checkpoint of MindSpore ({cipher}); whoever has the key can run: {saved}"


def distributed(folder: Path, *, a_part: bool = False) -> str:
    """What is said of a checkpoint of torch.distributed.checkpoint, or of a file in it."""
    target = folder.with_name(f"{folder.name}.pth")
    tool = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
    what = f"is {'a part of ' * a_part}a distributed checkpoint"
    return f"{what}; make one file of it: {tool} {shlex.join([str(folder), str(target)])}"


def _python(code: str) -> str:
    return f"python -c {shlex.quote(f'import torch; {code}')}"


def _text(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
