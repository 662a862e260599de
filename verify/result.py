"""What a verification found, from the rows of its run and from the gates of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convert.errors import shown
from convert.paths import AnyPath
from verify.accuracy.scores import PairedResult, summarise
from verify.datasets.blobs import Blob
from verify.gate import Gate, Verdict
from verify.gates import in_order, kept_gates
from verify.gates.layers import UnitReport
from verify.gates.paired import paired_gate
from verify.gates.published import published_gate
from verify.recipes.recipe import Recipe
from verify.store.border import StoreError
from verify.store.coverage import coverage_problems
from verify.store.facts import RunFacts
from verify.store.merge import KeptGates, merge
from verify.store.rows import ImageRow
from verify.why.explain import WhyReport


@dataclass(frozen=True)
class Result:
    """What a verification found.

    Attributes:
        facts: what was verified: architecture, files and their SHA-256, protocol, versions.
        gates: in the order in which they ran.
        paired: the accuracy run; None if there was none.
        rows: its images, in the data set's order.
        classes: name of each label; empty where the data set names none.
        recipe: the evaluation that the checkpoint was published with; None where none is known.
        units: the models unit by unit; None if it was not asked for.
        why: what the usual mistakes say of the accuracy; None if it was not asked for.
        blobs: where an image's bytes lie, by its name; of those that a report shows.
        command: what repeats the run, as a shell takes it.
    """

    facts: RunFacts
    gates: tuple[Gate, ...]
    paired: PairedResult | None = None
    rows: Sequence[ImageRow] = ()
    classes: Sequence[str] = ()
    recipe: Recipe | None = None
    units: UnitReport | None = None
    why: WhyReport | None = None
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    command: str = ""

    @property
    def ok(self) -> bool:
        """Whether a gate passed and none failed. A gate that did not run is neither."""
        verdicts = {gate.verdict for gate in self.gates}
        return Verdict.PASSED in verdicts and Verdict.FAILED not in verdicts


def conclude_run(facts: RunFacts, gates: Sequence[Gate], rows: Sequence[ImageRow]) -> Result:
    """The result of a run over a data set: the gates on its accuracy after those of the checkpoints."""
    paired = summarise(rows)
    identity = facts.identity
    coverage = coverage_problems(rows, facts.settings.listed)
    all_gates = [*gates, paired_gate(paired, coverage=coverage)]
    if identity.recipe:
        all_gates.append(published_gate(paired, identity.recipe, identity.protocol))
    return Result(facts, in_order(all_gates), paired, rows, facts.settings.classes, identity.recipe)


def merge_runs(paths: Sequence[AnyPath]) -> Result:
    """The result of shards, the same as that of one run over the whole data set.

    Raises:
        StoreError: the files are not all the shards of one run, or a gate is missing in one.
    """
    merged = merge([Path(path) for path in paths])
    for shard in merged.shards:
        _check_gates(shard)
    return conclude_run(merged.facts, merged.gates, merged.rows)


def _check_gates(shard: KeptGates) -> None:
    """A store that has lost a gate would pass without it."""
    names = [gate.name for gate in shard.gates]
    known = kept_gates(layers=True, gradients=True)
    if strange := next((name for name in (*names, *shard.asked) if name not in known), None):
        raise StoreError(f"{shard.path}: has the gate {shown(strange)!r}, which no run keeps; leave the file out")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise StoreError(f"{shard.path}: has the gate {twice!r} twice; run that shard anew")
    expected = (*kept_gates(layers=False, gradients=False), *shard.asked)
    if missing := next((name for name in expected if name not in names), None):
        raise StoreError(f"{shard.path}: lacks the gate {missing!r}, which its run has; run that shard anew")
