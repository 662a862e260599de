"""The gates: a row each, in the order in which they run. What a gate does lies in the file of its name.

The command's help, the README's table, the order of a result and the planted faults' table follow from the rows; no
array library is loaded for them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby

from verify.gate import Gate, not_run
from verify.limits import (
    FLOAT32_MAX_ABS,
    FLOAT64_MAX_REL,
    GRADIENT_MAX_REL,
    OWN_ERROR_FACTOR,
    PIXEL_LEVELS,
    PUBLISHED_POINTS,
    PUBLISHED_POINTS_OF_ONE_DECIMAL,
    TOP1_POINTS,
    UNIT_MAX_REL,
)

SEED = 20220310  # of every input that a gate makes up


class Reads(enum.Enum):
    """What a gate looks at."""

    CHECKPOINTS = "the checkpoints"
    INPUTS = "noise and sample images"
    NOISE = "the noise"
    MADE_UP_IMAGES = "two made-up images"
    IMAGES = "the images"
    WHOLE_SET = "all 50,000 images"


class When(enum.Enum):
    """When a gate runs, in words that follow a list of gates."""

    ALWAYS = ""
    LAYERS = "with --layers"
    GRADIENTS = "with --gradients"
    DATA = "with --data"
    RECIPE = "where a recipe is known and no value overrides it"


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """A gate as every list of gates states it.

    Attributes:
        name: of the gate.
        reads: what it looks at.
        when: it runs.
        limit: what it must hold to, beside what was measured.
        holds_when: the README's sentence.
    """

    name: str
    reads: Reads
    when: When
    limit: str
    holds_when: str

    @property
    def input(self) -> str:
        """The README's cell: what is read, and with which option."""
        option = re.sub(r"--\w+", r"`\g<0>`", self.when.value)
        return f"{self.reads.value}, {option}" if option else self.reads.value


def _short(limit: float) -> str:
    """ "1e-9" for 1e-09."""
    return f"{limit:.0e}".replace("e-0", "e-")


STRUCTURE = GateRow(
    name="structure",
    reads=Reads.CHECKPOINTS,
    when=When.ALWAYS,
    limit="same tensors, shapes, dtypes and digests; all finite",
    holds_when="no tensor missing, unexpected, mis-shaped, of another dtype or not finite; digests equal after the "
    "inverse map, in both files and in both models",
)
FLOAT64 = GateRow(
    name="float64 oracle",
    reads=Reads.INPUTS,
    when=When.ALWAYS,
    limit=f"max rel <= {FLOAT64_MAX_REL:.0e}",
    holds_when=f"max rel <= {_short(FLOAT64_MAX_REL)}: a bug is 1e-5 and rounding 1e-14",
)
FLOAT32 = GateRow(
    name="float32 logits",
    reads=Reads.INPUTS,
    when=When.ALWAYS,
    limit=f"max abs <= {FLOAT32_MAX_ABS:.0e} and <= {OWN_ERROR_FACTOR} x torch's own rounding error",
    holds_when=f"max abs <= {_short(FLOAT32_MAX_ABS)}, and <= {OWN_ERROR_FACTOR} x the source model's own "
    "float32-to-float64 error",
)
LAYERS = GateRow(
    name="layers",
    reads=Reads.INPUTS,
    when=When.LAYERS,
    limit="each unit alone: max rel "
    + ", ".join(f"<= {limit:.0e} in {dtype}" for dtype, limit in UNIT_MAX_REL.items()),
    holds_when="every unit, fed PyTorch's own input to it, gives PyTorch's output: max rel "
    + ", ".join(f"<= {_short(limit)} in {dtype}" for dtype, limit in UNIT_MAX_REL.items()),
)
GRADIENTS = GateRow(
    name="gradients",
    reads=Reads.NOISE,
    when=When.GRADIENTS,
    limit=f"every parameter's gradient in float64: max rel <= {GRADIENT_MAX_REL:.0e}",
    holds_when=f"every parameter's gradient in float64: max rel <= {_short(GRADIENT_MAX_REL)}",
)
PREPROCESSING = GateRow(
    name="preprocessing",
    reads=Reads.MADE_UP_IMAGES,
    when=When.DATA,
    limit=f"pixels of two made-up images within {PIXEL_LEVELS} grey levels of the protocol's formulae",
    holds_when=f"two made-up images come out of the decoder within {PIXEL_LEVELS} grey levels of the protocol's "
    "formulae, which numpy computes anew",
)
PAIRED = GateRow(
    name="paired accuracy",
    reads=Reads.IMAGES,
    when=When.DATA,
    limit=f"no unexplained flip, logits within {FLOAT32_MAX_ABS:.0e}, |top-1 difference| <= {TOP1_POINTS}, "
    "every image read",
    holds_when="every image of the set read exactly once under its own label, no unexplained flip, logits within "
    f"{_short(FLOAT32_MAX_ABS)}, top-1 within {TOP1_POINTS} points (or one image, on a small set)",
)
PUBLISHED = GateRow(
    name="published accuracy",
    reads=Reads.WHOLE_SET,
    when=When.RECIPE,
    limit=f"each top-1 within {PUBLISHED_POINTS:.2f} of the published one, "
    f"{PUBLISHED_POINTS_OF_ONE_DECIMAL:.2f} if that has one decimal",
    holds_when=f"each top-1 within {PUBLISHED_POINTS:.2f} points of the published number, "
    f"{PUBLISHED_POINTS_OF_ONE_DECIMAL:.2f} if that has one decimal, every image read",
)

GATES = (STRUCTURE, FLOAT64, FLOAT32, LAYERS, GRADIENTS, PREPROCESSING, PAIRED, PUBLISHED)


OF_ROWS = (Reads.IMAGES, Reads.WHOLE_SET)  # a run store has the rows, and each reading of it concludes these anew


def kept_gates(*, layers: bool, gradients: bool) -> tuple[str, ...]:
    """Names of the gates that a run over a data set keeps in its store.

    Args:
        layers: whether the run has the gate on every unit.
        gradients: whether it has the gate on every gradient.
    """
    asked = {When.ALWAYS: True, When.DATA: True, When.LAYERS: layers, When.GRADIENTS: gradients}
    return tuple(row.name for row in GATES if row.reads not in OF_ROWS and asked.get(row.when))


def in_order(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """The gates in the order in which they run, and after them those without a row, as they were given."""
    places = {row.name: place for place, row in enumerate(GATES)}
    return tuple(sorted(gates, key=lambda gate: places.get(gate.name, len(GATES))))


def complete(gates: Collection[Gate], asked: Collection[When], reason: str) -> tuple[Gate, ...]:
    """The gates in their order, and `not run` for each other one that is asked for.

    Args:
        gates: those that ran, or that say themselves why they did not.
        asked: which rows belong to the result.
        reason: why the others did not run.
    """
    given = {gate.name for gate in gates}
    missing = [row for row in GATES if row.when in asked and row.name not in given]
    return in_order([*gates, *(not_run(row.name, reason, row.limit) for row in missing)])


def order_in_words() -> str:
    """The gates' names in their order, each group with when it runs; for the command's help."""
    groups = []
    for when, rows in groupby(GATES, key=lambda row: row.when):
        names = ", ".join(row.name for row in rows)
        groups.append(f"{when.value}, {names}" if when.value else names)
    *others, last = groups
    return f"{'; '.join(others)} and, {last}"


def readme_table() -> str:
    """The gates in Markdown."""
    rows = [("gate", "input", "holds when"), ("---", "---", "---")]
    rows += [(row.name, row.input, row.holds_when) for row in GATES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
