"""What a conversion says: lines for people, one document for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from convert.archs import ARCHS
from convert.archs.aliases import ALIASES
from convert.checkpoints.atomic import Written
from convert.checkpoints.containers import WRITTEN_AS
from convert.console import aligned, json_text
from convert.conversion import Conversion
from convert.errors import CheckpointMismatch, FerryError, counted, join_words, listed, shown
from convert.frameworks import PADDLE, PROPER_NAMES, TORCH
from convert.job import Job
from convert.key_formats import eps_to_tell
from convert.merging import describe_merging
from convert.params import parameter_count
from convert.source.pretrained import ROWS
from convert.targets import target_named
from convert.visible import joined

WORDS = {
    "copy": "copied",
    "transpose": "transposed",
    "drop": "dropped",
    "make": "made anew",
    "squeeze": "squeezed",
    "unsqueeze": "unsqueezed",
    "merge": "merged",
}
SCHEMA_VERSION = 1


def as_text(job: Job, framework: str) -> str:
    """What was read and what is done, a line each."""
    return joined(text_lines(job, framework))


def text_lines(job: Job, framework: str) -> list[str]:
    """The lines of `as_text`."""
    source, spec = job.source, job.spec
    wrapper = f", under {source.checkpoint.wrapper!r}" if source.checkpoint.wrapper else ""
    prefix = f", prefix {source.named.prefix!r} taken off" if source.named.prefix else ""
    origin = " (recognised from the tensors)" if source.recognised else ""
    variant = f" ({spec.variant})" if spec.variant else ""
    params, form = spec.params(), f", {spec.form}" if spec.form else ""
    operations = ", ".join(f"{count} {WORDS.get(name, name)}" for name, count in job.operations(framework).items())
    lines = [
        f"read {source.path}: {source.checkpoint.container}{wrapper}, {source.named.key_format.name} keys{prefix}",
        f"{spec.name}{variant}{origin}{form}, {spec.described}: "
        f"{parameter_count(params):,} parameters in {counted(len(params), 'tensor')}, {operations}",
    ]
    return lines + _notes(job, framework)


def as_json(job: Job, framework: str, conversion: Conversion) -> str:
    """The conversion as a JSON document, with digests. The tensors' digest depends on neither container nor layout.

    The source's `sha256` is of the file that was named; where that is the index of a sharded checkpoint, `shards` has
    the SHA-256 of each file that it names, by name, and is empty otherwise.
    """
    source, spec = job.source, job.spec
    sha256, *shard_digests = conversion.sources
    shard_names = [path.name for path in source.checkpoint.shards]
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "arch": spec.name,
        "variant": spec.variant or None,
        "form": spec.form,
        "recognised": source.recognised,
        "num_classes": None if spec.own_names else spec.num_classes,
        "in_chans": None if spec.own_names else spec.in_chans,
        "tensors": len(spec.params()),
        "parameters": parameter_count(spec.params()),
        "operations": job.operations(framework),
        "digest": conversion.tensors,
        "source": {
            "path": str(source.path),
            "container": source.checkpoint.container,
            "framework": source.framework,
            "wrapper": source.checkpoint.wrapper,
            "prefix": source.named.prefix,
            "key_format": source.named.key_format.name,
            "sha256": sha256,
            "shards": dict(zip(shard_names, shard_digests, strict=True)),
        },
        "target": _target(job, framework, conversion),
        "notes": _notes(job, framework),
    }
    return json_text(document)


def written_line(written: Written, framework: str) -> str:
    """The target; where its container may be either framework's, also whose layout it has."""
    of_either = len(WRITTEN_AS[written.path.suffix].frameworks) > 1
    layout = f" in {PROPER_NAMES[framework]}'s layout" if of_either else ""
    return f"wrote {written.path}{layout}: {written.size:,} bytes"


def plan(job: Job, framework: str) -> str:
    """The mapping, a line a tensor, under it the summary.

    Raises:
        FerryError: the tensors do not fit; the text has every problem.
    """
    try:
        job.check(framework)
    except CheckpointMismatch as error:
        raise FerryError(*error.lines(len(error.problems))) from error
    rows = [("source", "shape", "operation", "target", "shape")]
    for step in job.steps(framework):
        operation = ", ".join(step.operations) or "copy"
        rows.append((step.source, str(step.source_shape), operation, step.target, str(step.target_shape)))
    return joined([*aligned(rows), "", *text_lines(job, framework), "nothing was written (--plan)"])


def known_archs() -> str:
    """A line an architecture: its name, its parameters, and the published checkpoints that `--src` may name."""
    rows = [("architecture", "parameters", "classes", "published checkpoints")]
    for spec in ARCHS.values():
        names = " ".join(row.name.partition(".")[2] for row in ROWS if row.arch == spec.name)
        rows.append((spec.name, f"{parameter_count(spec.params()):,}", str(spec.num_classes), names))
    example = "a published checkpoint's name is the architecture, a dot, and its own: convnext_tiny.fb_in1k"
    aliases = f"--arch takes PaddleClas' names too: {', '.join(ALIASES)}"
    return joined([*aligned(rows), "", example, aliases])


def _notes(job: Job, framework: str) -> list[str]:
    notes = [
        f"{counted(count, 'tensor')} of {dtype} became {job.options.dtype or 'float32'}"
        for dtype, count in job.casts.items()
    ]
    notes += _left_out_notes(job, framework)
    if job.source.told:
        notes.append(job.source.told)
    if job.spec.variant:
        notes.append(f"no tensor of the target tells what is {job.spec.variant}: build its model so; verify --src does")
    if job.spec.assumed:
        notes.append(f"assumed, for no tensor tells: {', '.join(job.spec.assumed)}")
    if job.merging:
        notes.append(describe_merging(job.merging))
    if job.head_change:
        notes.append(job.head_change.describe())
    if (usual := eps_to_tell(job.spec, job.options.to)) is not None:
        notes.append(f"every norm's eps is {job.spec.eps:g}, {job.options.to}'s is {usual:g}: build it with that eps")
    if made := [name for name in job.source.named.made if name in job.tensors]:
        notes.append(f"{join_words(made)} {'are' if made[1:] else 'is'} of zeros, for the source's layer has no bias")
    if aliases := job.source.named.aliases:
        notes.append(f"{join_words(aliases)}: second names of tensors, of the same values, left out")
    if job.source.named.left_out:
        left_out = job.source.named.left_out
        count, prefix = counted(len(left_out), "tensor"), job.source.named.prefix
        why = "of other parts of the model" if left_out[0].startswith(prefix) else "without that prefix"
        if job.source.named.key_format.training:
            why = "beside the weights"
        notes.append(f"{count} {why} left out, first {shown(left_out[0])}")
    if values := job.source.checkpoint.left_out:
        names = listed([f"{shown(name)} ({kind})" for name, kind in values.items()])
        notes.append(f"{counted(len(values), 'value')} beside the weights left out: {names}")
    if numbers := job.source.named.describe_numbers():
        notes.append(numbers)
    if beside := job.source.checkpoint.beside:
        kinds = listed([shown(kind) for kind in beside])
        notes.append(f"{counted(len(beside), 'kind')} of objects beside the weights not looked at: {kinds}")
    return notes


def _left_out_notes(job: Job, framework: str) -> list[str]:
    """What becomes of tensors that PyTorch alone has, a line for each reason."""
    dropped, rows = job.source.dropped_of(TORCH), job.spec.left_out().values()
    changed = [row for row in rows if (row.torch_name in dropped) == (framework == PADDLE)]
    word = "dropped" if framework == PADDLE else "made anew"
    reasons = Counter((word, shown(row.why)) for row in changed)
    gone = job.source.dropped_of(PADDLE)
    reasons.update(("dropped", shown(row.why)) for name, row in job.spec.paddle_left_out().items() if name in gone)
    notes = [f"{counted(count, 'tensor')} {word}: {why}" for (word, why), count in reasons.items()]
    merged = dropped.keys() - job.spec.left_out().keys()
    return notes + ([f"{counted(len(merged), 'tensor')} dropped: of norms that are merged"] if merged else [])


def _target(job: Job, framework: str, written: Written) -> dict[str, Any]:
    return {
        "path": str(written.path),
        "container": WRITTEN_AS[written.path.suffix].name,
        "framework": framework,
        "key_format": job.source.named.key_format.name if job.spec.own_names else target_named(job.options.to).name,
        "bytes": written.size,
        "sha256": written.sha256,
    }
