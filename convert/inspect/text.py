"""What an inspection says to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convert.console import aligned
from convert.errors import counted, listed, shown
from convert.inspect.inspection import FileFacts, Inspection, PlaceFacts, TensorFacts
from convert.inspect.measure import Measure, Number
from convert.inspect.places import join_path
from convert.inspect.recognised import Recognised
from convert.inspect.signs import Sign
from convert.visible import joined

SHOWN = 20  # lines of a list; --json has the whole
LONGEST = 100  # characters of a name
DIGITS = 16  # of a digest, in a table

ABOUT_DIGESTS = (
    f"digest: the first {DIGITS} digits of the SHA-256 of dtype, shape and values (C order, little-endian); "
    "--json has all"
)


def as_text(inspection: Inspection, *, tensors: bool) -> str:
    """What is in the file; with a line for each tensor where that is asked for."""
    lines = [*_file_lines(inspection), "", *_place_lines(inspection.places), *_beside_lines(inspection)]
    if tensors:
        lines += ["", *_tensor_lines(inspection.places), ABOUT_DIGESTS]
    return joined([*lines, "", *_sign_lines(inspection.signs)])


def _file_lines(inspection: Inspection) -> Iterator[str]:
    file, shards = inspection.file, inspection.shards
    yield f"{file.path}: {inspection.container}, {file.size:,} bytes{f', {len(shards)} shards' if shards else ''}"
    yield _digest_line(file)
    for shard in shards:
        yield f"shard {shard.path.name}: {shard.size:,} bytes, {_digest_line(shard)}"
    if known := inspection.published:
        digits = f"its SHA-256 begins with {known.digits}, as that file's name says"
        yield f"published: {known.name}, {known.file} ({digits})"


def _digest_line(file: FileFacts) -> str:
    return f"sha256 {file.sha256}" if file.sha256 else "sha256 not taken of so large a file; --tensors and --json do"


def _place_lines(places: Sequence[PlaceFacts]) -> list[str]:
    rows = [("at", "tensors", "parameters", "bytes", "dtypes", "what")]
    for place in places:
        dtypes = ", ".join(sorted(place.dtypes))
        counts = (f"{len(place.tensors):,}", f"{place.parameters:,}", f"{place.nbytes:,}")
        rows.append((shown(place.path, LONGEST) or "(the file)", *counts, dtypes, _what(place)))
    reasons = [place.recognised.reason for place in places if place.recognised.reason]
    return [*aligned(rows), *(f"not recognised: {shown(reason, 300)}" for reason in dict.fromkeys(reasons))]


def _what(place: PlaceFacts) -> str:
    if place.is_optimizer:
        return "an optimizer's state"
    if not place.is_state_dict:
        return "no state dict"
    known: Recognised = place.recognised
    keys = f"{known.key_format} keys" if known.key_format else "unknown keys"
    prefix = f", prefix {known.prefix!r}" if known.prefix else ""
    left_out = f", {counted(len(known.left_out), 'tensor')} left out" if known.left_out else ""
    if not known.arch:
        return f"{keys}{prefix}"
    classes = f"{known.num_classes} classes" if known.num_classes else "no head"
    layout = ", Paddle's layout" if known.framework == "paddle" else ""
    arch = f"{known.arch} ({known.variant})" if known.variant else known.arch
    return f"{arch}, {classes}, {counted(known.in_chans, 'input channel')}, {keys}{prefix}{layout}{left_out}"


def _beside_lines(inspection: Inspection) -> list[str]:
    lines = []
    if inspection.beside:
        rows = [(f"  {shown(item.path, LONGEST)}", item.description) for item in inspection.beside[:SHOWN]]
        lines += ["", "beside the tensors", *aligned(rows), *hidden_line(len(inspection.beside))]
    if inspection.kinds:
        kinds = listed([shown(kind) for kind in inspection.kinds])
        lines += ["", f"classes that it names, none of them run: {kinds}"]
    return lines


def _sign_lines(signs: Sequence[Sign]) -> list[str]:
    if not signs:
        return ["signs that something is off: none"]
    lines = ["signs that something is off"]
    for sign in signs:
        lines.append(f"  {sign.kind}: {sign.description}")
        lines.append(f"    {listed([shown(path, LONGEST) for path in sign.tensors])}")
    return lines


def _tensor_lines(places: Sequence[PlaceFacts]) -> list[str]:
    head = ("tensor", "shape", "dtype", "min", "max", "mean", "rms", "NaN", "Inf", "digest")
    rows = [_tensor_row(place, tensor) for place in places for tensor in place.tensors]
    return aligned([head, *rows])


def _tensor_row(place: PlaceFacts, tensor: TensorFacts) -> tuple[str, ...]:
    found: Measure = tensor.measure
    numbers = (_number(found.low), _number(found.high), _number(found.mean), _number(found.rms))
    counts = (str(found.nan), str(found.inf))
    path = shown(join_path(place.path, tensor.name), LONGEST)
    return (path, str(tensor.shape), tensor.dtype, *numbers, *counts, found.digest[:DIGITS])


def _number(value: Number | None) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def hidden_line(count: int) -> list[str]:
    """A line that says how many of a list are not shown, where any are."""
    return [f"  ... and {count - SHOWN:,} more; --json has all"] if count > SHOWN else []
