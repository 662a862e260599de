"""PyTorch's side of a worker process. Loaded there only."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import torch

import models_torch
from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.casting import cast_state_dict, widened
from convert.checkpoints.containers import container_named
from convert.checkpoints.finding import descend
from convert.checkpoints.reading import load_checkpoint, reopen_checkpoint
from convert.digest import tensor_digests
from convert.errors import FerryError
from convert.frameworks import TORCH
from verify.store.facts import Setup
from verify.workers.compute import Compute
from verify.workers.held import HeldFile, refusal_of
from verify.workers.messages import Exchange, Loaded, LoadJob, TensorsJob, TraceJob


class TorchBackend:
    """Holds one model on one device.

    Args:
        compute: where it runs.

    Raises:
        FerryError: no GPU that this build of PyTorch can use.
    """

    def __init__(self, compute: Compute) -> None:
        device = compute.device_of("torch")
        number = int(device.partition(":")[2] or 0)
        if device != "cpu" and torch.cuda.device_count() <= number:
            seen = torch.cuda.device_count()
            raise FerryError(
                f"--device {compute.device}: torch {torch.__version__} sees {seen or 'no'} GPU{'s' * (seen > 1)}; "
                "--device cpu runs without one"
            )
        torch.set_num_threads(compute.threads)
        # TF32 keeps 10 bits of the mantissa: its logits differ by 1e-3, ten times the limit.
        torch.backends.cuda.matmul.allow_tf32 = compute.tf32
        torch.backends.cudnn.allow_tf32 = compute.tf32
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        self.device = "cpu" if device == "cpu" else f"cuda:{number}"
        self.model: Any = None
        self.spec: Any = None

    def version(self) -> str:
        return str(torch.__version__)

    def setup(self) -> Setup:
        """What the logits depend on."""
        if self.device == "cpu":
            return Setup(device="cpu", threads=torch.get_num_threads(), gpu="", tf32=None)
        name, tf32 = torch.cuda.get_device_name(self.device), torch.backends.cudnn.allow_tf32
        return Setup(device=self.device.replace("cuda", "gpu"), threads=None, gpu=name, tf32=tf32)

    def load(self, job: LoadJob) -> Loaded:
        """Builds the model of the job's checkpoint; the digests are of what the model then holds."""
        reader, tensors = _read(job)
        official = job.official(tensors)
        names = [param.torch_name for param in job.spec.params() if param.torch_name not in job.made]
        weights = {**{name: official[name] for name in names}, **job.made}
        self.model = job.factory(models_torch.build_with)(job.spec, weights, dtype=job.dtype).to(self.device)
        self.spec = job.spec
        return Loaded(reader, _digests(job.spec, self.model) if job.digest else {})

    def forward(self, batch: Array) -> Array:
        """Logits or features (N, outputs) of a batch (N, C, H, W), in the batch's dtype."""
        with torch.inference_mode():
            try:
                images = torch.from_numpy(batch)
                if self.device != "cpu":  # from pinned memory the copy runs at the bus's full speed
                    images = images.pin_memory().to(self.device, non_blocking=True)
                logits: Array = self.model(images).cpu().numpy()
            except torch.OutOfMemoryError as error:
                raise FerryError(
                    f"torch ran out of GPU memory at --batch-size {len(batch)}; take a smaller one"
                ) from error
        return logits

    def trace(self, batch: Array, job: TraceJob, exchange: Exchange) -> None:
        """Runs one forward pass; what passes a tap goes through `exchange`, which may return an array in its place."""

        def exchange_output(name: str, tensor: Any) -> Any:
            replacement = exchange(name, tensor.cpu().numpy())
            return tensor if replacement is None else torch.from_numpy(replacement).to(self.device)

        hooks = []
        for tap in job.taps:
            module = self.model.get_submodule(tap.module)
            if tap.before:
                hooks.append(
                    module.register_forward_pre_hook(lambda _, given, name=tap.name: exchange_output(name, given[0]))
                )
            else:
                hooks.append(module.register_forward_hook(lambda _, __, out, name=tap.name: exchange_output(name, out)))
        try:
            exchange(job.answer, self.forward(batch))
        finally:
            for hook in hooks:
                hook.remove()

    def gradients(self, batch: Array, weights: Array, exchange: Exchange) -> None:
        """Gives each parameter's gradient of the sum of answers times weights to `exchange`, in the table's order."""
        self.model.zero_grad(set_to_none=True)
        try:
            logits = self.model(torch.from_numpy(batch.copy()).to(self.device))
            (logits * torch.from_numpy(weights).to(self.device)).sum().backward()
        except torch.OutOfMemoryError as error:
            raise FerryError("torch ran out of GPU memory in the backward pass; --device cpu may have more") from error
        parameters = dict(self.model.named_parameters())
        for param in self.spec.params():
            if param.is_statistic:
                continue
            gradient = parameters[param.torch_name].grad
            exchange(param.torch_name, None if gradient is None else gradient.cpu().numpy())
        self.model.zero_grad(set_to_none=True)

    def tensors(self, job: TensorsJob) -> dict[str, Array]:
        """The model's own tensors, in PyTorch's layout."""
        state_dict = self.model.state_dict()
        return {name: state_dict[name].cpu().numpy() for name in job.names}


def _read(job: LoadJob) -> tuple[str, Mapping[str, Array]]:
    """PyTorch's own reading of the file, so that a fault of our reader cannot hide in both sides of a comparison.

    Both get the same bytes, in memory.
    """
    if container_named(job.container).frameworks == (TORCH,):
        try:
            state_dict = descend(_load(job.files), job.steps)
            return "torch.load", {key: _values(state_dict[key], job.rounding) for key in job.keys.values()}
        except pickle.UnpicklingError:
            pass  # more in it than weights_only allows, a numpy scalar beside the weights: safe all the same
        except Exception as error:
            raise refusal_of("torch.load", error) from error
    # Or a container that torch.load does not know. The report names the reader.
    tensors = load_checkpoint(reopen_checkpoint(job.files[0], job.steps)).tensors
    rounded = cast_state_dict(tensors, job.rounding)[0] if job.rounding else tensors
    return "paddleferry's reader", widened(rounded)


def _values(tensor: Any, rounding: str) -> Array:
    """The tensor's values, rounded by PyTorch itself; halves as float32."""
    rounded = tensor.detach().to(getattr(torch, rounding)) if rounding else tensor.detach()
    values: Array = (rounded if rounded.dtype is torch.float64 else rounded.float()).numpy()
    return values


def _load(files: Sequence[HeldFile]) -> Any:
    """What torch.load makes of a file; of an index, what it makes of the files that this one names, taken together."""
    first, *shards = files
    with torch.serialization.safe_globals([argparse.Namespace]):
        if not shards:
            return torch.load(first.stream(), map_location="cpu", weights_only=True)
        loaded = [torch.load(file.stream(), map_location="cpu", weights_only=True) for file in shards]
    return {key: tensor for state_dict in loaded for key, tensor in state_dict.items()}


def _digests(spec: ArchSpec, model: Any) -> dict[str, str]:
    state_dict = model.state_dict()
    return tensor_digests({p.torch_name: state_dict[p.torch_name].cpu().numpy() for p in spec.params()})
