"""What is said of files that hold a model otherwise than as a state dict, each with what its author can do about it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from pathlib import Path

from convert.errors import shown

PIR = b'{"base_code":{"magic":"pir"'  # how Paddle 3 begins the program that paddle.jit.save writes
PADDLE_PROGRAMS = (".pdmodel", ".pdiparams")
DISTRIBUTED = ".distcp"
PARTS = ("/archive_format", "/models/model.json", "serialized_exported_program.json")  # of a zip of torch.export


def whole_module(name: str, path: Path, key: str = "") -> str:
    """Why a file is refused that has an object of that class where a state dict should stand, under that key."""
    where = f"under {shown(repr(key))} a {name}" if key else f"a {name}"
    item = f"[{_text(key)}]" if key else ""
    saved = path.with_name(f"{path.stem}_state_dict.pth")
    code = f"torch.save(torch.load({_text(path)}, weights_only=False){item}.state_dict(), {_text(saved)})"
    return f"holds {where}, which was not run, not a state dict; its author can run: {_python(code)}"


def what_zip_is(entries: Collection[str], path: Path) -> str:
    """What a zip is that torch.save did not write."""
    if any(name.endswith(PARTS) for name in entries):
        saved = path.with_name(f"{path.stem}_state_dict.pth")
        code = f"torch.save(torch.export.load({_text(path)}).state_dict, {_text(saved)})"
        return f"an exported program of torch.export, not a state dict; its author can run: {_python(code)}"
    return "a zip file, but not one of torch.save: it has no data.pkl; give the .pth itself"


def what_program_is(name: str, start: bytes) -> str:
    """What a file of that name with that start is, where it belongs to an exported program of Paddle; "" if to none."""
    if not name.endswith(PADDLE_PROGRAMS) and not start.startswith(PIR):
        return ""
    part = "parameters of an exported program" if name.endswith(".pdiparams") else "exported program"
    saved = "paddle.save(model.state_dict(), 'x.pdparams')"
    return f"is the {part} of paddle.jit.save, without the layers' names; its author can save {saved}"


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
