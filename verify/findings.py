"""What a report takes from the parts of a verification that need not have run, by shape alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from verify.compare import Comparison


class PublishedFinding(Protocol):
    """The published score of a checkpoint."""

    @property
    def name(self) -> str:
        """The checkpoint's, as timm says it."""

    @property
    def top1(self) -> float:
        """In per cent."""

    @property
    def top5(self) -> float | None:
        """In per cent; None where nobody published it."""

    @property
    def decimals(self) -> int:
        """Digits after the point that the source prints."""

    @property
    def source(self) -> str:
        """Where the numbers stand."""


class LayerFinding(Protocol):
    """One stage or block in both frameworks."""

    @property
    def name(self) -> str:
        """As in the state dict, `stages.2.1`."""

    @property
    def dtype(self) -> str:
        """Either "float64" or "float32"."""

    @property
    def cumulative(self) -> Comparison:
        """Each framework fed by its own layers before this one."""

    @property
    def forced(self) -> Comparison:
        """Paddle's layer fed torch's own input."""


class LayersFinding(Protocol):
    """The layers in their order, and the first that departs."""

    @property
    def layers(self) -> Sequence[LayerFinding]:
        """Of both data types."""

    @property
    def first(self) -> str:
        """Name of the first layer that departs; empty if none does."""

    @property
    def hint(self) -> str:
        """What its signature points to; may be empty."""


class WhyRowFinding(Protocol):
    """A sample of the images scored under one usual mistake."""

    @property
    def name(self) -> str:
        """The mistake."""

    @property
    def top1(self) -> float:
        """In per cent."""

    @property
    def difference(self) -> float:
        """Percentage points away from the run as it was asked for."""

    @property
    def p(self) -> float:
        """Of McNemar's exact test against that run."""

    @property
    def advice(self) -> str:
        """What to pass instead."""


class WhyFinding(Protocol):
    """Which mistake explains a missed published number."""

    @property
    def rows(self) -> Sequence[WhyRowFinding]:
        """A row a mistake."""

    @property
    def verdict(self) -> str:
        """One sentence."""
