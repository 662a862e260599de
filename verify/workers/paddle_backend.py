"""Paddle's side of a worker process. Loaded there only."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from verify.workers.settings import no_folder_needed

# On import Paddle advises against more than one thread and against having no compiler cache: noise, in a worker that
# was given its threads on purpose. A failing import still raises.
with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), no_folder_needed():
    warnings.filterwarnings("ignore", message="No ccache found")
    import paddle

import models_paddle
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.casting import widened
from convert.checkpoints.containers import container_named
from convert.checkpoints.finding import descend
from convert.checkpoints.reading import load_checkpoint, reopen_checkpoint
from convert.digest import tensor_digests
from convert.errors import FerryError
from convert.frameworks import PADDLE
from verify.store.facts import INFERENCE, Setup
from verify.workers.compute import Compute
from verify.workers.held import PaddleStream, refusal_of
from verify.workers.messages import Exchange, Loaded, LoadJob, TensorsJob, TraceJob
from verify.workers.predictor import Predictor

HALVES = (np.dtype("float16"), np.dtype("uint16"))  # Paddle keeps bfloat16 as its bits


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
                said = f"paddle {paddle.__version__} sees {seen or 'no'} GPU{'s' * (seen > 1)}"
                raise FerryError(
                    f"--device {compute.device}: {said}; "
                    "install paddleferry[gpu] in place of [cpu], or take --device cpu"
                )
            # As in PyTorch's worker: algorithms that give the same bits every time. Its TF32 has no flag; the worker
            # forbids it by NVIDIA's own variable.
            paddle.set_flags({"FLAGS_cudnn_deterministic": True})
        paddle.set_device(self.device)
        self.model: Any = None
        self.spec: Any = None
        self.predictor: Predictor | None = None

    def version(self) -> str:
        return str(paddle.__version__)

    def setup(self) -> Setup:
        """What the logits depend on."""
        if self.device == "cpu":
            return Setup(device="cpu", threads=self.compute.threads, gpu="", tf32=None, engine=self.compute.engine)
        name = paddle.device.cuda.get_device_name(self.device)
        return Setup(device=self.device, threads=None, gpu=name, tf32=self.compute.tf32, engine=self.compute.engine)

    def load(self, job: LoadJob) -> Loaded:
        """Builds the model of the job's checkpoint; the digests are of what the model then holds."""
        reader, tensors = _read(job)
        # The table's shapes: a file may have the vectors of response norms in another form.
        shapes = {p.paddle_name: p.paddle_shape for p in job.spec.params()}
        weights = {name: array.reshape(shapes.get(name, array.shape)) for name, array in tensors.items()}
        weights |= job.made
        self.model = job.factory(models_paddle.build_with)(job.spec, weights, dtype=job.dtype)
        self.spec = job.spec
        self.predictor = self._predictor(job) if self.compute.engine == INFERENCE else None
        return Loaded(reader, _digests(job.spec, self.model) if job.digest else {})

    def _predictor(self, job: LoadJob) -> Predictor | None:
        """The float32 model as a saved program; float64 is no engine's to compute."""
        if job.dtype != "float32":
            return None
        return Predictor(self.model, channels=job.spec.in_chans, device=self.device, threads=self.compute.threads)

    def forward(self, batch: Array) -> Array:
        """Logits or features (N, outputs) of a batch (N, C, H, W), in the batch's dtype."""
        try:
            return self.predictor.forward(batch) if self.predictor else self._forward(batch)
        except MemoryError as error:
            raise FerryError(f"paddle ran out of memory at --batch-size {len(batch)}; take a smaller one") from error

    def _forward(self, batch: Array) -> Array:
        with paddle.no_grad():
            logits: Array = self.model(self._tensor(batch)).numpy()
        return logits

    def _tensor(self, batch: Array) -> Any:
        if self.device == "cpu":
            return paddle.to_tensor(batch)
        # From pinned memory the copy runs at the bus's full speed.
        pinned = paddle.to_tensor(batch, place=paddle.CUDAPinnedPlace())
        return pinned.cuda(int(self.device.partition(":")[2]), False)

    def trace(self, batch: Array, job: TraceJob, exchange: Exchange) -> None:
        """Runs one forward pass; what passes a tap goes through `exchange`, which may return an array in its place."""

        def exchange_output(name: str, tensor: Any) -> Any:
            replacement = exchange(name, tensor.numpy())
            return tensor if replacement is None else paddle.to_tensor(replacement)

        hooks, layers = [], dict(self.model.named_sublayers())
        for tap in job.taps:
            layer = layers[tap.module]
            if tap.before:
                hooks.append(
                    layer.register_forward_pre_hook(lambda _, given, name=tap.name: exchange_output(name, given[0]))
                )
            else:
                hooks.append(
                    layer.register_forward_post_hook(lambda _, __, out, name=tap.name: exchange_output(name, out))
                )
        try:
            exchange(job.answer, self._forward(batch))
        finally:
            for hook in hooks:
                hook.remove()

    def gradients(self, batch: Array, weights: Array, exchange: Exchange) -> None:
        """Gives each parameter's gradient of the sum of answers times weights to `exchange`, in the table's order.

        The layout is PyTorch's.
        """
        self.model.clear_gradients(set_to_zero=False)
        try:
            (self.model(paddle.to_tensor(batch)) * paddle.to_tensor(weights)).sum().backward()
        except MemoryError as error:
            raise FerryError("paddle ran out of memory in the backward pass; --device cpu may have more") from error
        parameters = dict(self.model.named_parameters())
        for param in self.spec.params():
            if param.is_statistic:
                continue
            gradient = parameters[param.paddle_name].grad
            exchange(param.torch_name, None if gradient is None else param.layout.to_torch(gradient.numpy()))
        self.model.clear_gradients(set_to_zero=False)

    def tensors(self, job: TensorsJob) -> dict[str, Array]:
        """The model's own tensors, in PyTorch's layout."""
        state_dict, table = self.model.state_dict(), {param.torch_name: param for param in self.spec.params()}
        return {name: table[name].layout.to_torch(state_dict[table[name].paddle_name].numpy()) for name in job.names}


def _read(job: LoadJob) -> tuple[str, Mapping[str, Array]]:
    """Paddle's own reading of the file, so that a fault of our reader cannot hide in both sides of a comparison.

    `paddle.load` runs whatever a file names. Our reader goes first: it refuses a file with anything but arrays in it.
    Both get the same bytes, in memory.
    """
    file = job.files[0]
    tensors = load_checkpoint(reopen_checkpoint(file, job.steps)).tensors
    if container_named(job.container).frameworks != (PADDLE,):
        return "paddleferry's reader", job.official(widened(tensors))
    try:
        state_dict = descend(paddle.load(PaddleStream(file.content), return_numpy=True), job.steps)
        return "paddle.load", job.official({key: _array(state_dict[key]) for key in job.keys.values()})
    except Exception as error:
        raise refusal_of("paddle.load", error) from error


def _array(value: Any) -> Array:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__} in an array's place")
    if value.dtype not in HALVES:
        return value
    values: Array = paddle.to_tensor(value, place=paddle.CPUPlace()).astype("float32").numpy()
    return values


def _digests(spec: ArchSpec, model: Any) -> dict[str, str]:
    state_dict = model.state_dict()
    return tensor_digests({p.torch_name: p.layout.to_torch(state_dict[p.paddle_name].numpy()) for p in spec.params()})
