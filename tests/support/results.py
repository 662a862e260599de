"""Results to report: a run of made-up images, and every finding that a result can carry."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from made_up_gates import passed
from PIL import Image
from run_facts import ARCH, RECIPE, facts_of_run

from verify.accuracy.scores import Accuracy, McNemar, PairedResult, summarise
from verify.datasets import BlobError
from verify.gate import Gate, Measure, not_run
from verify.gates.compare import Comparison
from verify.gates.layers import UnitDifference, UnitReport
from verify.gates.paired import paired_gate
from verify.result import Result
from verify.store.facts import DataPlace, RunFacts
from verify.store.rows import ImageRow, Prediction
from verify.why.explain import WhyReport, WhyRow

NASTY = "<script>alert(1)</script>|`_x_` [a](b)\n\x1b[31m\u202e&amp; \udcff.png"
FACTS = facts_of_run(50_000)
COMMAND = "verify --arch convnext_tiny --src tiny.pth --dst tiny.pdparams --data 'imagenet/my val' --report out"
GATES = (
    passed(
        "structure",
        "182 tensors, 28,589,128 parameters",
        "same tensors",
        Measure("parameters", 28_589_128),
        digest="4c" * 32,
    ),
    passed("float64 oracle", "max rel 1.2e-14", "max rel <= 1e-09", Measure("max rel", 1.2e-14, 1e-9)),
    passed("float32 logits", "max abs 1.5e-06", "max abs <= 1e-04", Measure("max abs", 1.5e-6, 1e-4)),
)


@dataclass(frozen=True)
class Picture:
    """A blob that is a JPEG of its own for each name, or cannot be read."""

    name: str
    broken: bool = False

    def read(self) -> bytes:
        if self.broken:
            raise BlobError("gone")
        return picture(self.name)


def some_rows(count: int = 400, *, classes: int = 20, flips: int = 0, labelled: bool = True) -> list[ImageRow]:
    """Images on which the frameworks agree up to rounding, the first few of them flipped."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(count):
        label = int(rng.integers(classes))
        best = label if rng.random() < 0.8 else (label + 1) % classes
        second = (best + 2) % classes
        sure, moved = float(rng.beta(4, 1)), float(rng.normal(scale=1e-6))
        margin = 1e-7 if number < flips else 3.0
        turned = number < flips and number != 1  # the second flip has a wide margin
        torch = Prediction((best, second), (5.0, 5.0 - margin), sure)
        paddle = Prediction((second, best), (5.0, 5.0 - margin), sure + moved * sure * (1 - sure))
        if number >= flips:
            paddle = replace(torch, confidence=paddle.confidence)
        elif not turned:
            torch, paddle = (replace(prediction, logits=(5.0, 4.0)) for prediction in (torch, paddle))
        name = f"n{label:08}/ILSVRC2012_val_{number:08}.JPEG"
        different = float(10 ** rng.normal(-5.8, 0.2))
        rows.append(ImageRow(name, label if labelled else None, None, different, {"torch": torch, "paddle": paddle}))
    return rows


def some_units(*, depart: bool = False) -> UnitReport:
    """Twelve blocks in both data types, the sixth of which departs in float64 if asked."""
    units = []
    for dtype, floor in (("float64", 1e-15), ("float32", 3e-7)):
        for block in range(12):
            wrong = 1e-5 if depart and block >= 5 else 0.0
            cumulative = floor * (1 + block) + wrong
            alone = floor + (1e-5 if depart and block == 5 else 0.0)
            units.append(
                UnitDifference(f"stages.{block // 3}.{block % 3}", dtype, _comparison(cumulative), _comparison(alone))
            )
    return UnitReport(tuple(units), "an eps of 1e-5 in place of 1e-6" if depart else "")


def departing_in_float32() -> UnitReport:
    """Twelve blocks in both data types, the sixth of which departs in float32 alone."""
    units = [
        replace(unit, alone=_comparison(2e-4)) if (unit.name, unit.dtype) == ("stages.1.2", "float32") else unit
        for unit in some_units().units
    ]
    return UnitReport(tuple(units))


def some_result(rows: list[ImageRow] | None = None, *, gates: tuple[Gate, ...] = GATES, **changes: Any) -> Result:
    """A whole result over those rows."""
    rows = some_rows() if rows is None else rows
    paired = add_statistics(summarise(rows))
    names = [f"class number {label}" for label in range(20)]
    result = Result(FACTS, (*gates, paired_gate(paired)), paired, rows, names, command=COMMAND)
    return replace(result, **changes)


def nasty_facts() -> RunFacts:
    """Facts that are hostile wherever one comes out of files."""
    identity = FACTS.identity
    named = {name: replace(getattr(identity, name), name=NASTY) for name in ("source", "target")}
    identity = replace(identity, arch=replace(ARCH, name=NASTY), versions={NASTY: NASTY}, **named)
    notes = replace(FACTS.notes, data=DataPlace(name=NASTY, layout=NASTY, ignored=1, unlisted=0), system=NASTY)
    return replace(FACTS, identity=identity, notes=notes)


def full_result() -> Result:
    """Every finding there is, flips and a failure among them."""
    rows = [*some_rows(flips=6), ImageRow("n00000003/broken.JPEG", 3, "image file is truncated", math.nan, {})]
    why = WhyReport(
        (WhyRow("centre crop at 384", 81.2, -0.9, 0.003, 500, "--resize squash"),), "centre crop it is", 82.1, 81.2
    )
    last = not_run("published accuracy", "no --recipe", "within 0.10 of a 1-decimal source")
    result = some_result(rows, recipe=RECIPE, units=some_units(depart=True), why=why)
    return replace(result, gates=(*result.gates, last))


def add_statistics(paired: PairedResult) -> PairedResult:
    """The result with intervals and a test, whose numbers mean nothing here."""
    accuracy = {
        name: Accuracy(
            score.top1,
            score.top5,
            (score.top1 - 1, score.top1 + 1),
            (score.top5 - 1, score.top5 + 1),
        )
        for name, score in paired.accuracy.items()
        if score.top1 is not None and score.top5 is not None
    }
    return replace(paired, accuracy={**paired.accuracy, **accuracy}, mcnemar=McNemar(3, 2, 1.0) if accuracy else None)


def picture(name: str) -> bytes:
    """A JPEG of its own for each name."""
    rng = np.random.default_rng(len(name) + sum(name.encode("utf-8", "replace")))
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def album(result: Result, *broken: str) -> Result:
    """The result with a picture for every flipped image but those."""
    names = [flip.name for flip in result.paired.flips] if result.paired else []
    return replace(result, blobs={name: Picture(name, name in broken) for name in names})


def _comparison(max_rel: float) -> Comparison:
    return Comparison(max_rel * 10, max_rel, (0, 1))
