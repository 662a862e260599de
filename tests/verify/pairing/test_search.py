"""A mapping is proposed by names, order or flow, and nothing but random weights decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pair_models import FAULTS, PADDLE, TORCH

from convert.errors import FerryError
from convert.tables.table import ModelName
from verify.pairing.cause import explain
from verify.pairing.model import PairModel
from verify.pairing.proof import PROVEN, Outcome, fill, judge
from verify.pairing.proposals import describe_surpluses
from verify.pairing.search import Finding, Request, search

Models = tuple[PairModel, PairModel]
SMALL = Request(size=24)


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    with PairModel("torch", 1) as torch, PairModel("paddle", 1) as paddle:
        yield torch, paddle


def find(
    models: Models, folder: Path, *, torch: str = TORCH, paddle: str = PADDLE, request: Request = SMALL
) -> Finding:
    for model, text in zip(models, (torch, paddle), strict=True):
        path = folder / f"{model.framework}_net.py"
        path.write_text(text)
        model.build(ModelName(f"{path}:build"))
    return search(*models, request)


def test_what_flows_into_layers_pairs_branches_that_are_called_in_another_order(models: Models, tmp_path: Path) -> None:
    finding = find(models, tmp_path)
    how = [tried.proposal.how for tried in finding.tried]
    assert how[-1] == "what flows into each layer"
    pairs = finding.proven[0].proposal.pairs
    assert pairs["blocks.0.left.weight"] == "stage.0.body.a_conv.weight"
    assert pairs["blocks.1.squeeze.weight"] == "stage.1.fc1.weight"
    assert pairs["blocks.1.gamma"] == "stage.1.scale"
    assert all(tried.outcome.max_rel > 1e-4 for tried in finding.tried[:-1])


def test_a_head_that_no_forward_pass_calls_is_left_out_and_named(models: Models, tmp_path: Path) -> None:
    finding = find(models, tmp_path)
    assert set(finding.left_out) == {"aux.weight", "aux.bias"}


def test_the_order_of_calls_pairs_what_is_defined_in_another_order(models: Models, tmp_path: Path) -> None:
    paddle = PADDLE.replace("right = self.b_conv(x * x)", "left = self.a_conv(x)")
    paddle = paddle.replace("return self.bn(right + self.a_conv(x))", "return self.bn(left + self.b_conv(x * x))")
    finding = find(models, tmp_path, paddle=paddle)
    assert finding.proven[0].proposal.how == "the order of calls"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_difference_is_seen_and_named(fault: str, models: Models, tmp_path: Path) -> None:
    right, wrong, said = FAULTS[fault]
    assert right in PADDLE
    finding = find(models, tmp_path, paddle=PADDLE.replace(right, wrong))
    assert not finding.proven
    lines = "\n".join([*describe_surpluses(finding.surplus), *explain(*models, finding)])
    assert any(word in lines for word in said.split("|")), lines


def test_an_input_that_is_not_square_shows_exchanged_axes(models: Models, tmp_path: Path) -> None:
    exchanged = PADDLE.replace("x = self.stage(self.conv1(x))", "x = self.stage(self.conv1(x.transpose([0, 1, 3, 2])))")
    assert not find(models, tmp_path, paddle=exchanged).proven


def test_rules_come_before_every_proposal(models: Models, tmp_path: Path) -> None:
    rules = (("blocks.{i}.left.{p}", "stage.{i}.body.b_conv.{p}"),)
    finding = find(models, tmp_path, request=Request(size=24, rules=rules))
    assert not finding.proven  # the rule is wrong, and it is kept to
    rules = (("blocks.{i}.left.{p}", "stage.{i}.body.a_conv.{p}"),)
    finding = find(models, tmp_path, request=Request(size=24, rules=rules))
    assert finding.proven[0].proposal.how == "the order of calls"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(size=24, rules=(("haed.{p}", "fc.{p}"),)), "no such tensor; did you mean"),
        (Request(size=24, rules=(("head.{p}", "fcc.{p}"),)), "Paddle's model has no tensor fcc.weight; did you mean"),
        (Request(size=24, rules=(("head.{p}", "project.{p}"),)), "which do not fit"),
        (Request(size=24, rules=(("head.weight", "fc.{p}"),)), "{p} stands on one side only"),
        (Request(size=24, omissions=(("axu.{p}", "why"),)), "neither model has such a tensor"),
        (Request(size=24, in_chans=4), "--in-chans"),
    ],
)
def test_a_statement_about_nothing_is_refused(request_: Request, said: str, models: Models, tmp_path: Path) -> None:
    with pytest.raises(FerryError, match=said.replace("{", r"\{").replace("(", r"\(")):
        find(models, tmp_path, request=request_)


def test_constants_that_were_rounded_for_one_proposal_are_told_of_the_next(models: Models, tmp_path: Path) -> None:
    finding = find(models, tmp_path)
    models[0].round_constants()
    fill(*models, finding.surveys, finding.proven[0].proposal.pairs, temper=finding.temper)
    assert judge(*models, finding.batch, training=False).as_paddle_keeps
    assert not find(models, tmp_path).proven[0].outcome.as_paddle_keeps  # a model that is built anew has its own


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2 * PROVEN])
def test_no_number_but_a_small_one_proves(value: float) -> None:
    assert not Outcome(value).proven
    assert not Outcome(0.0, training=value).proven
    assert Outcome(PROVEN, training=None).proven


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        ("def build():\n    raise ValueError('no such depth')\n", "ValueError: no such depth (torch_net.py, line 2)"),
        ("def build():\n    return 3\n", "it is of type int, and no torch.nn.Module"),
        ("def make():\n    pass\n", "has no attribute 'build'"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
    ],
)
def test_what_a_users_code_raises_is_one_line(torch: str, said: str, models: Models, tmp_path: Path) -> None:
    with pytest.raises(FerryError) as caught:
        find(models, tmp_path, torch=torch)
    assert said in str(caught.value)
