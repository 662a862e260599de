"""How a library's names of tensors correspond to the official ones: rules as data, read in both directions."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from convert.archs.spec import EPS_ASSUMED, GELU_ASSUMED, ArchSpec, Spec
from convert.frameworks import PADDLE
from convert.params import Param, Row, Shape

if TYPE_CHECKING:
    from convert.arrays import TensorType


TOLD = (EPS_ASSUMED, GELU_ASSUMED)  # by the library whose names the tensors have

# What a place of a template that is no number may be.
WORDS = {"p": "weight|bias", "b": "weight|bias|running_mean|running_var|num_batches_tracked|_mean|_variance"}

MAX_AXES = 4  # of a vector that is stored as a map's scale
LONGEST_MARKER = 400  # characters of a key by which a format is recognised, with what stands before it


class Reshape(enum.Enum):
    """A difference of shape that keeps every value in its place among those of PyTorch's tensor."""

    NONE = ""
    CONV1X1 = "1x1 convolution to Linear"  # official (out, in), theirs (out, in, 1, 1)
    CONV1X1_OF_PADDLE = "1x1 convolution to Linear of Paddle"  # official (in, out), theirs (out, in, 1, 1)
    GRN = "vector to (1, 1, 1, C)"  # official (1, 1, 1, C), theirs (C,), in some files (1, C)
    SCALE = "(C, 1, 1) to vector"  # official (C,), theirs (C, 1, 1)
    VECTOR = "axes of one element off"  # official (C,), theirs too; in some files (C, 1, 1) or (1, C)

    @property
    def turns(self) -> bool:
        """Whether the official tensor has its axes the other way round: Paddle's Linear has, no convolution."""
        return self is Reshape.CONV1X1_OF_PADDLE

    def to_official(self, tensor: TensorType) -> TensorType:
        """A view of the library's tensor in its official shape; the tensor itself if the operation does not fit it."""
        shape = self.official(tensor.shape)
        if shape in (None, tensor.shape):
            return tensor
        view: TensorType = (tensor.T if self.turns else tensor).reshape(shape)
        return view

    def theirs(self, official: Shape) -> Shape:
        """The shape in the library of a tensor of that official shape."""
        if self.turns:
            return (*official[::-1], 1, 1)
        if self is Reshape.CONV1X1:
            return (*official, 1, 1)
        if self is Reshape.GRN:
            return official[-1:]
        return (*official, 1, 1) if self is Reshape.SCALE else official

    def official(self, theirs: Shape) -> Shape | None:
        """The official shape of a tensor of that shape in the library; None if the operation does not fit it."""
        if self in (Reshape.CONV1X1, Reshape.CONV1X1_OF_PADDLE):
            linear = theirs[1::-1] if self.turns else theirs[:2]
            return linear if len(theirs) == 4 and theirs[2:] == (1, 1) else None
        if self is Reshape.GRN:
            return (1, 1, 1, *only) if (only := _only_axis(theirs)) else None
        return _only_axis(theirs) if self in (Reshape.SCALE, Reshape.VECTOR) else theirs


def _only_axis(shape: Shape) -> Shape | None:
    """The shape as a vector where it is one but for axes of one element, and so has no other order of its values."""
    long = tuple(size for size in shape if size != 1)
    return (long or (1,)) if shape and len(long) <= 1 and len(shape) <= MAX_AXES else None


@dataclass(frozen=True)
class Rule:
    """One correspondence between an official name and a library's.

    Attributes:
        official: template of the official name; `{i}`, `{j}`, `{k}` stand for numbers, `{p}` for weight or bias and
            `{b}` for any tensor of a batch norm, in PyTorch or in Paddle.
        theirs: template of the library's name, with the same places.
        reshape: the difference of shape that the library's own files may have.
    """

    official: str
    theirs: str
    reshape: Reshape = Reshape.NONE

    def to_official(self, key: str) -> str | None:
        """The official name of the library's key; None if the rule is not about it."""
        return _translate(self._their_pattern, key, self.official)

    def from_official(self, name: str) -> str | None:
        """The library's key of an official name; None if the rule is not about it."""
        return _translate(self._official_pattern, name, self.theirs)

    @cached_property
    def _their_pattern(self) -> re.Pattern[str]:
        return _pattern(self.theirs)

    @cached_property
    def _official_pattern(self) -> re.Pattern[str]:
        return _pattern(self.official)


@dataclass(frozen=True)
class Limit:
    """One thing that a library lacks, although it has a name for every tensor.

    Attributes:
        lacks: in the words of a message, after "it has no".
        concerns: whether an architecture needs it.
    """

    lacks: str
    concerns: Callable[[ArchSpec], bool]


@dataclass(frozen=True)
class Function:
    """What a library's networks compute otherwise than the authors' of the same tensors.

    Attributes:
        library: whose they are, for people.
        gelu_tanh: whether GELU is its tanh approximation.
        same_padding: whether maps whose height or width a convolution does not divide are padded.
        last_eps: of the last norm, where it has another than the others; None where it has not.
    """

    library: str
    gelu_tanh: bool = False
    same_padding: bool = False
    last_eps: float | None = None

    def of(self, spec: Spec) -> Spec:
        """The architecture as the library computes it; its name stays, and its `variant` has what differs."""
        fields: dict[str, Any] = {"same_padding": self.same_padding, "last_eps": self.last_eps}
        if self.gelu_tanh:  # whose families have a field for it
            fields["gelu_tanh"] = True
        theirs = replace(spec, **fields, assumed=tuple(text for text in spec.assumed if text not in TOLD))
        words = ["tanh GELU"] if self.gelu_tanh else []
        words += [] if self.last_eps is None else [f"eps {self.last_eps:g} in the last norm"]
        words += [f"'same' padding (sizes in multiples of {theirs.multiple_of})"] if self.same_padding else []
        return replace(theirs, variant=f"{self.library}'s: {', '.join(words)}")


@dataclass(frozen=True)
class KeyFormat:
    """A library's names.

    Attributes:
        name: of the library, as on the command line.
        marker: a key that every checkpoint of the format has and no other format's has, as a template.
        rules: every tensor's; of each key at most one holds.
        second: another key that it has, no template, where the marker alone is another format's too; "" elsewhere.
        foreign: a key that shows the marker to be that of the other format; "" where there is none.
        framework: whose layout its files have; "" where either's.
        left_out: prefixes of keys that belong to other parts of a larger model and are left out on purpose.
        aliases: second names of tensors, which may stand beside the first with the same values.
        without_bias: official names of Linear layers that may have no bias in the library, which is a bias of 0.
        limits: what the library cannot build.
        usual_eps: of every norm that the library builds unless it is told another; None where the name of its
            architecture tells it.
        training: prefixes of keys that no model's tensors have but a training's state, an optimizer's above all; beside
            them single numbers are a training's too.
        function: what its networks compute otherwise than the authors' of the same tensors; None where nothing.
    """

    name: str
    marker: str
    rules: tuple[Rule, ...]
    second: str = ""
    foreign: str = ""
    framework: str = ""
    left_out: tuple[str, ...] = ()
    aliases: tuple[Rule, ...] = ()
    without_bias: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    usual_eps: float | None = None
    training: tuple[str, ...] = ()
    function: Function | None = None

    def prefix_before_marker(self, key: str, keys: Container[str]) -> str | None:
        """What stands, in whole words, before the format's marker at the end of a key; None if there is none.

        Args:
            key: one of a state dict's.
            keys: all of them, among which `second` has to stand and `foreign` must not.
        """
        if len(key) > LONGEST_MARKER:
            return None
        words = key.rsplit(".", self.marker.count(".") + 1)
        marker = ".".join(words[-self.marker.count(".") - 1 :])
        if not _pattern(self.marker).fullmatch(marker):
            return None
        prefix = key.removesuffix(marker)
        if self.training and prefix.startswith(self.training):
            return None
        lacks_second = bool(self.second) and prefix + self.second not in keys
        has_foreign = bool(self.foreign) and prefix + self.foreign in keys
        return None if lacks_second or has_foreign else prefix

    def to_official(self, key: str) -> tuple[str, Rule] | None:
        """Official name and rule of a key; None if the format has no place for it."""
        names = ((name, rule) for rule in self.rules if (name := rule.to_official(key)) is not None)
        return next(names, None)

    def first_name(self, key: str) -> str | None:
        """The key of the tensor of which this key is a second name; None for any other."""
        names = (rule.to_official(key) for rule in self.aliases)
        rows = (self.from_official(name) for name in names if name is not None)
        return next((row[0] for row in rows if row is not None), None)

    def is_training(self, key: str, shape: Shape) -> bool:
        """Whether a key is of the state of a training, where the format's files have that beside the weights."""
        return bool(self.training) and (key.startswith(self.training) or not shape)

    def as_computed(self, spec: Spec) -> Spec:
        """The architecture, which has these tensors, with what the library's networks compute otherwise."""
        return self.function.of(spec) if self.function else spec

    def from_official(self, name: str) -> tuple[str, Rule] | None:
        """The format's key and rule of an official name; None if the format has no place for it."""
        keys = ((key, rule) for rule in self.rules if (key := rule.from_official(name)) is not None)
        return next(keys, None)

    def official_name(self, row: Row) -> str:
        """The official name of a row of the table by which the rules go: of formats for Paddle alone it is Paddle's."""
        return row.paddle_name if self.framework == PADDLE and isinstance(row, Param) else row.torch_name

    def obstacle(self, spec: ArchSpec) -> str:
        """What the library lacks for the architecture, in the words of a message after "it has no"; "" if nothing."""
        for row in spec.rows() if self.framework != PADDLE else spec.params():
            if not self.from_official(self.official_name(row)):
                return f"place for {row.torch_name}"
        return next((limit.lacks for limit in self.limits if limit.concerns(spec)), "")

    def tolerant(self) -> KeyFormat:
        """The format for reading, with scales in whatever shape has but one axis of more than one element."""
        return replace(self, rules=tuple(map(_tolerant, self.rules)))

    def without(self, reshape: Reshape) -> KeyFormat:
        """The format of files in which no tensor has that difference of shape."""
        rules = (replace(rule, reshape=Reshape.NONE) if rule.reshape is reshape else rule for rule in self.rules)
        return replace(self, rules=tuple(rules))


def _tolerant(rule: Rule) -> Rule:
    if rule.reshape is Reshape.NONE and ".grn." in rule.official:
        return replace(rule, reshape=Reshape.GRN)
    is_layer_scale = rule.reshape is Reshape.NONE and rule.official.endswith(".gamma")
    return replace(rule, reshape=Reshape.VECTOR) if is_layer_scale else rule


@cache
def _pattern(template: str) -> re.Pattern[str]:
    pattern = re.escape(template)
    for place in "ijk":
        pattern = pattern.replace(rf"\{{{place}\}}", rf"(?P<{place}>[0-9]{{1,3}})")
    for place, names in WORDS.items():
        pattern = pattern.replace(rf"\{{{place}\}}", f"(?P<{place}>{names})")
    return re.compile(pattern)


def _translate(pattern: re.Pattern[str], text: str, template: str) -> str | None:
    match = pattern.fullmatch(text)
    return template.format(**match.groupdict()) if match else None
