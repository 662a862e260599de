"""The globals that a pickle may name, and what our own functions, which stand in for them, may make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convert.errors import CheckpointError, RefusedCheckpoint, shown
from convert.files import Stretch

Reducer = Callable[[tuple[Any, ...]], Any]

# Tensors that have no plain numbers, by what rebuilds them or stands with them, and what their author can save instead.
OTHER_TENSORS = {
    "torch._utils._rebuild_tensor_v3": "tensors of a dtype that is not supported, float8 say; save tensor.float()",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensors of the device meta, which have no values; "
    "save the model once it has its weights",
    "torch._utils._rebuild_qtensor": "quantised tensors; save tensor.dequantize()",
    "torch._utils._rebuild_sparse_tensor": "sparse tensors; save tensor.to_dense()",
    "torch.qint8": "quantised layers; save the model as it was before",
    "torch.quint8": "quantised layers; save the model as it was before",
}

# Of torch.save's own files these are read: they are told where a plain pickle has them.
IN_PLAIN_PICKLES = dict.fromkeys(
    ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"),
    "PyTorch's tensors, but torch.save did not write it; save it with torch.save()",
)

MAX_ATTRIBUTES = 100  # of one object; they are looked at whenever they are set, and may be remembered


@dataclass(frozen=True)
class Global:
    """A name that the stream asks for and the table has.

    Attributes:
        module: as in the stream.
        name: as in the stream.
        reduce: called with the argument tuple where the stream calls the global; None where it may not be called.
        is_class: whether an object of it can be made without a call (NEWOBJ).
    """

    module: str
    name: str
    reduce: Reducer | None = None
    is_class: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.module}.{self.name}"


Globals = Mapping[tuple[str, str], Global]


def table_of(rows: Iterable[Global]) -> Globals:
    """The globals by (module, name), as a stream names them."""
    return {(row.module, row.name): row for row in rows}


@dataclass(frozen=True, eq=False)
class Inert:
    """Stands where a file has an object that no state dict needs, or a class or function: it does nothing.

    Attributes:
        refusal: why the file is refused where this stands among the weights; empty where they are only told apart.
        name: of the global that it stands for, or that made it.
    """

    refusal: str = ""
    name: str = ""


@dataclass(eq=False)
class Built:
    """What a reducer returns when the stream completes the object with a state afterwards (BUILD).

    Attributes:
        set_state: takes the state; a ValueError where it does not fit.
        refusal: why the file is refused where this stands among the weights; empty where it may stand there.
    """

    set_state: Callable[[Any], None]
    refusal: str = field(default="", kw_only=True)


class OrderedDict(dict[Any, Any]):
    """A dict that may have attributes, which are not kept."""


# Of Python's own class: an attribute of such a name would hide the method from whoever calls it.
METHODS_OF_ORDERED_DICT = frozenset(name for name in dir(OrderedDict) if not name.startswith("_")) | {"move_to_end"}


def refusal_of(value: Any) -> str:
    """Why a value may not stand among the weights, where it is more than no tensor."""
    return value.refusal if isinstance(value, Inert | Built) else ""


def new_ordered_dict(arguments: tuple[Any, ...]) -> OrderedDict:
    """The stand-in for `collections.OrderedDict`, as a table's row."""
    if arguments:
        raise ValueError("pairs in the constructor")
    return OrderedDict()


def check_attributes(attributes: Any, taken: Iterable[str]) -> None:
    """Raises ValueError unless these are attributes that an object can be given and stays what it is.

    Args:
        attributes: names to values, as the stream has them.
        taken: the names of attributes that are the object's own.
    """
    if not isinstance(attributes, dict) or len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"attributes that are no dict of at most {MAX_ATTRIBUTES}")
    if not all(isinstance(name, str) for name in attributes):
        raise ValueError("attributes that have no names")
    for name in attributes:
        if name.startswith("__") or name in taken:
            raise ValueError(f"the attribute {name[:40]!r}")


def naming(module: Any, name: Any) -> str:
    """Why a file is refused that names a global which is not in the table."""
    if isinstance(module, str) and isinstance(name, str):
        full_name = f"{module}.{name}"
        if kind := OTHER_TENSORS.get(full_name) or IN_PLAIN_PICKLES.get(full_name):
            return f"the file holds {kind}"
    return f"the file names {_word(module)}.{_word(name)}, which no state dict needs; it was not run"


def refusing(reason: str) -> CheckpointError:
    """What to raise for a reason; tensors of another kind ask for no code, and their reason says what to save."""
    others = any(kind in reason for kind in OTHER_TENSORS.values())
    return CheckpointError(reason) if others else RefusedCheckpoint(reason)


def _word(name: Any) -> str:
    return shown(name) if isinstance(name, str) else f"<{kind_of(name)}>"


def kind_of(value: Any) -> str:
    """What a message calls a value that stands where another kind is wanted."""
    return "memoryview" if isinstance(value, Stretch) else type(value).__name__
