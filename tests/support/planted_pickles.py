"""Pickles whose arguments say more than they usually do: another sign, order or dtype than a reader expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pickles import Raw, a_dict, call, name, plain, stream

REBUILD = name("torch._utils", "_rebuild_tensor_v2", 2)
PARAMETER = name("torch._utils", "_rebuild_parameter", 2)
WITH_STATE = name("torch._utils", "_rebuild_parameter_with_state", 2)
HOOKS = call(name("collections", "OrderedDict", 2))
STORAGE = Raw(plain(("storage", name("torch", "FloatStorage", 2), "0", "cpu", 4)) + b"Q")
WINDOW = (STORAGE, 0, (4,), (1,))
TENSOR = call(REBUILD, *WINDOW, False, HOOKS)
ONE_HOOK = Raw(HOOKS + plain(0) + plain("x") + b"s")

TAKES = "with arguments that it does not take: "
OF_TENSOR, OF_PARAMETER = f"torch._utils._rebuild_tensor_v2 {TAKES}", f"torch._utils._rebuild_parameter {TAKES}"
OF_STATE = f"torch._utils._rebuild_parameter_with_state {TAKES}"
SIGN = "metadata that changes its values; save tensor.resolve_neg().resolve_conj()"
GRAD = "a requires_grad that is neither True nor False"
NO_STORAGE = "a persistent id that names no storage: "
STATE = "an object with a state that it does not take: "


def storage(*identifier: Any) -> Raw:
    return call(REBUILD, Raw(plain(identifier) + b"Q"), 0, (4,), (1,), False, HOOKS)


def new_object(function: Raw, *arguments: Any) -> Raw:
    return Raw(function + plain(arguments) + b"\x81")


def named(**tensors: Raw) -> Raw:
    return a_dict(tensors)


FLOATS = name("torch", "FloatStorage", 2)

# The pickle of a zip file with one storage `0` of four float32, and why it is refused; "" for what is read.
OF_TORCH: Mapping[str, tuple[Raw, str]] = {
    "nothing odd": (named(w=TENSOR), ""),
    "metadata of nothing": (named(w=call(REBUILD, *WINDOW, False, HOOKS, a_dict({}))), ""),
    "no metadata": (named(w=call(REBUILD, *WINDOW, False, HOOKS, None)), ""),
    "a gradient": (named(w=call(REBUILD, *WINDOW, True, HOOKS)), ""),
    "a parameter": (named(w=call(PARAMETER, TENSOR, True, HOOKS)), ""),
    "a parameter with an attribute": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({"no_weight_decay": True}))),
        "",
    ),
    "a parameter with no attribute": (named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({}))), ""),
    "a lazy negation": (named(w=call(REBUILD, *WINDOW, False, HOOKS, a_dict({"neg": True}))), OF_TENSOR + SIGN),
    "a lazy conjugate": (named(w=call(REBUILD, *WINDOW, False, HOOKS, a_dict({"conj": True}))), OF_TENSOR + SIGN),
    "metadata that is a number": (named(w=call(REBUILD, *WINDOW, False, HOOKS, 1)), OF_TENSOR + SIGN),
    "an eighth argument": (named(w=call(REBUILD, *WINDOW, False, HOOKS, None, None)), OF_TENSOR + "8 arguments"),
    "no hooks": (named(w=call(REBUILD, *WINDOW, False)), OF_TENSOR + "no requires_grad, or no hooks"),
    "no flags": (named(w=call(REBUILD, *WINDOW)), OF_TENSOR + "no requires_grad, or no hooks"),
    "a gradient of 1": (named(w=call(REBUILD, *WINDOW, 1, HOOKS)), OF_TENSOR + GRAD),
    "a hook": (named(w=call(REBUILD, *WINDOW, False, ONE_HOOK)), OF_TENSOR + "hooks"),
    "hooks that are a plain dict": (named(w=call(REBUILD, *WINDOW, False, a_dict({}))), OF_TENSOR + "hooks"),
    "an offset of True": (
        named(w=call(REBUILD, STORAGE, True, (3,), (1,), False, HOOKS)),
        OF_TENSOR + "no storage, or an offset below 0",
    ),
    "a tensor of a tensor": (named(w=call(REBUILD, TENSOR, 0, (4,), (1,), False, HOOKS)), OF_TENSOR + "no storage"),
    "a tensor made without a call": (
        named(w=new_object(REBUILD, *WINDOW, False, HOOKS)),
        "a new object of torch._utils._rebuild_tensor_v2, which is no class",
    ),
    "a parameter of one argument": (named(w=call(PARAMETER, TENSOR)), OF_PARAMETER + "no requires_grad, or no hooks"),
    "a parameter with a gradient of 1": (named(w=call(PARAMETER, TENSOR, 1, HOOKS)), OF_PARAMETER + GRAD),
    "a parameter with a hook": (named(w=call(PARAMETER, TENSOR, True, ONE_HOOK)), OF_PARAMETER + "hooks"),
    "a parameter of four arguments": (
        named(w=call(PARAMETER, TENSOR, True, HOOKS, None)),
        OF_PARAMETER + "no requires_grad, or no hooks",
    ),
    "a parameter with other data": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({"data": TENSOR}))),
        OF_STATE + "the attribute 'data'",
    ),
    "a parameter with a real part": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({"real": 3}))),
        OF_STATE + "the attribute 'real'",
    ),
    "a parameter of another class": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({"__class__": "x"}))),
        OF_STATE + "the attribute '__class__'",
    ),
    "a parameter with another tensor": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, a_dict({"detach": TENSOR}))),
        OF_STATE + "attributes that are more than plain values",
    ),
    "a parameter with slots": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, (a_dict({}), a_dict({"data": 1})))),
        OF_STATE + "attributes that are more than plain values",
    ),
    "a parameter with a state of three": (
        named(w=call(WITH_STATE, TENSOR, True, HOOKS, (1, 2, 3))),
        OF_STATE + "attributes that are no dict",
    ),
    "a storage with a view": (
        named(w=storage("storage", FLOATS, "0", "cpu", 4, None)),
        NO_STORAGE + "no ('storage', type, key, location, numel)",
    ),
    "a storage of True elements": (
        named(w=storage("storage", FLOATS, "0", "cpu", True)),
        NO_STORAGE + "a storage without key or size",
    ),
    "a storage of no device": (
        named(w=storage("storage", FLOATS, "0", None, 4)),
        NO_STORAGE + "a storage of no device",
    ),
    "a key twice": (Raw(b"}(" + (plain("w") + TENSOR) * 2 + b"u"), "a dict with the key 'w' twice"),
    "a key once more": (
        Raw(a_dict({"w": TENSOR}) + plain("w") + TENSOR + b"s"),
        "a dict with the key 'w' twice",
    ),
    "1 and True as keys": (a_dict({"w": TENSOR, "x": Raw(b"}(" + plain(1) + b"N\x88Nu")}), "a dict with the key True"),
    "attributes of an ordered dict": (
        Raw(HOOKS + b"(" + plain("w") + TENSOR + b"u" + a_dict({"_metadata": a_dict({})}) + b"b"),
        "",
    ),
    "an ordered dict whose items are others": (
        Raw(
            HOOKS + b"(" + plain("w") + TENSOR + b"u" + a_dict({"items": name("collections", "OrderedDict", 2)}) + b"b"
        ),
        STATE + "the attribute 'items'",
    ),
    "an ordered dict of another class": (
        Raw(HOOKS + b"(" + plain("w") + TENSOR + b"u" + a_dict({"__class__": 1}) + b"b"),
        STATE + "the attribute '__class__'",
    ),
    "a plain dict with attributes": (Raw(a_dict({"w": TENSOR}) + a_dict({"a": 1}) + b"b"), "a state for a dict"),
    "a module of Python 2 in protocol 4": (
        named(w=TENSOR, b=call(name("__builtin__", "bytes", 2))),
        "the file names __builtin__.bytes, which no state dict needs; it was not run",
    ),
}

PROTOCOL = {"a module of Python 2 in protocol 4": 4}


def of_torch(kind: str) -> bytes:
    return stream(OF_TORCH[kind][0], PROTOCOL.get(kind, 2))


RECONSTRUCT, NDARRAY = name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray")
DTYPE = name("numpy", "dtype")
NEW = call(RECONSTRUCT, NDARRAY, (0,), b"b")
PLAIN_STATE = (3, "<", None, None, None, -1, -1, 0)
FLOAT32 = Raw(call(DTYPE, "f4", False, True) + plain(PLAIN_STATE) + b"b")
FOUR = bytes(range(16))
STATE_OF = (1, (2, 2), FLOAT32, False, FOUR)
ARRAY = Raw(NEW + plain(STATE_OF) + b"b")
NAMES = "StructuredToParameterName@@"


def array(*state: Any, new: Raw = NEW) -> Raw:
    return named(w=Raw(new + plain(state) + b"b"))


def dtyped(*arguments: Any, state: tuple[Any, ...] = PLAIN_STATE) -> Raw:
    made = Raw(call(DTYPE, *arguments) + plain(state) + b"b")
    return array(1, (2, 2), made, False, FOUR)


def changed_later() -> Raw:
    """A dtype that is remembered, used, and then told to be big-endian."""
    remembered = Raw(FLOAT32 + b"q\x05")
    again = Raw(b"h\x05" + plain((3, ">", None, None, None, -1, -1, 0)) + b"b")
    return named(w=Raw(NEW + plain((1, (2, 2), remembered, False, FOUR)) + b"b"), x=again)


def told_later() -> Raw:
    """A dtype that is used before its first state."""
    remembered = Raw(call(DTYPE, "f4", False, True) + b"q\x05")
    later = Raw(b"h\x05" + plain((3, ">", None, None, None, -1, -1, 0)) + b"b")
    return named(w=Raw(NEW + plain((1, (2, 2), remembered, False, FOUR)) + b"b"), x=later)


VERSION = STATE + "an array of another version than 1"
ORDER = STATE + "an order that is neither True nor False"
MORE = STATE + "a dtype that is more than a plain number"
NO_COPY = f"numpy.dtype {TAKES}a dtype that is aligned, or no copy"
NOT_BYTES = f"numpy.core.multiarray._reconstruct {TAKES}an array that is not of bytes at first"
TABLE = "a table of names that has more than texts; save model.state_dict()"

# The pickle of a `.pdparams`, and why it is refused; "" for what is read.
OF_PADDLE: Mapping[str, tuple[Raw, str]] = {
    "nothing odd": (named(w=ARRAY), ""),
    "Fortran order": (array(1, (2, 2), FLOAT32, True, FOUR), ""),
    "big-endian": (dtyped("f4", False, True, state=(3, ">", None, None, None, -1, -1, 0)), ""),
    "flags as numpy 1.19 wrote them": (dtyped("f4", 0, 1), ""),
    "a table of names": (a_dict({"w": ARRAY, NAMES: a_dict({"w": "linear_0.w_0"})}), ""),
    "an ordered dict": (Raw(call(name("collections", "OrderedDict")) + plain("w") + ARRAY + b"s"), ""),
    "Fortran order by 1": (array(1, (2, 2), FLOAT32, 1, FOUR), ORDER),
    "Fortran order by 0": (array(1, (2, 2), FLOAT32, 0, FOUR), ORDER),
    "Fortran order by None": (array(1, (2, 2), FLOAT32, None, FOUR), ORDER),
    "Fortran order by a text": (array(1, (2, 2), FLOAT32, "False", FOUR), ORDER),
    "version 2^40": (array(1 << 40, (2, 2), FLOAT32, False, FOUR), VERSION),
    "version 0": (array(0, (2, 2), FLOAT32, False, FOUR), VERSION),
    "version 2": (array(2, (2, 2), FLOAT32, False, FOUR), VERSION),
    "version True": (array(True, (2, 2), FLOAT32, False, FOUR), VERSION),
    "version None": (array(None, (2, 2), FLOAT32, False, FOUR), VERSION),
    "an array set twice": (
        named(w=Raw(ARRAY + plain((1, (2, 2), FLOAT32, False, bytes(16))) + b"b")),
        STATE + "an array that is set again",
    ),
    "a dtype set twice": (
        array(1, (2, 2), Raw(FLOAT32 + plain(PLAIN_STATE) + b"b"), False, FOUR),
        STATE + "a dtype that is set again",
    ),
    "a dtype made big-endian after use": (changed_later(), STATE + "a dtype that is set again"),
    "a dtype that is told after use": (told_later(), STATE + "a dtype without a byte order"),
    "a dtype without a state": (
        array(1, (2, 2), call(DTYPE, "f4", False, True), False, FOUR),
        STATE + "a dtype without a byte order",
    ),
    "a dtype that is aligned": (dtyped("f4", True, True), NO_COPY),
    "a dtype that is no copy": (dtyped("f4", False, False), NO_COPY),
    "a dtype of one argument": (dtyped("f4"), NO_COPY),
    "a dtype of four arguments": (dtyped("f4", False, True, None), NO_COPY),
    "a dtype with a flag": (dtyped("f4", False, True, state=(3, "<", None, None, None, -1, -1, 1)), MORE),
    "a dtype with the flag of objects": (dtyped("f4", False, True, state=(3, "<", None, None, None, -1, -1, 63)), MORE),
    "a dtype of another size": (dtyped("f4", False, True, state=(3, "<", None, None, None, 8, -1, 0)), MORE),
    "a dtype of another alignment": (dtyped("f4", False, True, state=(3, "<", None, None, None, -1, 8, 0)), MORE),
    "a dtype of another version": (dtyped("f4", False, True, state=(4, "<", None, None, None, -1, -1, 0)), MORE),
    "a dtype with metadata": (dtyped("f4", False, True, state=(*PLAIN_STATE, a_dict({}))), MORE),
    "a dtype with a short state": (dtyped("f4", False, True, state=PLAIN_STATE[:5]), MORE),
    "a dtype whose flag is False": (dtyped("f4", False, True, state=(3, "<", None, None, None, -1, -1, False)), MORE),
    "a dtype without an order": (dtyped("f4", False, True, state=(3, "|", None, None, None, -1, -1, 0)), MORE),
    "a dtype of an order of the machine's": (
        dtyped("f4", False, True, state=(3, "=", None, None, None, -1, -1, 0)),
        STATE + "a dtype of unknown byte order",
    ),
    "an array of floats at first": (array(*STATE_OF, new=call(RECONSTRUCT, NDARRAY, (0,), b"d")), NOT_BYTES),
    "an array of a text at first": (array(*STATE_OF, new=call(RECONSTRUCT, NDARRAY, (0,), "b")), NOT_BYTES),
    "an array of no type at first": (
        array(*STATE_OF, new=call(RECONSTRUCT, NDARRAY, (0,))),
        f"numpy.core.multiarray._reconstruct {TAKES}not numpy.ndarray",
    ),
    "an array of False elements at first": (
        array(*STATE_OF, new=call(RECONSTRUCT, NDARRAY, (False,), b"b")),
        f"numpy.core.multiarray._reconstruct {TAKES}an array that is not empty at first",
    ),
    "an array made without a call": (
        array(*STATE_OF, new=new_object(RECONSTRUCT, NDARRAY, (0,), b"b")),
        "a new object of numpy.core.multiarray._reconstruct, which is no class",
    ),
    "a key twice": (Raw(b"}(" + (plain("w") + ARRAY) * 2 + b"u"), "a dict with the key 'w' twice"),
    "a table that is a list": (a_dict({"w": ARRAY, NAMES: Raw(b"]")}), TABLE),
    "a table that is nothing": (a_dict({"w": ARRAY, NAMES: None}), TABLE),
    "a table of numbers": (a_dict({"w": ARRAY, NAMES: a_dict({"w": 1})}), TABLE),
    "a table by numbers": (a_dict({"w": ARRAY, NAMES: a_dict({1: "w"})}), TABLE),
    "a table of what is not there": (
        a_dict({"w": ARRAY, NAMES: a_dict({"v": "linear_0.w_0"})}),
        "a table of names for what is not there: 'v'; fetch the file again",
    ),
    "tensors in slices": (
        a_dict(
            {
                "w@@.0": ARRAY,
                "UnpackBigParamInfor@@": a_dict({"w": a_dict({"slices": Raw(b"]"), "OriginShape": (4,)})}),
            }
        ),
        "tensors in slices, as paddle.save has them of 4 GB; save it with protocol=4",
    ),
    "slices that put another model together": (
        a_dict(
            {
                "model": named(w=ARRAY),
                "other": ARRAY,
                "UnpackBigParamInfor@@": a_dict(
                    {"model": a_dict({"slices": Raw(b"](" + plain("other") + b"e"), "OriginShape": (4,)})}
                ),
            }
        ),
        "tensors in slices, as paddle.save has them of 4 GB; save it with protocol=4",
    ),
    "an ordered dict with attributes": (
        Raw(call(name("collections", "OrderedDict")) + a_dict({"keys": 1}) + b"b" + plain("w") + ARRAY + b"s"),
        STATE + "the attribute 'keys'",
    ),
    "a path": (
        named(w=ARRAY, x=call(name("pathlib", "PosixPath"), "x")),
        "the file names pathlib.PosixPath, which no state dict needs; it was not run",
    ),
    "a float as a key": (Raw(b"}(" + plain("w") + ARRAY + b"G" + bytes(8) + b"Nu"), "a dict key of type float"),
    "a large number as a key": (
        a_dict({"w": ARRAY, (1 << 61) - 1: None}),
        "a dict key that is a whole number of more than 61 bits",
    ),
}
