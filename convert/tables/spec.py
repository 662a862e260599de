"""A table in the place of an architecture: what converts by an architecture converts by a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from convert.archs.spec import ArchSpec, Stage
from convert.errors import WrongUsage
from convert.params import LeftOut, PaddleLeftOut, Param, Row, Shape
from convert.tables.table import Table


@dataclass(frozen=True, kw_only=True)
class TableSpec(ArchSpec):
    """A network as its table has it: of one size, with one shape for each tensor.

    What no table says, its blocks and its head, it has none of.

    Attributes:
        table: the network's.
        num_classes: 0, for a table does not say which tensor is a head's; whoever has run the model states it.
        numbers: that the model answers with for an image, as whoever has run it states them.
        takes_wide: whether the model takes an image wider than high.
    """

    stem_key: ClassVar[str] = ""
    head_key: ClassVar[str] = ""
    head_bias_key: ClassVar[str] = ""

    table: Table
    num_classes: int = 0
    numbers: int = 0
    takes_wide: bool = True

    @classmethod
    def of(cls, table: Table) -> TableSpec:
        """The network of a table, by the table's name; its proof says which images it takes."""
        proof = table.proof
        if proof is None:
            return cls(name=table.name, table=table)
        height, width = proof.size
        return cls(name=table.name, table=table, in_chans=proof.in_chans, takes_wide=height != width)

    def rows(self) -> Iterator[Row]:
        return iter(self.table.rows)

    def params(self) -> tuple[Param, ...]:
        return self._params

    def left_out(self) -> dict[str, LeftOut]:
        return self._left_out

    def paddle_left_out(self) -> dict[str, PaddleLeftOut]:
        return self._paddle_left_out

    @cached_property
    def _params(self) -> tuple[Param, ...]:
        return super().params()

    @cached_property
    def _left_out(self) -> dict[str, LeftOut]:
        return super().left_out()

    @cached_property
    def _paddle_left_out(self) -> dict[str, PaddleLeftOut]:
        return {row.name: row for row in self.table.paddle_left_out}

    @property
    def own_names(self) -> bool:
        return True

    @property
    def wide(self) -> bool:
        return self.takes_wide

    @property
    def described(self) -> str:
        return f"{self.table.torch.reference} in PyTorch, {self.table.paddle.reference} in Paddle"

    @property
    def answer(self) -> str:
        return "as its model answers"

    @property
    def block_names(self) -> tuple[str, ...]:
        return ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        return ()

    @property
    def features(self) -> int:
        return self.numbers

    @property
    def outputs(self) -> int:
        return self.numbers

    def resized(self, stages: Sequence[Stage]) -> TableSpec:  # noqa: ARG002 - as every specification is asked
        """Itself: a table has one size."""
        return self

    def fitted_to(self, shapes: Mapping[str, Shape]) -> TableSpec:  # noqa: ARG002 - likewise
        """Itself: a table has one shape for each tensor."""
        return self


def refuse_changes(num_classes: int | None, to: str) -> None:
    """Raises WrongUsage for options of a conversion that would make another network than a table describes."""
    if num_classes is not None:
        raise WrongUsage("--num-classes changes a head, and a table has one shape for each tensor: leave it out")
    if to:
        raise WrongUsage(f"--to {to} is for the libraries' ConvNeXts, and a table has its own names: leave it out")
