"""Facts and gates as JSON, and back: what is read is what the fields' own types say, or it is refused."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from convert.errors import shown
from verify.gate import Gate, Measure
from verify.store.facts import Identity, Machine, Notes, RunFacts, Settings
from verify.store.validity import problems

T = TypeVar("T")

PARTS = ("identity", "machine", "notes", "settings")
LARGEST = 2**63  # of a whole number; no count of anything comes near
OF_JSON = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number"}
OF_JSON |= {bool: "true or false", type(None): "null"}


def as_document(value: Any) -> str:
    """A dataclass of plain values, tuples, mappings and others of its kind, as JSON."""
    return json.dumps(asdict(value), allow_nan=False)


def read_document(kind: type[T], text: object, name: str) -> T:
    """The dataclass that the JSON states.

    Args:
        kind: the dataclass.
        text: the JSON.
        name: of the document, for the error.

    Raises:
        ValueError: it is no JSON; a field is missing, unknown or of another type; or a number is not
            finite, or absurd.
    """
    if not isinstance(text, str):
        raise ValueError(f"{name} is no text")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON: {error}") from error
    document: T = _read(kind, value, name)
    return document


def facts_documents(facts: RunFacts) -> dict[str, str]:
    """The facts of a run on one machine as JSON, by their part in it."""
    (machine,) = facts.machines
    parts = (facts.identity, machine, facts.notes, facts.settings)
    return {name: as_document(part) for name, part in zip(PARTS, parts, strict=True)}


def read_facts(documents: Mapping[str, object]) -> RunFacts:
    """The facts of a run out of their documents.

    Raises:
        ValueError: a document is missing or damaged, or states what no run can be of.
    """
    if missing := [name for name in PARTS if name not in documents]:
        raise ValueError(f"it has no {missing[0]}")
    facts = RunFacts(
        identity=read_document(Identity, documents["identity"], "identity"),
        machines=(read_document(Machine, documents["machine"], "machine"),),
        notes=read_document(Notes, documents["notes"], "notes"),
        settings=read_document(Settings, documents["settings"], "settings"),
    )
    if wrong := next(problems(facts), None):
        raise ValueError(wrong)
    return facts


def gate_document(gate: Gate) -> str:
    """A gate as JSON; what it measured may be no number, or infinite."""
    return json.dumps(asdict(gate))


def read_gate(text: object, name: str) -> Gate:
    """A gate out of its document; its verdict follows from its measures, which alone are stored.

    Its words are made visible: they are the only ones of a store that nothing is compared with.

    Raises:
        ValueError: the document is damaged.
    """
    gate = read_document(Gate, text, name)
    return Gate(
        name=_visible(gate.name),
        measured=_visible(gate.measured),
        limit=_visible(gate.limit),
        measures=tuple(replace(measure, name=_visible(measure.name)) for measure in gate.measures),
        problems=tuple(map(_visible, gate.problems)),
        details=tuple((_visible(key), _visible(detail)) for key, detail in gate.details),
        reason=_visible(gate.reason),
    )


def _visible(text: str) -> str:
    return shown(text, len(text))


def _read(kind: Any, value: Any, where: str) -> Any:
    if kind is Measure:
        return _read_measure(value, where)
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, where)
    if origin is Literal:
        return _checked(value in arguments, value, where, f"one of {', '.join(map(repr, arguments))}")
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if origin is Mapping:
        _checked(isinstance(value, dict), value, where, OF_JSON[dict])
        return {key: _read(arguments[1], item, f"{where}.{shown(key)}") for key, item in value.items()}
    if kind is float:
        return _read_float(value, where)
    _checked(type(value) is kind, value, where, OF_JSON[kind])
    return _checked(kind is not int or abs(value) < LARGEST, value, where, "a number of this world")


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    _checked(isinstance(value, dict), value, where, OF_JSON[dict])
    names = [field.name for field in fields(kind)]
    if missing := [name for name in names if name not in value]:
        raise ValueError(f"{where} has no {missing[0]}")
    if unknown := [name for name in value if name not in names]:
        raise ValueError(f"{where} has the unknown {shown(unknown[0])}")
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value[name], f"{where}.{name}") for name in names})


def _read_measure(value: Any, where: str) -> Measure:
    """A measure, whose numbers alone need not be finite: a gate that measured a NaN has failed."""
    _checked(isinstance(value, dict), value, where, OF_JSON[dict])
    numbers = {key: item for key, item in value.items() if key != "name" and type(item) is float}
    measure: Measure = _read_fields(Measure, value | dict.fromkeys(numbers, 0.0), where)
    return Measure(measure.name, numbers.get("value", measure.value), numbers.get("limit", measure.limit))


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    chosen = next((kind for kind in others if kind is type(value)), others[0])
    return _read(chosen, value, where)


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _checked(isinstance(value, list), value, where, OF_JSON[list])
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{where} has {len(value):,} entries, not {len(kinds)}")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(_read(kind, item, f"{where}[{number}]") for number, (kind, item) in pairs)


def _read_float(value: Any, where: str) -> float:
    _checked(type(value) in (int, float), value, where, OF_JSON[float])
    finite = abs(value) < LARGEST if type(value) is int else math.isfinite(value)
    return float(_checked(finite, value, where, "a finite number"))


def _checked(good: bool, value: Any, where: str, expected: str) -> Any:
    if not good:
        found = OF_JSON[type(value)] if isinstance(value, (dict, list)) else shown(repr(value))
        raise ValueError(f"{where} is {found}, not {expected}")
    return value
