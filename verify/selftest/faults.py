"""The table of planted faults: what each is, where it is planted, and the gate that must see it first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from convert.arrays import Array
from verify.gates import FLOAT32, FLOAT64, PAIRED, PREPROCESSING, PUBLISHED, STRUCTURE
from verify.selftest import decoder_faults, run_faults
from verify.selftest.bench import DATA_SET, Plants
from verify.selftest.tensor_kinds import KINDS, Tensors

SEED = 0
SAMPLE, V2, RESNEXT = "sample", "V2 twin", "ResNeXt twin"


@dataclass(frozen=True)
class Fault:
    """A planted fault: one row of the table.

    Attributes:
        name: in words.
        where: it is planted.
        gate: that must see it first.
        plants: the fault itself.
        pair: the known good pair that has it.
    """

    name: str
    where: str
    gate: str
    plants: Plants = field(repr=False)
    pair: str = SAMPLE


def _tensors(kind: str, *place: str, name: str = "", pair: str = SAMPLE) -> Fault:
    def change(right: Mapping[str, Array]) -> Tensors:
        return KINDS[kind].plant(right, place, np.random.default_rng(SEED))

    return Fault(name or kind, "target's tensors", STRUCTURE.name, Plants(tensors=change), pair)


def _model(name: str, fault: str, gate: str = FLOAT64.name, *, pair: str = SAMPLE) -> Fault:
    return Fault(name, "Paddle's model", gate, Plants(model=fault), pair)


def _decoder(name: str) -> Fault:
    plants = Plants(decode=decoder_faults.DECODERS[name])
    return Fault(name, "the decoder", PREPROCESSING.name, plants, V2)


def _run(name: str, plants: Plants, gate: str = PAIRED.name, *, where: str = "the run") -> Fault:
    return Fault(name, where, gate, plants)


def _images(name: str, change: Callable[..., None], gate: str) -> Fault:
    return _run(name, Plants(folder=run_faults.change_a_copy(change)), gate, where="the images")


FAULTS: tuple[Fault, ...] = (
    _tensors("two blocks swapped", "stages.2.0", "stages.2.2"),
    _tensors("two norms swapped", "stages.2.0.norm.weight", "stages.2.1.norm.weight"),
    _tensors("a square matrix transposed", "head.weight", pair=V2),  # the sample has none
    _tensors("a Linear reshaped, not transposed", "stages.2.1.pwconv1.weight"),
    _tensors("a Linear left in PyTorch's layout", "stages.0.0.pwconv2.weight"),
    _tensors("everything rounded to half"),
    _tensors("rounded to half", "stages.1.0.pwconv1.weight", name="one tensor rounded to half"),
    _tensors("rounded to bfloat16", "stages.1.0.pwconv1.weight", name="one tensor rounded to bfloat16"),
    _tensors("one element changed by 1e-3", "stages.2.1.pwconv2.weight"),
    _tensors("the last bit of one element", "norm.weight"),
    _tensors("a bias dropped", "stages.2.1.dwconv.bias"),
    _tensors("gamma at its initial value", "stages.2.2.gamma"),
    _tensors("sign flipped", "stages.3.0.gamma"),
    _tensors("a tensor of zeros", "downsample_layers.2.1.weight"),
    _tensors("a kernel flipped", "stages.0.0.dwconv.weight"),
    _tensors("input channels reversed", "downsample_layers.0.0.weight"),
    _tensors("a NaN", "stages.1.0.norm.weight"),
    _tensors("a tensor missing", "stages.2.1.gamma"),
    _tensors("an extra tensor", "norm.bias"),
    _tensors("another dtype", "norm.bias"),
    _tensors("another shape", "stages.0.0.gamma"),
    _tensors("statistics at their initial value", "layer3.1.bn2._mean", "layer3.1.bn2._variance", pair=RESNEXT),
    _tensors("mean and variance exchanged", "layer1.0.bn1._mean", "layer1.0.bn1._variance", pair=RESNEXT),
    _tensors("one group's outputs reversed", "layer2.0.conv2.weight", "3", pair=RESNEXT),
    _model("eps 1e-5 in one norm", "another eps@stages.2.1"),
    _model("eps 1e-5 in the last norm", "the last norm's eps"),
    _model("tanh GELU", "tanh GELU@stages.2.0"),
    _model("norm before pooling", "norm and mean exchanged"),
    _model("unbiased variance", "unbiased variance@stages.2.1"),
    _model("gamma ignored", "gamma ignored@stages.2.0"),
    _model("shortcut left out", "shortcut left out@stages.1.0"),
    _model("kernel flipped", "kernel flipped@stages.0.0"),
    _model("padding by reflection", "padding by reflection@stages.0.0"),
    _model("blocks in another order", "blocks in another order@stages.2"),
    _model("bias of a Linear dropped", "bias of a Linear dropped@stages.2.1"),
    _model("GRN by the spectral norm", "GRN by the spectral norm@stages.2.1", pair=V2),
    _model("GRN over the channels", "GRN over the channels@stages.2.1", pair=V2),
    _model(
        "a batch norm's statistics never loaded",
        "batch norms' statistics at their initial value@layer3.1",
        STRUCTURE.name,
        pair=RESNEXT,
    ),
    _model("eps 1e-3 in a batch norm", "batch norms' eps 1e-3@layer2.0", pair=RESNEXT),
    _model("a batch norm left in training mode", "batch norms by the batch@layer1.0", pair=RESNEXT),
    _model("a group's outputs reversed", "a group's outputs reversed@layer3.0", pair=RESNEXT),
    _model("Caffe's max pool", "Caffe's max pool", pair=RESNEXT),
    _model("half-precision activations", "half-precision activations", FLOAT32.name),
    _model("bfloat16 activations", "bfloat16 activations", FLOAT32.name),
    _model("logits of four decimals", "logits of four decimals", FLOAT32.name),
    *(_decoder(name) for name in decoder_faults.DECODERS),
    _images("one class missing", run_faults.lose_a_class, DATA_SET),
    _images("one class too many", run_faults.add_a_class, DATA_SET),
    _images("a broken image", run_faults.cut_an_image, PAIRED.name),
    _images("an image replaced by another class's", run_faults.replace_an_image, PUBLISHED.name),
    _run("an image changed after it was listed", Plants(listed=run_faults.grow_after_listing), where="the images"),
    _run(
        "labels shifted by one",
        Plants(listed=run_faults.relabel(lambda label: (label + 1) % run_faults.CLASSES)),
        PUBLISHED.name,
        where="the labels",
    ),
    _run(
        "two classes exchanged",
        Plants(listed=run_faults.relabel(lambda label: {3: 8, 8: 3}.get(label, label))),
        PUBLISHED.name,
        where="the labels",
    ),
    _run("a batch dropped", Plants(store=run_faults.change_store("DELETE FROM images WHERE id BETWEEN 32 AND 63"))),
    _run("a batch twice", Plants(workers=run_faults.repeat_first_batch)),
    _run("one class's images lost", Plants(store=run_faults.change_store("DELETE FROM images WHERE label = 7"))),
    _run(
        "a label in the store changed",
        Plants(store=run_faults.change_store("UPDATE images SET label = 3 WHERE id = 0")),
    ),
    _run(
        "a framework's predictions lost",
        Plants(store=run_faults.change_store("DELETE FROM predictions WHERE image = 40 AND framework = 'paddle'")),
    ),
    _run("images in another order for Paddle", Plants(model="images in another order")),
    _run("an image replaced for Paddle", Plants(model="an image replaced")),
    _run("classes in another order for Paddle", Plants(model="classes in another order")),
    _run("logits off by 2e-4", Plants(model="logits off by 2e-4")),
    _run("not a number in a batch", Plants(model="not a number in the run")),
)
