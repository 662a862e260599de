"""The pair of checkpoints that is verified, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from convert.archs import ArchSpec
from convert.archs.spec import Merging
from convert.arrays import Array, dtype_name
from convert.casting import DEFAULT, DTYPES, cast_state_dict, holds, widened
from convert.errors import CheckpointError, FerryError
from convert.frameworks import PADDLE, PROPER_NAMES, TORCH
from convert.fresh_head import HeadChange
from convert.merging import merged, merged_exactly, read_parts
from convert.source.read import WHOLE, Selection, Source, read_source
from convert.state_dict import expected_shapes, find_problems
from verify.workers.held import HeldFile, hold_file
from verify.workers.messages import LoadJob


@dataclass(frozen=True)
class Unmerged:
    """The source of a target in which tensors are merged.

    Attributes:
        merging: what was merged.
        spec: the architecture as it was trained, with the target's head.
        tensors: official name to tensor as `Pair.expected` has them, with the source's own in place of what was merged.
        made: name of each merged tensor to its values in float64, as both models compute: Paddle keeps a batch norm's
            eps as float32. Empty where the source's tensors do not fit.
    """

    merging: Merging
    spec: ArchSpec
    tensors: Mapping[str, Array]
    made: Mapping[str, Array] = field(default_factory=dict)

    def describe(self) -> str:
        """What was merged, for people."""
        return f"{len(self.merging.parts)} of the source's tensors merged into {len(self.merging.made)}"


@dataclass(frozen=True)
class Pair:
    """The two checkpoints, read.

    Attributes:
        spec: the architecture, with the source's number of input channels, and the target's head and form.
        source: PyTorch's file.
        target: Paddle's file.
        expected: official name to the tensor that the target is to hold, in PyTorch's layout, float32: the source's,
            rounded to the target's dtype, but for a head that was changed and for what was merged.
        head_change: what became of the source's head on the way to the target; None where it stayed.
        dtype: that the target's tensors have, of those that `convert --dtype` makes; float32 where they have several,
            or another.
        builders: framework to what builds its model, "module:function:text", where the model packages' own do not.
        unmerged: the source as it is, where tensors are merged in the target; None where nothing is.
    """

    spec: ArchSpec
    source: Source[Array]
    target: Source[Array]
    expected: Mapping[str, Array]
    head_change: HeadChange | None = None
    dtype: str = DEFAULT
    builders: Mapping[str, str] = field(default_factory=dict)
    unmerged: Unmerged | None = None

    @property
    def trained(self) -> Unmerged | None:
        """The source where PyTorch's model is built of it as it was trained, and Paddle's of what was merged.

        None where nothing was merged, or what was merged was rounded to a half, which no model of the source can hold:
        there both models are the merged one.
        """
        return self.unmerged if self.dtype == DEFAULT else None

    @property
    def rounds(self) -> bool:
        """Whether the source has a value that its rounding to the target's dtype changes."""
        fresh = self.head_change.fresh if self.head_change else {}
        made = self.unmerged.made if self.unmerged else {}
        source, expected = {**self.source.tensors, **fresh, **made}, self.held
        lossy = [name for name in expected if not holds(self.dtype, source[name].dtype)]
        exact = widened({name: source[name] for name in lossy})
        return any(not np.array_equal(exact[name], expected[name]) for name in lossy)

    @property
    def held(self) -> Mapping[str, Array]:
        """Official name to the tensor that PyTorch's model is to hold."""
        return self.trained.tensors if self.trained else self.expected

    @property
    def exact(self) -> Mapping[str, Array]:
        """What Paddle's float64 model is to hold: what was merged stands there before it was rounded to float32."""
        return {**self.expected, **self.trained.made} if self.trained else self.expected

    def load_job(
        self,
        framework: str,
        *,
        dtype: str = "float32",
        digest: bool = False,
        builder: str = "",
        rounding: bool = True,
        as_trained: bool = True,
        as_written: bool = False,
    ) -> LoadJob:
        """What that framework's worker is to build.

        Args:
            framework: whose.
            dtype: of the model. In float64 what was merged has its values before they were rounded to float32.
            digest: whether to return the digests of what the model then holds.
            builder: in place of the model package's own.
            rounding: whether the model of the source is rounded as the target is.
            as_trained: whether the source's model is the one that was trained, where Paddle's is merged.
            as_written: whether Paddle's float64 model has the target's own values, rounded.
        """
        side = self.source if framework == TORCH else self.target
        form, made = None, self._made_for_paddle(exactly=dtype == "float64" and not as_written)
        if framework == TORCH:
            form = self.unmerged if not rounding else self.trained if as_trained else None
            made = self._made_for_torch(rounding=rounding, merged=form is None, exactly=dtype == "float64")
        return LoadJob(
            form.spec if form else self.spec.compared,
            tuple(file for file in side.checkpoint.files if isinstance(file, HeldFile)),
            side.checkpoint.container,
            side.checkpoint.steps,
            side.named.keys,
            made,
            side.named.reshaped,
            dtype,
            digest,
            builder or self.builders.get(framework, ""),
            self.dtype if rounding else "",
        )

    def _made_for_paddle(self, *, exactly: bool) -> dict[str, Array]:
        """What Paddle's model is to hold beside or in place of its file's tensors."""
        made = dict(self.target.named.made)
        if not (exactly and self.trained):
            return made
        names = {param.torch_name: param.paddle_name for param in self.spec.params()}
        return made | {names[name]: values for name, values in self.trained.made.items()}

    def _made_for_torch(self, *, rounding: bool, merged: bool, exactly: bool) -> dict[str, Array]:
        """What PyTorch's model is to hold beside or in place of its file's tensors."""
        fresh = self.head_change.fresh if self.head_change else {}
        made = {**self.source.named.made, **fresh}
        held = {name: self.expected[name] if rounding else made[name] for name in made if name in self.expected}
        if merged and self.unmerged:
            values = self.exact if exactly else self.expected
            held |= {name: values[name] for name in self.unmerged.made}
        return held


def read_pair(
    arch: str | ArchSpec, src: Path, dst: Path, *, source_part: Selection = WHOLE, target_part: Selection = WHOLE
) -> Pair:
    """Reads both files, once, without running anything that they carry.

    Args:
        arch: an architecture or its name; "" to recognise it.
        src: PyTorch's file.
        dst: Paddle's file.
        source_part: which part of PyTorch's file.
        target_part: which part of Paddle's.

    Raises:
        FerryError: one is no checkpoint, or the two are the wrong way round.
    """
    source = read_source(hold_file(src), arch=arch, selection=source_part)
    if source.framework == PADDLE:
        raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes the one of PyTorch")
    # What no tensor tells is said by the source's names, or beside it, if at all.
    target_arch = arch if source.spec.is_told_by_tensors else source.spec
    target = read_source(hold_file(dst), arch=target_arch, selection=target_part)
    if target.framework == TORCH:
        function = target.named.key_format.function
        library = function.library if function else PROPER_NAMES[TORCH]
        raise CheckpointError(f"{dst}: is a {library} checkpoint; --dst takes the one of Paddle")
    dtype = _dtype_of(target.tensors)
    merging = _merging(source.spec, target.spec)
    spec = merging.spec if merging else source.spec
    change = _head_change(spec, target.spec)
    tensors = {**change.kept(source.tensors), **change.fresh} if change else source.tensors
    pair = Pair(change.spec if change else spec, source, target, _rounded(tensors, dtype), change, dtype)
    return _with_merged(pair, merging, tensors) if merging else pair


def _merging(source: ArchSpec, target: ArchSpec) -> Merging | None:
    """What was merged on the way from one form of an architecture to the other; None for nothing."""
    merging = source.merging()
    return merging if merging and target.form == merging.spec.form else None


def _with_merged(pair: Pair, merging: Merging, tensors: Mapping[str, Array]) -> Pair:
    """The pair that expects of its target what is merged of the source's tensors, computed anew."""
    spec = replace(pair.source.spec, num_classes=pair.spec.num_classes, last_norm=pair.spec.last_norm)
    unmerged = Unmerged(merging, spec, pair.expected)
    if find_problems(unmerged.tensors, expected_shapes(spec, TORCH)):
        return replace(pair, expected={}, unmerged=unmerged)
    parts = read_parts(merging, spec, tensors, TORCH)
    gone = merging.parts
    kept = {name: tensor for name, tensor in pair.expected.items() if name not in gone}
    try:
        expected = {**kept, **widened(merged(merging, parts, pair.dtype))}
    except FerryError as error:
        raise FerryError(f"{pair.source.path}: {error}") from error
    # Paddle keeps a batch norm's eps as float32, and both models take that number.
    of_the_models = replace(spec, eps=float(np.float32(spec.eps))).merging()
    assert of_the_models
    made = merged_exactly(of_the_models, parts)
    return replace(pair, expected=expected, unmerged=replace(unmerged, made=made))


def _head_change(source: ArchSpec, target: ArchSpec) -> HeadChange | None:
    """The change of head that is all that parts two architectures; None where nothing or more does."""
    if source.num_classes == target.num_classes:
        return None
    change = HeadChange.to(target.num_classes, source, framework=TORCH)
    return change if change.spec == target else None


def _rounded(tensors: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    return widened(cast_state_dict(tensors, dtype)[0])


def _dtype_of(tensors: Mapping[str, Array]) -> str:
    names = {dtype_name(array.dtype) for array in tensors.values()}
    return next(iter(names)) if len(names) == 1 and names <= DTYPES.keys() else DEFAULT
