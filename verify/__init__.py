"""Proves that two checkpoints of two frameworks are one model. The frameworks load only in its worker processes.

The bundled sample, converted and verified:

    from convert import Job
    from verify import Options, Verdict, as_text, sample, verify

    if __name__ == "__main__":  # the worker processes import this file too
        Job.read(sample.ARCH, sample.CHECKPOINT).write("digits.pdparams")
        result = verify(
            Options(
                src=sample.CHECKPOINT,
                dst="digits.pdparams",
                data=sample.IMAGES,
                protocol=sample.PROTOCOL,
            )
        )
        print(as_text(result))
        print("holds:", result.ok)
        print("failed:", [gate.name for gate in result.gates if gate.verdict is Verdict.FAILED])
        print("top-1:", result.paired.accuracy["torch"].top1, result.paired.accuracy["paddle"].top1)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Where each public name lives; loaded on first use, so that `verify --help` waits for nothing.
_PUBLIC = {
    "Choice": "verify.datasets",
    "Gate": "verify.gate",
    "Verdict": "verify.gate",
    "Options": "verify.options",
    "Overrides": "verify.recipes.choose",
    "Protocol": "verify.recipes.protocol",
    "Recipe": "verify.recipes.recipe",
    "get_recipe": "verify.recipes.recipe",
    "known_recipes": "verify.recipes.recipe",
    "as_html": "verify.report",
    "as_json": "verify.report",
    "as_junit": "verify.report",
    "as_markdown": "verify.report",
    "as_text": "verify.report",
    "write_reports": "verify.report",
    "Result": "verify.result",
    "merge_runs": "verify.result",
    "RunInterrupted": "verify.run",
    "verify": "verify.run",
    "Shard": "verify.store.shard",
    "Compute": "verify.workers.compute",
}
__all__ = list(_PUBLIC)
DISTRIBUTION = "paddleferry"  # convert/ownership.py looks for it

if TYPE_CHECKING:  # the same names once more, for type checkers and editors
    from verify.datasets import Choice as Choice
    from verify.gate import Gate as Gate
    from verify.gate import Verdict as Verdict
    from verify.options import Options as Options
    from verify.recipes.choose import Overrides as Overrides
    from verify.recipes.protocol import Protocol as Protocol
    from verify.recipes.recipe import Recipe as Recipe
    from verify.recipes.recipe import get_recipe as get_recipe
    from verify.recipes.recipe import known_recipes as known_recipes
    from verify.report import as_html as as_html
    from verify.report import as_json as as_json
    from verify.report import as_junit as as_junit
    from verify.report import as_markdown as as_markdown
    from verify.report import as_text as as_text
    from verify.report import write_reports as write_reports
    from verify.result import Result as Result
    from verify.result import merge_runs as merge_runs
    from verify.run import RunInterrupted as RunInterrupted
    from verify.run import verify as verify
    from verify.store.shard import Shard as Shard
    from verify.workers.compute import Compute as Compute
else:  # a type checker that saw this would take any name for public

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'verify' has no attribute {name!r}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
