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
from verify.workers import Compute


class PaddleBackend:
    """Holds one model on one device.

    Args:
        compute: where it runs; the worker has set OMP_NUM_THREADS to its threads before Paddle was loaded.

    Raises:
        FerryError: no GPU that this build of Paddle can use.
    """

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self.device = compute.device_of("paddle")
        if self.device != "cpu":
            number = int(self.device.partition(":")[2])
            seen = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
            if seen <= number:
                found = f"paddle {paddle.__version__} sees {seen or 'no'} GPU{'s' * (seen > 1)}"
                raise FerryError(
                    f"--device {compute.device}: {found}; "
                    "install paddleferry[gpu] in place of [cpu], or take --device cpu"
                )
            # As in PyTorch's worker: algorithms that give the same bits every time. Its TF32 has no flag; the worker
            # forbids it by NVIDIA's own variable.
            paddle.set_flags({"FLAGS_cudnn_deterministic": True})
        paddle.set_device(self.device)

    def version(self) -> str:
        return f"paddle {paddle.__version__}"

    def settings(self) -> str:
        """The flags that matter to the logits."""
        if self.device == "cpu":
            return f"{self.compute.threads} threads"
        name, tf32 = paddle.device.cuda.get_device_name(self.device), self.compute.tf32
        return f"{name}, TF32 {'on' if tf32 else 'off'}, cuDNN deterministic"

    def load(self, job: LoadJob) -> Loaded:
        """Builds the model of the job's checkpoint; the digests are of what the model then holds."""
        reader, tensors = _read(job)
        self.model = job.factory(models_paddle.build_with)(job.spec, tensors, dtype=job.dtype)
        return Loaded(reader, _digests(job.spec, self.model) if job.digest else {})

    def forward(self, batch: Array) -> Array:
        """Logits (N, num_classes) of a batch (N, C, H, W), in the batch's dtype."""
        with paddle.no_grad():
            try:
                logits: Array = self.model(self._tensor(batch)).numpy()
            except MemoryError as error:
                raise FerryError(
                    f"paddle ran out of memory at --batch-size {len(batch)}; take a smaller one"
                ) from error
        return logits

    def _tensor(self, batch: Array) -> Any:
        if self.device == "cpu":
            return paddle.to_tensor(batch)
        # From pinned memory the copy runs at the bus's full speed.
        pinned = paddle.to_tensor(batch, place=paddle.CUDAPinnedPlace())
        return pinned.cuda(int(self.device.partition(":")[2]), False)


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
