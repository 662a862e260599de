"""A result as text, Markdown and JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from made_up_gates import failed, passed
from pairs import flip_by
from results import FACTS

from verify.accuracy.scores import Accuracy, ClassScore, Flip, McNemar, PairedResult
from verify.accuracy.statistics import mcnemar_exact
from verify.gate import Gate, Measure, not_run
from verify.gates.paired import paired_gate
from verify.report import as_json, as_markdown, as_text, flip_line, headline
from verify.result import Result
from verify.store.words import fact_words
from verify.why.explain import WhyReport, WhyRow

PASSED = passed("structure", "74 tensors", "same tensors", digest="abc")
FAILED = Gate("float64 oracle", "max rel nan", "max rel <= 1e-09", (Measure("max rel", math.nan, 1e-9),))
NOT_RUN = not_run("paired accuracy", "no --data", "no unexplained flip")
FLIP = Flip("a/x.png", 3, 1, 2, 0.5, 0.25, 1e-5, explained=True)


def paired(**changes: Any) -> PairedResult:
    values: dict[str, Any] = {
        "images": 2000,
        "read": 2000,
        "unreadable": (),
        "accuracy": {"torch": Accuracy(82.5, 96.0), "paddle": Accuracy(82.45, 96.0)},
        "agreement": 99.95,
        "flips": (FLIP,),
        "noise": 1e-5,
        "max_abs": 2e-5,
    }
    return PairedResult(**{**values, **changes})


def test_a_terminal_gets_facts_gates_scores_flips_and_verdict() -> None:
    assert as_text(Result(FACTS, (PASSED, NOT_RUN), paired())).splitlines() == [
        *(f"{name:<18}{words}" for name, words in fact_words(FACTS).items()),
        "",
        "gate             verdict  measured    limit",
        "structure        passed   74 tensors  same tensors",
        "paired accuracy  not run  no --data   no unexplained flip",
        "",
        "        top-1   top-5   images",
        "torch   82.500  96.000  2,000",
        "paddle  82.450  96.000  2,000",
        "",
        "same best class on 99.950 % of the images; largest logit difference 2.00e-05",
        "",
        "flips:",
        f"  {flip_line(FLIP)}",
        "",
        "VERIFIED: 1 passed, 1 not run",
    ]


def test_a_terminal_gets_eight_problems_and_is_told_of_the_others() -> None:
    many = failed("structure", problems=tuple(f"problem {number}" for number in range(11)))
    lines = as_text(Result(FACTS, (many,))).splitlines()
    first = lines.index("structure:") + 1

    assert lines[first : first + 9] == [
        *(f"  problem {number}" for number in range(8)),
        "  ... and 3 more; --report writes them all",
    ]


@pytest.mark.parametrize(
    ("explained", "label", "line"),
    [
        (
            True,
            3,
            "a/x.png (label 3): torch 1 by 5.00e-01, paddle 2 by 2.50e-01, logits differ by 1.00e-05, "
            "explained by rounding",
        ),
        (
            False,
            None,
            "a/x.png: torch 1 by 5.00e-01, paddle 2 by 2.50e-01, logits differ by 1.00e-05, UNEXPLAINED",
        ),
    ],
)
def test_a_flip_is_said_in_one_line(explained: bool, label: int | None, line: str) -> None:
    assert flip_line(Flip("a/x.png", label, 1, 2, 0.5, 0.25, 1e-5, explained)) == line


def test_programs_get_null_for_what_json_lacks() -> None:
    document = json.loads(as_json(Result(FACTS, (FAILED,), paired(max_abs=math.inf, agreement=math.nan))))

    assert document["gates"][0]["measures"] == [{"name": "max rel", "value": None, "limit": 1e-9}]
    assert (document["paired"]["max_abs"], document["paired"]["agreement"]) == (None, None)


def test_programs_get_the_whole_result() -> None:
    result = flip_by(margin=1e-6, noise=1e-5)
    document = json.loads(as_json(Result(FACTS, (PASSED, paired_gate(result)), result)))

    assert (document["schema_version"], document["ok"], document["facts"]["data"]["images"]) == (3, True, 50_000)
    assert document["gates"][0] == {
        "name": "structure",
        "verdict": "passed",
        "measured": "74 tensors",
        "limit": "same tensors",
        "measures": [{"name": "x", "value": 0.5, "limit": 1.0}],
        "problems": [],
        "details": {"digest": "abc"},
    }
    assert document["paired"]["flips"][0]["name"] == "0.png"
    assert document["paired"]["accuracy"]["torch"] == {
        "top1": 100.0,
        "top5": 100.0,
        "top1_interval": [pytest.approx(72.2467, abs=1e-4), 100.0],
        "top5_interval": [pytest.approx(72.2467, abs=1e-4), 100.0],
    }
    assert document["paired"]["mcnemar"] == {"torch_only": 1, "paddle_only": 0, "p": 1.0}
    assert document["paired"]["per_class"] == [
        {"label": 0, "images": 10, "torch_right": 10, "paddle_right": 9, "name": ""}
    ]


def test_unread_images_are_said_beside_the_scores() -> None:
    text = as_text(Result(FACTS, (FAILED,), paired(read=1999)))

    assert "accuracy is over 1,999 of 2,000: 1 image could not be read" in text.splitlines()


@pytest.mark.parametrize(
    ("gates", "line"),
    [
        ((PASSED,), "VERIFIED: 1 passed"),
        ((PASSED, FAILED, NOT_RUN), "NOT VERIFIED: 1 passed, 1 FAILED, 1 not run"),
        ((NOT_RUN, NOT_RUN), "NOT VERIFIED: 2 not run"),
    ],
)
def test_the_verdict_is_one_line(gates: tuple[Any, ...], line: str) -> None:
    assert headline(Result(FACTS, gates)) == line


WHY = WhyReport(
    (WhyRow("squash to 224, no crop", 60.8, 12.5, 0.00012, 500, "--resize squash"),), "squash it is.", 48.3, 60.8
)


def test_the_usual_mistakes_are_a_verdict_and_a_table() -> None:
    text = as_text(Result(FACTS, (PASSED,), paired(), why=WHY)).splitlines()
    markdown = as_markdown(Result(FACTS, (PASSED,), paired(), why=WHY)).splitlines()

    assert text[-6:-2] == [
        "why: squash it is.",
        "",
        "if it were              top-1  difference  p        images",
        "squash to 224, no crop  60.80  +12.50      0.00012  500",
    ]
    assert [line for line in markdown if "if it were" in line or "squash to" in line or line == "squash it is."] == [
        "squash it is.",
        "| if it were | top-1 | difference | p | images |",
        "| squash to 224, no crop | 60.80 | +12.50 | 0.00012 | 500 |",
    ]


def test_programs_get_the_usual_mistakes_with_their_remedies() -> None:
    document = json.loads(as_json(Result(FACTS, (PASSED,), paired(), why=WHY)))

    assert (document["why"]["verdict"], document["why"]["top1"], document["why"]["expected"]) == (
        "squash it is.",
        48.3,
        60.8,
    )
    assert document["why"]["rows"][0]["advice"] == "--resize squash"
    assert json.loads(as_json(Result(FACTS, (PASSED,), paired())))["why"] is None


def test_an_accuracy_as_expected_has_no_table() -> None:
    text = as_text(Result(FACTS, (PASSED,), paired(), why=WhyReport((), "nothing to explain", 60.8, 60.8))).splitlines()

    assert text[-4:-2] == ["", "why: nothing to explain"]


def test_the_statistics_are_three_lines() -> None:
    test = McNemar(12, 1, mcnemar_exact(12, 1))
    accuracy = {name: Accuracy(82.5, 96.0, (80.77, 84.11), (95.0, 96.8)) for name in ("torch", "paddle")}
    classes = tuple(ClassScore(label, 50, 40, 40 - label) for label in range(5))
    lines = as_text(Result(FACTS, (PASSED,), paired(accuracy=accuracy, mcnemar=test, per_class=classes))).splitlines()

    start = lines.index("top-1 within (Wilson, 95 %): torch 80.77 to 84.11, paddle 80.77 to 84.11")
    assert lines[start + 1 : start + 3] == [
        "right in torch alone 12, in paddle alone 1: McNemar p = 0.0034",
        "4 labels with another accuracy: 4 (40 and 36 of 50 right), 3 (40 and 37 of 50 right), "
        "2 (40 and 38 of 50 right) and 1 more",
    ]
