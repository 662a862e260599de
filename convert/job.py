"""One conversion from file to file: what the command line does, callable."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from convert.archs import ArchSpec
from convert.archs.spec import Merging
from convert.arrays import Array, Tensor, count_not_finite
from convert.buffers import Buffer
from convert.casting import DEFAULT, DTYPES, cast_state_dict
from convert.checkpoints import write_checkpoint
from convert.checkpoints.atomic import check_target
from convert.checkpoints.containers import WRITTEN_AS
from convert.conversion import Conversion, TensorStep
from convert.cores import on_cores
from convert.errors import CheckpointMismatch, FerryError, TargetError
from convert.frameworks import FRAMEWORKS, PADDLE, TORCH
from convert.fresh_head import HeadChange
from convert.key_formats import names_for
from convert.key_formats.rules import Reshape
from convert.merging import merged, merging_of, read_parts
from convert.one_pass import OnePass
from convert.params import Layout, LeftOut, name_in
from convert.paths import AnyPath
from convert.source.read import Selection, Source, open_source
from convert.source.recognise import recognise_arch
from convert.state_dict import carry_state_dict, check_state_dict, expected_shapes, find_problems, made_anew
from convert.steps import Steps
from convert.stored import StoredArray
from convert.tables.spec import refuse_changes
from convert.targets import target_named


@dataclass(frozen=True)
class Options:
    """What is done beyond carrying the tensors over.

    Attributes:
        weights: which state dict, by its path, where the file holds several.
        to: key format of the target, one of `convert.targets.TARGETS`; "" for the official names.
        dtype: of the target; "" for float32 without losing a value.
        num_classes: of a freshly initialised head where the source has none or another; 0 leaves the head out, None
            keeps the source's own, or none.
        strip_prefix: what the keys begin with that are carried over; "" for what all begin with.
        merge: whether to re-parameterise, where the architecture offers it; it cannot be taken back.
    """

    weights: str = ""
    to: str = ""
    dtype: str = ""
    num_classes: int | None = None
    strip_prefix: str = ""
    merge: bool = False


@dataclass(frozen=True)
class Job:
    """A source that is ready to be carried over.

    Attributes:
        source: the file and what was recognised in it.
        spec: the architecture, with the target's number of classes.
        tensors: official names to arrays in the layout of the source's framework, cast. Their values are read, and
            looked at, when they are carried over, except those that are new or merged.
        options: as asked for.
        casts: how many tensors were cast, by the dtype that they had.
        head_change: what becomes of the source's head; None where it stays as it is.
        merging: what is merged; None where nothing is.
    """

    source: Source[StoredArray]
    spec: ArchSpec
    tensors: Mapping[str, Tensor]
    options: Options = field(default_factory=Options)
    casts: Mapping[str, int] = field(default_factory=dict)
    head_change: HeadChange | None = None
    merging: Merging | None = None

    @classmethod
    def read(cls, arch: str | ArchSpec, src: AnyPath, options: Options | None = None) -> Job:
        """Opens a checkpoint, as that architecture or, where `arch` is "", as the one that its tensors show.

        Raises:
            WrongUsage: options that a network of its own names, a table's, cannot have.
            FerryError: a name, the file or its keys are no good.
        """
        options = options or Options()
        if isinstance(arch, ArchSpec) and arch.own_names:
            refuse_changes(options.num_classes, options.to)
        selection = Selection(options.weights, options.strip_prefix)
        source = open_source(src, arch=arch, selection=selection)
        tensors: dict[str, Tensor] = dict(source.tensors)
        # A file can name one small tensor ten thousand times; a cast makes a copy of each.
        expected, kept = expected_shapes(source.spec, source.framework), source.spec.kept_dtypes(source.framework)
        fitting = {
            name: array for name, array in tensors.items() if expected.get(name) == array.shape and name not in kept
        }
        try:
            cast, casts = cast_state_dict(fitting, options.dtype)
        except FerryError as error:
            raise FerryError(f"{src}: {error}: --dtype float32 rounds it") from error
        job = cls(source, source.spec, {**tensors, **cast}, options, casts)
        job = job._merged() if options.merge else job
        if options.num_classes is None or options.num_classes == job.spec.num_classes:
            return job
        change = HeadChange.to(options.num_classes, job.spec, framework=source.framework)
        fresh, _ = cast_state_dict(change.fresh, options.dtype or DEFAULT)
        return replace(job, spec=change.spec, tensors={**change.kept(job.tensors), **fresh}, head_change=change)

    def target_framework(self, suffix: str) -> str:
        """ "torch" or "paddle", for a target of that suffix.

        Where suffix and key format leave it open, it is the other one than the source, or PyTorch for official keys
        that were asked for.
        """
        container = WRITTEN_AS.get(suffix)
        possible = container.frameworks if container else FRAMEWORKS
        if self.options.to:
            frameworks = target_named(self.options.to).frameworks
            return next((name for name in frameworks if name in possible), frameworks[0])
        if len(possible) == 1:
            return possible[0]
        return TORCH if self.source.framework == PADDLE else PADDLE

    def converted(self, framework: str) -> dict[str, Array]:
        """The target's tensors under the target's keys, in that framework's layout, in memory.

        Raises:
            CheckpointMismatch: the tensors are not the architecture's; its text names the file.
            FerryError: the key format has no place for a tensor, or the file is damaged or changes.
        """
        watched = OnePass(digest=False)
        tensors = self._target_tensors(framework, watched)
        arrays = on_cores(lambda tensor: tensor.read() if isinstance(tensor, StoredArray) else tensor, tensors.values())
        self._judge(watched)
        return dict(zip(tensors, map(np.asarray, arrays), strict=True))

    def check(self, framework: str) -> None:
        """Reads every tensor once; the errors are those of `converted`."""
        watched, buffers = OnePass(digest=False), threading.local()

        def read(tensor: Tensor) -> None:
            if isinstance(tensor, StoredArray):
                buffers.own = getattr(buffers, "own", None) or Buffer()
                tensor.read(buffers.own)

        on_cores(read, self._target_tensors(framework, watched).values())
        self._judge(watched)

    def steps(self, framework: str) -> tuple[TensorStep, ...]:
        """The whole mapping to a target of that framework, in the target's order, and what is left out of it."""
        names = self._target_names(framework)
        return tuple(Steps(self.source, self.spec, framework, names, self._dtype, self.head_change, self.merging))

    def write(self, dst: AnyPath, *, force: bool = False, digest: bool = True) -> Conversion:
        """Writes the target. Raises FerryError, having written nothing.

        Every byte of the tensors is read once, from a file that was opened once: what was checked is what is written.

        Args:
            dst: the file; its suffix says which container.
            force: whether to replace an existing file.
            digest: whether to compute the SHA-256 of both files and of the tensors.
        """
        dst = Path(dst)
        check_target(dst, force=force)
        if dst.exists() and dst.samefile(self.source.path):
            raise TargetError(f"{dst}: is the source itself; choose another target")
        framework = self.target_framework(dst.suffix)
        watched, sources = OnePass(digest=digest), []

        def confirm() -> None:
            self._judge(watched)
            if digest:
                sources.extend(on_cores(lambda file: file.sha256(), self.source.checkpoint.files))
                self.source.checkpoint.check_unchanged()

        tensors = self._target_tensors(framework, watched)
        written = write_checkpoint(
            dst,
            tensors,
            framework=framework,
            force=force,
            digest=digest,
            envelope=target_named(self.options.to).envelope,
            confirm=confirm,
        )
        return Conversion(**vars(written), sources=tuple(sources), tensors=watched.digest() if digest else "")

    def operations(self, framework: str) -> dict[str, int]:
        """How many tensors are copied as they are, transposed, reshaped, cast or made new."""
        counts = Counter(operation for step in self.steps(framework) for operation in step.operations or ("copy",))
        return dict(sorted(counts.items()))

    def _merged(self) -> Job:
        """The same with the tensors merged that the architecture has to merge, of the source's own values."""
        source, tensors = self.source, self.tensors
        try:
            merging = merging_of(self.spec)
            self._check({})
            parts = read_parts(merging, self.spec, source.tensors, source.framework)
            if not_finite := {name: bad for name, array in parts.items() if (bad := count_not_finite(array))}:
                names = {param.torch_name: param.paddle_name for param in self.spec.params()}
                self._check({name if source.framework == TORCH else names[name]: n for name, n in not_finite.items()})
            made = merged(merging, parts, self.options.dtype or DEFAULT)
        except CheckpointMismatch:
            raise
        except FerryError as error:
            path = f"{source.path}: "  # an error of reading values has it already
            raise type(error)(f"{path}{str(error).removeprefix(path)}") from error
        remaining = expected_shapes(merging.spec, source.framework)
        kept = {name: tensor for name, tensor in tensors.items() if name in remaining}
        return replace(self, spec=merging.spec, tensors={**kept, **made}, merging=merging)

    def _target_tensors(self, framework: str, watched: OnePass) -> dict[str, Tensor]:
        """The target's keys to its tensors, unread; what is learned when they are read goes to `watched`."""
        expected = expected_shapes(self.spec, self.source.framework)
        kept = self.spec.kept_dtypes(self.source.framework)
        if find_problems(self.tensors, expected, dtype=self._dtype, kept=kept, not_finite={}):
            self._check(None)  # all values are read too, so that the error has every problem
        to_paddle = framework == PADDLE
        carried: Mapping[str, Tensor] = self.tensors
        if framework != self.source.framework:
            carried = carry_state_dict(self.spec, self.tensors, framework)
        names, tensors = self._target_names(framework), dict[str, Tensor]()
        for row in self.spec.rows():
            if isinstance(row, LeftOut):
                if not to_paddle:
                    tensors[names[row.torch_name][0]] = self._kept_or_made(row)
                continue
            name = name_in(framework, row)
            source = name_in(self.source.framework, row)
            key, reshape = names[row.torch_name]
            tensor, layout = carried[name], row.layout if to_paddle else Layout.SAME
            if reshape.turns:
                tensor, layout = tensor.T, Layout.SAME
            tensor = watched.watch(tensor, layout, source=source, name=row.torch_name)
            tensors[key] = tensor.reshape(reshape.theirs(carried[name].shape))
        return tensors

    def _kept_or_made(self, row: LeftOut) -> Tensor:
        """A tensor that PyTorch alone has, for its target: the source's own where it is PyTorch's too."""
        if key := self.source.dropped_of(TORCH).get(row.torch_name):
            return self.source.checkpoint.tensors[key]
        return made_anew(row, str(self.source.path))

    def _judge(self, watched: OnePass) -> None:
        """Raises FerryError where what was read must not be used."""
        self.source.checkpoint.check_unchanged()
        if watched.not_finite:
            self._check(watched.not_finite)

    def _check(self, not_finite: Mapping[str, int] | None) -> None:
        """Raises FerryError unless the tensors are the architecture's; `not_finite` is that of `find_problems`."""
        framework = self.source.framework
        try:
            check_state_dict(self.spec, self.tensors, framework=framework, dtype=self._dtype, not_finite=not_finite)
        except CheckpointMismatch as error:
            self.source.checkpoint.check_unchanged()
            raise CheckpointMismatch(
                error.arch, error.problems, str(self.source.path), self._hint(), "--plan prints them all"
            ) from error

    @property
    def _dtype(self) -> np.dtype[Any]:
        return DTYPES[self.options.dtype or DEFAULT]

    def _hint(self) -> str:
        """What to do about tensors that do not fit."""
        if self.spec.own_names:
            return "give a file of that network, of these sizes; or mend its table, where that is wrong"
        shapes = {name: array.shape for name, array in self.source.tensors.items()}
        try:
            recognised, _ = recognise_arch(shapes, (self.source.framework,))
        except FerryError:
            return "give the whole state dict of one ConvNeXt, saved anew with model.state_dict()"
        if recognised.assumed:
            return f"its tensors are those of an {recognised.name}; leave --arch out"
        if recognised.name != self.spec.name:
            return f"its tensors are those of {recognised.name}; choose --arch {recognised.name}"
        return "fetch the file again, or save it anew from a model without these values"

    def _target_names(self, framework: str) -> dict[str, tuple[str, Reshape]]:
        """Name in PyTorch to the target's key and how its shape differs."""
        target = target_named(self.options.to)
        if framework == TORCH or TORCH not in target.frameworks:
            return names_for(self.spec, target.name)
        return {param.torch_name: (param.paddle_name, Reshape.NONE) for param in self.spec.params()}
