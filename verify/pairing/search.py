"""The search for a mapping between two models: surveys, proposals, and the proof that decides."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from convert.arrays import Array
from convert.errors import FerryError, did_you_mean
from convert.key_formats.rules import Rule
from verify.pairing.flow import Flow, run_flow
from verify.pairing.model import PairModel
from verify.pairing.proof import Outcome, fill, judge, noise_batch, temper_for
from verify.pairing.proposals import (
    Pairs,
    Proposal,
    Surplus,
    carried,
    in_order,
    layout_of,
    open_tensors,
    propose,
    surpluses,
)
from verify.pairing.survey import Survey, is_in

# Pixels by which an input is wider than high, so that exchanged axes show; a square is the last resort.
EXTRA_WIDTHS = (32, 64, 0)


@dataclass(frozen=True)
class Request:
    """What is asked about two models that are built.

    Attributes:
        in_chans: channels of their input.
        size: its height, in pixels.
        rules: what the user states: templates of names in PyTorch and in Paddle.
        omissions: templates of names on either side that are left out, each with the reason.
    """

    in_chans: int = 3
    size: int = 224
    rules: tuple[tuple[str, str], ...] = ()
    omissions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Tried:
    """A proposal and what came of it."""

    proposal: Proposal
    outcome: Outcome


@dataclass(frozen=True)
class Finding:
    """What the search came to.

    Attributes:
        surveys: what was taken down of PyTorch's model, and of Paddle's.
        batch: the input of the proof.
        tried: every proposal, in order.
        surplus: tensors of which the two have not equally many, so that nothing could be proposed for all.
        given: the pairs that the user's rules state.
        left_out: names that were left out, to the reason.
        temper: by which the random matrices were scaled.
        flow: the walk through both models, where it was needed.
        note: what is to be said of the input.
    """

    surveys: tuple[Survey, Survey]
    batch: Array
    tried: tuple[Tried, ...]
    surplus: tuple[Surplus, ...] = ()
    given: Pairs = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    temper: float = 1.0
    flow: Flow | None = None
    note: str = ""

    @property
    def proven(self) -> tuple[Tried, ...]:
        """The proposals that hold, each another mapping."""
        return tuple(tried for tried in self.tried if tried.outcome.proven)

    @property
    def best(self) -> Tried | None:
        """The proposal whose answers came nearest."""
        return min(self.tried, key=lambda tried: tried.outcome.order, default=None)


NEARER = 100  # times nearer, by which a difference is one of the input's size
UNCALLED = "no forward pass in evaluation mode calls its layer"


def search(
    torch: PairModel, paddle: PairModel, request: Request, *, say: Callable[[str], None] = lambda _: None
) -> Finding:
    """Takes both models down, proposes, and stops at the first proposal that is proven.

    Args:
        torch: PyTorch's model, built.
        paddle: Paddle's, built.
        request: what is asked.
        say: what is told of the progress.

    Raises:
        FerryError: the models do not take the same input, or a rule names no tensor.
    """
    surveys = take_down(torch, paddle, request)
    theirs, ours = surveys
    given = state_pairs(request, theirs, ours)
    left_out = {**state_omissions(request, theirs, ours), **_uncalled(surveys, given)}
    batch = noise_batch(request.in_chans, theirs.size)
    temper = temper_for(torch, theirs, batch)
    open_torch = [theirs.tensors[name] for name in open_tensors(theirs, {*given, *left_out})]
    open_paddle = [ours.tensors[name] for name in open_tensors(ours, {*given.values(), *left_out})]
    surplus = tuple(surpluses(open_torch, open_paddle))
    tried: list[Tried] = []
    for proposal in propose(theirs, ours, given=given, left_out=frozenset(left_out)):
        say(f"{proposal.how}: {len(proposal.pairs):,} tensors")
        tried.append(_tried(torch, paddle, surveys, proposal, batch, temper))
        if tried[-1].outcome.proven:
            break
    finding = Finding(surveys, batch, tuple(tried), surplus, given, left_out, temper)
    if not finding.proven:
        finding = follow(torch, paddle, _at_another_size(torch, paddle, finding), say)
    return finding


def _at_another_size(torch: PairModel, paddle: PairModel, finding: Finding) -> Finding:
    """The finding on an input of another width, where the two come nearer to one another by far."""
    best = finding.best
    if best is None or math.isnan(best.outcome.max_rel):
        return finding
    count, channels, height, width = finding.batch.shape
    fill(torch, paddle, finding.surveys, best.proposal.pairs, temper=finding.temper)
    for other in (height + extra for extra in EXTRA_WIDTHS):
        batch = noise_batch(channels, (height, other), images=count)
        try:
            outcome = judge(torch, paddle, batch, training=True) if other != width else best.outcome
        except FerryError:  # a size that one of them does not take
            continue
        if outcome.max_rel < best.outcome.max_rel / NEARER:
            note = f"on inputs of {height} x {width} the two part by {best.outcome.max_rel:.1e}, whatever else is right"
            tried = (*finding.tried, Tried(best.proposal, outcome))
            return replace(finding, batch=batch, tried=tried, note=note)
    return finding


def follow(torch: PairModel, paddle: PairModel, finding: Finding, say: Callable[[str], None]) -> Finding:
    """The finding with a proposal from what flows through the layers, and the walk itself."""
    say("what flows into each layer")
    theirs, ours = finding.surveys
    small = finding.batch[:1]
    rest = finding.best.proposal.pairs if finding.best else _partial(finding)
    fill(torch, paddle, finding.surveys, rest, temper=finding.temper)
    flow = run_flow(torch, paddle, finding.surveys, small, temper=finding.temper)
    met = {**flow.pairs, **finding.given}
    pairs = {**{one: other for one, other in rest.items() if one not in met and other not in met.values()}, **met}
    proposal = Proposal("what flows into each layer", pairs)
    whole = not open_tensors(theirs, {*pairs, *finding.left_out})
    known = [tried.proposal.pairs for tried in finding.tried]
    tried = finding.tried
    if whole and not open_tensors(ours, {*pairs.values(), *finding.left_out}) and pairs not in known:
        tried = (*tried, _tried(torch, paddle, finding.surveys, proposal, finding.batch, finding.temper))
    return replace(finding, tried=tried, flow=flow)


def take_down(torch: PairModel, paddle: PairModel, request: Request) -> tuple[Survey, Survey]:
    """Both surveys, on an input that is not square where both models take one."""
    refusals = []
    for width in (request.size + extra for extra in EXTRA_WIDTHS):
        shape = (2, request.in_chans, request.size, width)
        theirs, ours = torch.survey(shape), paddle.survey(shape)
        if isinstance(theirs, Survey) and isinstance(ours, Survey):
            return theirs, ours
        refusals = [
            f"{side}'s model: {found}"
            for side, found in (("PyTorch", theirs), ("Paddle", ours))
            if isinstance(found, str)
        ]
    raise FerryError(
        f"no forward pass at {request.size} x {request.size} with {request.in_chans} channels; --size and --in-chans "
        f"say what the models take; {'; '.join(refusals)}"
    )


def state_pairs(request: Request, theirs: Survey, ours: Survey) -> dict[str, str]:
    """The pairs that the user's rules state.

    Raises:
        FerryError: a rule is about no tensor, or names one that Paddle's model does not have or of another shape.
    """
    pairs: dict[str, str] = {}
    for template, other in request.rules:
        rule, option = Rule(template, other), f"--rule '{template} = {other}'"
        stated = {name: renamed for name in theirs.tensors if (renamed := _renamed(rule, name, option)) is not None}
        if not stated:
            hint = did_you_mean(
                _example(template), theirs.tensors, otherwise="its names stand in --torch's own state dict"
            )
            raise FerryError(f"{option}: PyTorch's model has no such tensor; {hint}")
        for name, renamed in stated.items():
            if renamed not in ours.tensors:
                hint = did_you_mean(renamed, ours.tensors, otherwise="give one of its state dict's names")
                raise FerryError(f"{option}: Paddle's model has no tensor {renamed}; {hint}")
            one, found = theirs.tensors[name], ours.tensors[renamed]
            if layout_of(one, found) is None:
                raise FerryError(f"{option}: {name} is {one.shape} and {renamed} is {found.shape}, which do not fit")
        pairs |= {name: renamed for name, renamed in stated.items() if name not in pairs}
    return pairs


def state_omissions(request: Request, theirs: Survey, ours: Survey) -> dict[str, str]:
    """Names on either side that the user leaves out, to the reason. Raises FerryError where one is about no tensor."""
    omissions: dict[str, str] = {}
    for template, why in request.omissions:
        rule = Rule(template, template)
        names = [name for survey in (theirs, ours) for name in survey.tensors if rule.to_official(name)]
        if not names:
            hint = did_you_mean(_example(template), [*theirs.tensors, *ours.tensors], otherwise="give a tensor's name")
            raise FerryError(f"--leave-out '{template} = {why}': neither model has such a tensor; {hint}")
        omissions |= dict.fromkeys(names, why)
    return omissions


def _example(template: str) -> str:
    """A name that the template could stand for."""
    return re.sub(r"\{[ijk]\}", "0", re.sub(r"\{[pb]\}", "weight", template))


def _renamed(rule: Rule, name: str, option: str) -> str | None:
    try:
        return rule.from_official(name)
    except KeyError as error:
        raise FerryError(f"{option}: {{{error.args[0]}}} stands on one side only") from error


def _uncalled(surveys: tuple[Survey, Survey], given: Pairs) -> dict[str, str]:
    """Tensors of layers that no forward pass calls, by name."""
    done = {*given, *given.values()}
    return {
        fact.name: UNCALLED
        for survey in surveys
        for fact in carried(survey)
        if fact.name not in done and _is_uncalled(survey, fact.name)
    }


def _is_uncalled(survey: Survey, name: str) -> bool:
    layer = survey.owners[name]
    called = any(path == layer.path or is_in(path, layer.path) for path in survey.called)
    return bool(layer.path) and not called


def _tried(
    torch: PairModel,
    paddle: PairModel,
    surveys: tuple[Survey, Survey],
    proposal: Proposal,
    batch: Array,
    temper: float,
) -> Tried:
    fill(torch, paddle, surveys, proposal.pairs, temper=temper)
    return Tried(proposal, judge(torch, paddle, batch, training=True))


def _partial(finding: Finding) -> Pairs:
    """Pairs of the tensors that belong to layers in which others lie, by order, where they are equally many."""
    theirs, ours = (
        [fact for fact in carried(survey) if survey.owners[fact.name].path in survey.folders]
        for survey in finding.surveys
    )
    uneven = {surplus.signature for surplus in surpluses(theirs, ours)}
    theirs, ours = ([fact for fact in facts if fact.signature not in uneven] for facts in (theirs, ours))
    return {**in_order(theirs, ours), **finding.given}
