"""From a proven mapping to the table that states it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from convert.params import LeftOut, PaddleLeftOut, Param, Row, Shape
from convert.tables.table import ModelName, Proof, Table
from verify.pairing.proof import SEED
from verify.pairing.proposals import layout_of
from verify.pairing.search import Finding, Tried
from verify.pairing.survey import Role, Survey, TensorFact

INDEX = "integers that the model computes when it is built"


def make_table(name: str, torch: ModelName, paddle: ModelName, finding: Finding, tried: Tried) -> Table:
    """The table of a proven proposal, with its proof.

    Args:
        name: of the network.
        torch: what PyTorch's model was built by.
        paddle: what Paddle's was.
        finding: of the search.
        tried: the proposal of its own that is to be stated.
    """
    ours = finding.surveys[1]
    paired = set(tried.proposal.pairs.values())
    extra = tuple(
        PaddleLeftOut(fact.name, fact.shape, finding.left_out.get(fact.name, INDEX))
        for fact in ours.by_definition()
        if fact.name not in paired
    )
    return Table(name, torch, paddle, tuple(_rows(finding, tried)), extra, proof=_proof(finding, tried))


def _rows(finding: Finding, tried: Tried) -> Iterator[Row]:
    theirs, ours = finding.surveys
    for fact in theirs.by_definition():
        other = tried.proposal.pairs.get(fact.name)
        yield _left_out(fact, finding) if other is None else _param(fact, ours.tensors[other])


def _param(fact: TensorFact, other: TensorFact) -> Param:
    layout = layout_of(fact, other)
    assert layout is not None
    return Param(fact.name, fact.shape, layout, paddle_name=other.name)


def _left_out(fact: TensorFact, finding: Finding) -> LeftOut:
    if fact.role is Role.COUNTER:
        return LeftOut(fact.name, fact.shape)
    dtype = fact.dtype if fact.role is Role.INTEGER else "float32"
    return LeftOut(fact.name, fact.shape, dtype, None, finding.left_out.get(fact.name, INDEX))


def _proof(finding: Finding, tried: Tried) -> Proof:
    shape: Shape = finding.batch.shape
    return Proof(
        seed=SEED,
        size=(shape[2], shape[3]),
        in_chans=shape[1],
        max_rel=float(f"{tried.outcome.max_rel:.1e}"),
        training_max_rel=None if tried.outcome.training is None else float(f"{tried.outcome.training:.1e}"),
        eps_as_float32=tried.outcome.as_paddle_keeps,
        versions=tuple(sorted(_versions(*finding.surveys).items())),
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    )


def _versions(theirs: Survey, ours: Survey) -> dict[str, str]:
    return {**theirs.versions, **ours.versions}
