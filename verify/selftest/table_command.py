"""`verify --selftest --table`: faults planted in the pair that a table states, with random weights."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from convert.arrays import Array
from convert.checkpoints import write_checkpoint
from convert.endings import shortages
from convert.errors import FerryError
from convert.frameworks import PADDLE, TORCH
from convert.regular import scratch_folder
from convert.state_dict import convert_state_dict
from convert.tables.spec import TableSpec
from verify.pairing.model import PairModel
from verify.pairing.proof import drawn, noise_batch, temper_for
from verify.pairing.stranger import Strangers
from verify.pairing.survey import Survey
from verify.selftest.bench import Bench
from verify.selftest.command import Selftest, plant_all
from verify.selftest.faults import SAMPLE, SEED
from verify.selftest.known_good import KnownGood
from verify.selftest.table_faults import layer_faults, tensor_faults
from verify.workers.compute import Compute
from verify.workers.worker import start_workers

LAYERS = "verify.selftest.layer_faults:layers_of"


def selftest_table(strangers: Strangers, compute: Compute) -> Selftest:
    """Plants faults in the tensors and the layers of a table's pair; each runs only until a gate fails.

    Args:
        strangers: the pair's models, and its table.
        compute: where the models run.

    Raises:
        FerryError: a model cannot be built or run, or has other tensors than the table.
    """
    start = time.monotonic()
    if strangers.spec is None:
        raise FerryError("a selftest of another pair needs its table")
    strangers = strangers.ask(strangers.spec, file="", size=None, compute=compute)
    assert strangers.spec is not None
    assert strangers.asked is not None
    with scratch_folder() as folder, shortages():
        weights = _weights(strangers, strangers.spec, compute)
        source = folder / "x.pth"
        write_checkpoint(source, weights, framework="torch", force=True, digest=False)
        target = convert_state_dict(strangers.spec, weights)
        good = KnownGood(
            name=strangers.spec.name,
            spec=strangers.spec,
            source=source,
            target=target,
            protocol=strangers.asked.protocol,
            builders=strangers.builders,
        )
        faults = [
            *tensor_faults(strangers.spec, target),
            *layer_faults(_layers(strangers, strangers.spec, compute), strangers.definitions[PADDLE]),
        ]
        with start_workers(compute) as workers:
            bench = Bench(workers=workers, compute=compute, scratch=folder)
            untouched, sightings = plant_all({SAMPLE: good}, faults, bench, images=False)
    return Selftest(untouched, sightings, time.monotonic() - start)


def _weights(strangers: Strangers, spec: TableSpec, compute: Compute) -> dict[str, Array]:
    """Distinct random values for every tensor, at which the model does not make a rounding error large."""
    definition = strangers.definitions[TORCH]
    with PairModel("torch", compute.threads, compute.python_of("torch")) as model:
        model.build(definition.model, definition.folders)
        size = _size(strangers)
        survey = model.survey((1, spec.in_chans, *size))
        if isinstance(survey, str):
            raise FerryError(f"{definition.words} takes no image of {size[0]} x {size[1]}: {survey}")
        temper = temper_for(model, survey, noise_batch(spec.in_chans, size))
        random = dict(drawn(survey.tensors, SEED, temper))
        built: Mapping[str, Array] = model.ask("verify.pairing.builders:state_arrays", TORCH)
    _check(survey, spec)
    kept = spec.kept_dtypes(TORCH)
    names = [param.torch_name for param in spec.params()]
    return {name: built[name].astype(kept[name]) if name in kept else random[name].astype(np.float32) for name in names}


def _size(strangers: Strangers) -> tuple[int, int]:
    assert strangers.asked is not None
    side = strangers.asked.protocol.size
    return side, side


def _check(survey: Survey, spec: TableSpec) -> None:
    if missing := [param.torch_name for param in spec.params() if param.torch_name not in survey.tensors]:
        raise FerryError(f"PyTorch's model has no {missing[0]}, which the table has")


def _layers(strangers: Strangers, spec: TableSpec, compute: Compute) -> dict[str, tuple[str, ...]]:
    """Name of each fault to the layers of Paddle's model that can have it."""
    definition = strangers.definitions[PADDLE]
    with PairModel("paddle", compute.threads, compute.python_of("paddle")) as model:
        model.build(definition.model, definition.folders)
        layers: dict[str, tuple[str, ...]] = model.ask(LAYERS, (1, spec.in_chans, *_size(strangers)))
        return layers
