"""What a verification reads before a framework loads: all of the input that can be wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convert.archs import ArchSpec
from convert.arrays import Array
from convert.errors import FerryError, either
from convert.frameworks import PADDLE, TORCH
from convert.source.read import Selection
from convert.tables.spec import TableSpec
from verify.datasets import Dataset, read_dataset
from verify.datasets.class_map import read_class_map
from verify.gates.structure import tensor_problems
from verify.options import Options
from verify.pair import Pair, read_pair
from verify.pairing.stranger import NO_STRANGERS, Strangers
from verify.recipes.choose import MIN_SIZE, ChosenRecipe, How, WrongProtocol, choose_recipe, protocol_of_model
from verify.recipes.protocol import Protocol


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is verified, read and found to go together.

    Attributes:
        pair: both checkpoints.
        chosen: the protocol, and its recipe where there is one.
        class_indices: (classes,) int64, the model's outputs that are the data set's classes; None
            where all are.
        dataset: the validation set; None if there is none.
        strangers: the models that are not ours, and the table that states them.
    """

    pair: Pair
    chosen: ChosenRecipe
    class_indices: Array | None
    dataset: Dataset | None
    strangers: Strangers = NO_STRANGERS

    @classmethod
    def read(cls, options: Options) -> Inputs:
        """Reads the checkpoints, the recipe, the class map and the data set, in this order.

        Raises:
            FerryError: one of them is no good, or does not go with another.
        """
        given = {TORCH: options.torch_model, PADDLE: options.paddle_model}
        strangers = Strangers.read(options.table, given)
        pair = read_pair(
            strangers.spec or options.arch,
            options.src,
            options.dst,
            source_part=Selection(options.weights, options.strip_prefix),
            target_part=Selection(options.dst_weights, options.dst_strip_prefix, side="dst-"),
        )
        pair = replace(pair, builders=strangers.builders)
        if isinstance(pair.spec, TableSpec) and not tensor_problems(pair):
            size = options.overrides.size if options.overrides else options.protocol.size
            strangers = strangers.ask(pair.spec, file=options.src.name, size=size, compute=options.compute)
            pair = replace(pair, spec=strangers.spec or pair.spec)
        if options.data is not None and not pair.spec.num_classes:
            raise FerryError(
                f"--data: {options.dst} has no head, so there is no class to score or to compare, with or without "
                "labels; leave --data out, for the gates on its features need none"
            )
        chosen = _choose(options, pair, strangers)
        _check_size(pair.spec, chosen.protocol)
        class_indices = _read_class_indices(options, pair)
        dataset = _read_dataset(options, pair, class_indices)
        return cls(pair=pair, chosen=chosen, class_indices=class_indices, dataset=dataset, strangers=strangers)


def _choose(options: Options, pair: Pair, strangers: Strangers) -> ChosenRecipe:
    if options.overrides is not None and strangers.asked:
        how: How = "library" if strangers.asked.said_by else "table"
        return protocol_of_model(strangers.asked.protocol, options.overrides, how)
    if options.overrides is None:
        return ChosenRecipe(protocol=options.protocol, recipe=None, overridden=(), how="given")
    return choose_recipe(
        options.named, options.overrides, checkpoint=options.src, spec=pair.spec, default=options.protocol
    )


def _check_size(spec: ArchSpec, protocol: Protocol) -> None:
    """Raises WrongProtocol for images on which the source's library would pad maps, as no model here does."""
    size, step = protocol.size, spec.multiple_of
    if size % step:
        nearest = [str(side) for side in (size // step * step, -(-size // step) * step) if side >= MIN_SIZE]
        raise WrongProtocol(
            f"--size {size}: {spec.name} is {spec.variant}. At other sizes that library pads its maps below and to the "
            f"right, and its answers are others by as much as they vary; take --size {either(nearest)}"
        )


def _read_class_indices(options: Options, pair: Pair) -> Array | None:
    if options.class_map is None:
        return None
    if options.data is None:  # from Python; the command line has refused it
        raise FerryError(f"{options.class_map}: a class map needs a data set")
    return read_class_map(options.class_map, pair.spec.num_classes)


def _read_dataset(options: Options, pair: Pair, class_indices: Array | None) -> Dataset | None:
    if options.data is None:
        return None
    if pair.spec.in_chans != 3:
        raise FerryError(f"--data: images have 3 channels, the model takes {pair.spec.in_chans}")
    classes = pair.spec.num_classes if class_indices is None else len(class_indices)
    return read_dataset(options.data, classes, labelled=options.labelled, choice=options.choice)
