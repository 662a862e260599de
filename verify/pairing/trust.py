"""Which models of a table are built because the table says so: those that a library knows by name, and nothing else.

A table is somebody's file. Whatever it names beyond that is code, or a download, and runs only where the command line
names it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from convert.errors import FerryError, either, shown
from convert.tables.table import ModelName, Table, Value

LIBRARIES = {"torch": ("timm", "torchvision"), "paddle": ("paddle.vision",)}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*", re.ASCII)

# Arguments that say how a network is built. Others may name a file or an address: `checkpoint_path`, `weights`,
# `pretrained`, `pretrained_cfg`.
NUMBERS = (
    "num_classes",
    "in_chans",
    "img_size",
    "image_size",
    "drop_rate",
    "drop_path_rate",
    "dropout",
    "aux_logits",
    "transform_input",
    "init_weights",
    "width_mult",
    "scale",
    "with_pool",
    "batch_norm",
    "output_stride",
    "depth",
    "width",
    "embed_dim",
    "num_heads",
    "patch_size",
    "window_size",
)
WORDS = {"global_pool": ("", "avg", "max", "avgmax", "catavgmax", "fast", "token")}


def stated_model(table: Table, framework: str) -> ModelName:
    """The model that a table states, where it may be built without being asked for.

    Raises:
        FerryError: it is code, or could load or download something; the text has the options that build it.
    """
    model = {"torch": table.torch, "paddle": table.paddle}[framework]
    if problem := next(_problems(model, framework), ""):
        raise FerryError(
            f"the table's [{framework}] {problem}, and a table is only data: nothing of it was run; "
            f"where you trust it, name it yourself: {call_for(model, framework)}"
        )
    return model


def call_for(model: ModelName, framework: str) -> str:
    """The options of the command line that build that model."""
    parts = [f"--{framework}", model.reference]
    for name, value in model.arguments:
        parts += [f"--{framework}-arg", f"{name}={value if isinstance(value, str) else repr(value)}"]
    parts += [f"--{framework}-setup", model.setup] if model.setup else []
    return shown(shlex.join(parts), 400)


def _problems(model: ModelName, framework: str) -> Iterator[str]:
    library, _, name = model.reference.partition(":")
    known = LIBRARIES[framework]
    if library not in known or not NAME.fullmatch(name):
        names = either(f"{library}:NAME" for library in known)
        yield f"has the model {shown(repr(model.reference))}, which is no {names}"
    if model.setup:
        yield f"has the setup {shown(repr(model.setup))}, which is code"
    for argument, value in model.arguments:
        if not _is_harmless(argument, value):
            yield f"has the argument {shown(argument)} = {shown(repr(value))}, which may load more than a model's code"


def _is_harmless(name: str, value: Value) -> bool:
    if name in WORDS:
        return value in WORDS[name]
    return name in NUMBERS and _is_number(value)


def _is_number(value: Value) -> bool:
    return all(map(_is_number, value)) if isinstance(value, tuple) else isinstance(value, int | float)
