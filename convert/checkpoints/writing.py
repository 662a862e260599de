"""Writing a checkpoint file: the same tensors always give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from convert.arrays import Tensor
from convert.checkpoints.atomic import Written, no_objection, write_atomically
from convert.checkpoints.containers import PADDLE_PICKLE, WRITTEN, WRITTEN_AS, target_suffixes
from convert.errors import TargetError, either
from convert.frameworks import PADDLE
from convert.paths import AnyPath
from convert.targets import AUTHORS, Envelope

WRITERS = {row: row.load_writer() for row in WRITTEN}


def write_pdparams(
    path: AnyPath, tensors: Mapping[str, Tensor], *, force: bool = False, digest: bool = True
) -> Written:
    """Writes a state dict in Paddle's layout as a canonical `.pdparams`.

    The bytes depend on names, order, shapes, dtypes and values alone. `paddle.load` of 2.6 and 3.x reads it.

    Raises:
        TargetError: the target exists and `force` is not given, or it cannot be written; nothing is lost.
    """
    return write_atomically(Path(path), WRITERS[PADDLE_PICKLE](tensors, PADDLE), force=force, digest=digest)


def write_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    framework: str,
    force: bool = False,
    digest: bool = True,
    envelope: Envelope = AUTHORS,
    confirm: Callable[[], None] = no_objection,
) -> Written:
    """Writes a state dict canonically, in the container that the target's suffix names.

    Args:
        path: its suffix is one of `WRITTEN_AS`.
        tensors: in the framework's layout.
        framework: "torch" or "paddle"; noted in a `.safetensors`.
        force: whether to replace an existing file.
        digest: whether to compute the file's SHA-256, which takes longer than the writing itself.
        envelope: what stands around the state dict, in a container that has one.
        confirm: called when all tensors were read, before the file takes its name; what it raises leaves the target as
            it was.

    Raises:
        TargetError: as `write_pdparams`, or a suffix that stands for no container of the framework.
    """
    path = Path(path)
    container = WRITTEN_AS.get(path.suffix)
    if container is None or framework not in container.frameworks:
        raise TargetError(f"{path}: the target's name must end in {either(target_suffixes(framework))}")
    more = (envelope,) if container.enveloped else ()
    chunks = WRITERS[container](tensors, framework, *more)
    return write_atomically(path, chunks, force=force, digest=digest, confirm=confirm)
