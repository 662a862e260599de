"""Which tensor of one model could be which of the other: proposals, in the order in which they are tried.

None is believed. Each is a guess from names, order and shapes that random weights have to prove.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from convert.errors import counted
from convert.params import Layout, Shape
from verify.pairing.survey import Role, Survey, TensorFact

Signature = tuple[Role, Shape]
Pairs = Mapping[str, str]  # PyTorch's name to Paddle's

# Names of one tensor in two libraries, each PyTorch's first.
RENAMINGS = (
    (r"(^|\.)running_mean$", r"\1_mean"),
    (r"(^|\.)running_var$", r"\1_variance"),
)


@dataclass(frozen=True)
class Proposal:
    """A mapping that could be right.

    Attributes:
        how: it was made, for people.
        pairs: PyTorch's name to Paddle's.
    """

    how: str
    pairs: Pairs


@dataclass(frozen=True)
class Surplus:
    """Tensors of one kind of which the two models have not equally many.

    Attributes:
        signature: what they share.
        torch: PyTorch's names.
        paddle: Paddle's.
    """

    signature: Signature
    torch: tuple[str, ...]
    paddle: tuple[str, ...]

    def line(self) -> str:
        """What there is, for people."""
        role, shape = self.signature
        first = ", ".join(
            f"{side} has {len(names)}{f', first {names[0]}' if names else ''}"
            for side, names in (("PyTorch", self.torch), ("Paddle", self.paddle))
        )
        return f"{role.value} of {shape}: {first}"


def carried(survey: Survey) -> list[TensorFact]:
    """The tensors that have to be paired: of a model that answered, what its layers called for can be learned."""
    return [fact for fact in survey.tensors.values() if fact.role not in (Role.COUNTER, Role.INTEGER)]


def layout_of(torch: TensorFact, paddle: TensorFact) -> Layout | None:
    """What changes on the way from one tensor to the other, stated from their layers' classes; None if nothing fits."""
    turning = (Layout.LINEAR, Layout.CONV_LINEAR)
    for layout in turning if paddle.turned else (Layout.SAME, Layout.LINEAR_CONV, Layout.SQUEEZE):
        if layout.fits(torch.shape) and layout.paddle_shape(torch.shape) == paddle.shape:
            return layout
    return None


def surpluses(torch: Sequence[TensorFact], paddle: Sequence[TensorFact]) -> list[Surplus]:
    """Every signature of which the two have not equally many tensors."""
    theirs, ours = _by_signature(torch), _by_signature(paddle)
    return [
        Surplus(signature, tuple(names(theirs[signature])), tuple(names(ours[signature])))
        for signature in dict.fromkeys([*theirs, *ours])
        if len(theirs[signature]) != len(ours[signature])
    ]


def names(facts: Iterable[TensorFact]) -> list[str]:
    """The names of tensors."""
    return [fact.name for fact in facts]


def propose(torch: Survey, paddle: Survey, *, given: Pairs, left_out: frozenset[str]) -> Iterator[Proposal]:
    """Proposals, the likeliest first; none where the two have not equally many tensors of every signature.

    Args:
        torch: what was taken down of PyTorch's model.
        paddle: of Paddle's.
        given: pairs that the user's rules state.
        left_out: names on either side that are not paired.
    """
    seen: set[frozenset[tuple[str, str]]] = set()
    for how, pairs in _candidates(torch, paddle, given, left_out):
        whole = {**given, **pairs}
        if (key := frozenset(whole.items())) not in seen:
            seen.add(key)
            yield Proposal(how, whole)


def open_tensors(survey: Survey, taken: Iterable[str]) -> list[str]:
    """Names of the tensors that are still to be paired."""
    done = set(taken)
    return [fact.name for fact in carried(survey) if fact.name not in done]


def _candidates(torch: Survey, paddle: Survey, given: Pairs, left_out: frozenset[str]) -> Iterator[tuple[str, Pairs]]:
    free_torch = set(open_tensors(torch, {*given, *left_out}))
    free_paddle = set(open_tensors(paddle, {*given.values(), *left_out}))
    named = _by_name(free_torch, free_paddle, torch, paddle)
    if named is not None:
        yield "names", named
    orders: dict[str, Callable[[Survey], list[TensorFact]]] = {
        "the order of calls": Survey.by_call,
        "the order of definition": Survey.by_definition,
        "the names' numbers": _by_numbers,
    }
    for how, order in orders.items():
        theirs = [fact for fact in order(torch) if fact.name in free_torch]
        ours = [fact for fact in order(paddle) if fact.name in free_paddle]
        if surpluses(theirs, ours):
            return
        yield how, in_order(theirs, ours)


def _by_name(free_torch: set[str], free_paddle: set[str], torch: Survey, paddle: Survey) -> Pairs | None:
    """Equal names, or equal after a known renaming; None where one name has no counterpart of its shape."""
    pairs = {}
    for name in free_torch:
        theirs = name
        for pattern, replacement in RENAMINGS:
            theirs = re.sub(pattern, replacement, theirs)
        if theirs not in free_paddle or layout_of(torch.tensors[name], paddle.tensors[theirs]) is None:
            return None
        pairs[name] = theirs
    return pairs if len(pairs) == len(free_paddle) else None


def in_order(torch: Sequence[TensorFact], paddle: Sequence[TensorFact]) -> Pairs:
    """The k-th tensor of each signature with the k-th of the other model."""
    theirs, ours = _by_signature(torch), _by_signature(paddle)
    return {
        one.name: other.name
        for signature, facts in theirs.items()
        for one, other in zip(facts, ours[signature], strict=True)
    }


def _by_numbers(survey: Survey) -> list[TensorFact]:
    """By the numbers in the names, which count stages and blocks in most libraries; by definition where they tie."""
    return sorted(survey.by_definition(), key=lambda fact: [int(number) for number in re.findall(r"\d+", fact.name)])


def _by_signature(facts: Iterable[TensorFact]) -> defaultdict[Signature, list[TensorFact]]:
    groups: defaultdict[Signature, list[TensorFact]] = defaultdict(list)
    for fact in facts:
        groups[fact.signature].append(fact)
    return groups


def describe_surpluses(found: Sequence[Surplus], shown: int = 8) -> list[str]:
    """Lines about them, the first ones."""
    more = [f"and {counted(len(found) - shown, 'more kind')}"] if len(found) > shown else []
    return [surplus.line() for surplus in found[:shown]] + more
