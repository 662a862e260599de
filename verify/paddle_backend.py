"""Paddle's side of a worker process. Loaded there only."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from typing import Any

# On import Paddle advises against more than one thread and against having no compiler cache: noise, in a worker that
# was given its threads on purpose. A failing import still raises.
with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.filterwarnings("ignore", message="No ccache found")
    import paddle

import models_paddle
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.checkpoints import PADDLE, read_checkpoint
from convert.digest import tensor_digests
from convert.errors import FerryError
from verify.messages import Loaded, LoadJob


class PaddleBackend:
    """Holds one model on one device.

    Args:
        device: "cpu" or "gpu".
        threads: of Paddle's math, on a CPU; the worker has set OMP_NUM_THREADS to it before Paddle was loaded.

    Raises:
        FerryError: no GPU that this build of Paddle can use.
    """

    def __init__(self, device: str, threads: int) -> None:  # noqa: ARG002 - the threads are fixed before the import
        if device == "gpu":
            if not paddle.device.is_compiled_with_cuda() or paddle.device.cuda.device_count() == 0:
                raise FerryError(
                    f"--device gpu: paddle {paddle.__version__} sees no GPU; "
                    "install paddleferry[gpu] in place of [cpu], or take --device cpu"
                )
            # As in PyTorch's worker: no TF32, and algorithms that give the same bits every time.
            paddle.set_flags({"FLAGS_cudnn_deterministic": True})
        paddle.set_device(device)

    def version(self) -> str:
        return f"paddle {paddle.__version__}"

    def load(self, job: LoadJob) -> Loaded:
        """Builds the model of the job's checkpoint; the digests are of what the model then holds."""
        reader, tensors = _read(job)
        self.model = job.factory(models_paddle.build_with)(job.spec, tensors, dtype=job.dtype)
        return Loaded(reader, _digests(job.spec, self.model) if job.digest else {})

    def forward(self, batch: Array) -> Array:
        """Logits (N, num_classes) of a batch (N, C, H, W), in the batch's dtype."""
        with paddle.no_grad():
            try:
                logits: Array = self.model(paddle.to_tensor(batch)).numpy()
            except MemoryError as error:
                raise FerryError(
                    f"paddle ran out of memory at --batch-size {len(batch)}; take a smaller one"
                ) from error
        return logits


def _read(job: LoadJob) -> tuple[str, Mapping[str, Array]]:
    """Paddle's own reading of the file, so that a fault of our reader cannot hide in both sides of a comparison.

    `paddle.load` runs whatever a file names. Our reader goes first: it refuses a file with anything but arrays in it.
    """
    tensors = read_checkpoint(job.path).tensors
    if job.container != PADDLE:
        return "paddleferry's reader", {name: tensors[key] for name, key in job.keys.items()}
    found: dict[str, Any] = paddle.load(str(job.path), return_numpy=True)
    return "paddle.load", {name: found[key] for name, key in job.keys.items()}


def _digests(spec: ArchSpec, model: Any) -> dict[str, str]:
    state_dict = model.state_dict()
    return tensor_digests({p.torch_name: p.layout.to_torch(state_dict[p.paddle_name].numpy()) for p in spec.params()})
