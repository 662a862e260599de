"""What a verification found, for programs: JSON of the form that `report.schema.json` states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from convert.console import json_text
from verify.accuracy.scores import ClassScore, PairedResult
from verify.gate import Gate
from verify.gates.layers import UnitReport
from verify.recipes.recipe import Recipe
from verify.report.fields import fact_fields
from verify.report.phrases import headline
from verify.result import Result

SCHEMA_VERSION = 3  # 2 called units layers, the difference of one alone forced, and had sentences for facts
SCHEMA = Path(__file__).parent / "report.schema.json"


def as_json(result: Result) -> str:
    """The result for programs. NaN and infinity, which JSON lacks, are null."""
    return json_text(document(result))


def document(result: Result) -> dict[str, Any]:
    """The result as plain values; NaN and infinity are still in it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": result.ok,
        "headline": headline(result),
        "command": result.command,
        "facts": fact_fields(result.facts),
        "gates": [_gate(gate) for gate in result.gates],
        "paired": _paired(result.paired, result.classes) if result.paired else None,
        "published": _published(result.recipe) if result.recipe else None,
        "layers": _layers(result.units) if result.units else None,
        "why": asdict(result.why) if result.why else None,
    }


def class_name(label: int, classes: Sequence[str]) -> str:
    """What the data set calls the class; empty where it names none."""
    return classes[label] if 0 <= label < len(classes) else ""


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "name": gate.name,
        "verdict": gate.verdict.value.lower(),
        "measured": gate.outcome,
        "limit": gate.limit,
        "measures": [asdict(measure) for measure in gate.measures],
        "problems": list(gate.problems),
        "details": dict(gate.details),
    }


def _paired(paired: PairedResult, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "images": paired.images,
        "read": paired.read,
        "unreadable": [{"name": name, "error": error} for name, error in paired.unreadable],
        "accuracy": {framework: asdict(score) for framework, score in paired.accuracy.items()},
        "top1_difference": paired.top1_difference,
        "agreement": paired.agreement,
        "flips": [asdict(flip) for flip in paired.flips],
        "noise": paired.noise,
        "max_abs": paired.max_abs,
        "mcnemar": asdict(paired.mcnemar) if paired.mcnemar else None,
        "per_class": [_class(score, classes) for score in paired.per_class],
    }


def _class(score: ClassScore, classes: Sequence[str]) -> dict[str, Any]:
    return {**asdict(score), "name": class_name(score.label, classes)}


def _layers(report: UnitReport) -> dict[str, Any]:
    first = report.first
    where = {"first": first.name, "dtype": first.dtype} if first else {"first": "", "dtype": ""}
    return {"units": [asdict(unit) for unit in report.units], **where, "hint": report.hint}


def _published(recipe: Recipe) -> dict[str, Any]:
    names = ("name", "top1", "top5", "decimals", "source")
    return {name: getattr(recipe, name) for name in names}
