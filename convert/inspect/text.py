"""What an inspection and a comparison say to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convert.console import aligned
from convert.errors import counted, listed, shown
from convert.inspect.diff import Difference, FileDiff, Side
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


def diff_as_text(diff: FileDiff) -> str:
    """What parts the two files."""
    first, second = diff.sides
    lines = [*map(_side_line, diff.sides), ""]
    for side, names in zip(diff.sides, diff.only, strict=True):
        if names:
            lines += [f"only in {side.path}: {counted(len(names), 'tensor')}"]
            lines += _first([f"  {shown(name, LONGEST)}" for name in names])
    if diff.renamed:
        lines += [f"of these, {counted(len(diff.renamed), 'tensor')} equal under another name:"]
        renamed = [
            f"  {shown(pair.first, LONGEST)} is {shown(pair.second, LONGEST)}{', transposed' * pair.transposed}"
            for pair in diff.renamed
        ]
        lines += _first(renamed)
    if diff.different:
        lines += [f"different: {counted(len(diff.different), 'tensor')}"]
        rows = [("  name", "shape", "dtype", "differing", "max abs", ""), *map(_difference_row, diff.different[:SHOWN])]
        lines += [*aligned(rows), *_hidden(len(diff.different))]
    verdict = "equal" if diff.is_equal else "different"
    total = max(first.tensors, second.tensors)
    return joined([*lines, f"{verdict}: {diff.same:,} of {counted(total, 'tensor')} the same, bit for bit"])


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
    if not place.is_state_dict:
        return "no state dict"
    known: Recognised = place.recognised
    keys = f"{known.key_format} keys" if known.key_format else "unknown keys"
    prefix = f", prefix {known.prefix!r}" if known.prefix else ""
    others = f", {counted(len(known.left_out), 'tensor')} of other parts" if known.left_out else ""
    if not known.arch:
        return f"{keys}{prefix}"
    classes = f"{known.num_classes} classes" if known.num_classes else "no head"
    layout = ", Paddle's layout" if known.framework == "paddle" else ""
    return f"{known.arch}, {classes}, {counted(known.in_chans, 'input channel')}, {keys}{prefix}{layout}{others}"


def _beside_lines(inspection: Inspection) -> list[str]:
    lines = []
    if inspection.beside:
        rows = [(f"  {shown(item.path, LONGEST)}", item.description) for item in inspection.beside[:SHOWN]]
        lines += ["", "beside the tensors", *aligned(rows), *_hidden(len(inspection.beside))]
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


def _side_line(side: Side) -> str:
    where = f", at {shown(side.weights, LONGEST)}" if side.weights else ""
    return f"{side.path}: {side.container}{where}, {counted(side.tensors, 'tensor')}"


def _difference_row(difference: Difference) -> tuple[str, ...]:
    shapes, dtypes, values = difference.shapes, difference.dtypes, difference.values
    shape = str(shapes[0]) if shapes[0] == shapes[1] else f"{shapes[0]} and {shapes[1]}"
    dtype = dtypes[0] if dtypes[0] == dtypes[1] else f"{dtypes[0]} and {dtypes[1]}"
    apart = (f"{values.differing:,}", f"{values.max_abs:.6g}") if values else ("-", "-")
    name = f"  {shown(difference.name, LONGEST)}"
    return (name, shape, dtype, *apart, "equal transposed" if difference.transposed else "")


def _first(lines: list[str]) -> list[str]:
    return [*lines[:SHOWN], *_hidden(len(lines))]


def _hidden(count: int) -> list[str]:
    return [f"  ... and {count - SHOWN:,} more; --json has all"] if count > SHOWN else []
