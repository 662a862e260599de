"""A result as text and JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pairs import flip_by

from verify.accuracy import Accuracy, Flip, PairedResult, paired_gate
from verify.compare import gate, not_run
from verify.report import as_json, as_text, flip_line, headline
from verify.run import Result

PASSED = gate("structure", True, "74 tensors", "same tensors", digest="abc")
FAILED = gate("float64 oracle", False, "max rel nan", "max rel <= 1e-09", max_rel=math.nan)
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
    assert as_text(Result({"arch": "convnext_tiny"}, (PASSED, NOT_RUN), paired())).splitlines() == [
        "arch              convnext_tiny",
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
    many = gate("structure", False, "", "", problems=tuple(f"problem {number}" for number in range(11)))
    lines = as_text(Result({}, (many,))).splitlines()

    assert lines[4:14] == [
        "structure:",
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
    document = json.loads(as_json(Result({}, (FAILED,), paired(max_abs=math.inf, agreement=math.nan))))

    assert document["gates"][0]["values"] == {"max_rel": None}
    assert (document["paired"]["max_abs"], document["paired"]["agreement"]) == (None, None)


def test_programs_get_the_whole_result() -> None:
    result = flip_by(margin=1e-6, noise=1e-5)
    document = json.loads(as_json(Result({"arch": "x"}, (PASSED, paired_gate(result)), result)))

    assert (document["schema_version"], document["ok"], document["facts"]) == (2, True, {"arch": "x"})
    assert document["gates"][0] == {
        "name": "structure",
        "verdict": "passed",
        "measured": "74 tensors",
        "limit": "same tensors",
        "problems": [],
        "values": {"digest": "abc"},
    }
    assert document["paired"]["flips"][0]["name"] == "0.png"
    scores = document["paired"]["accuracy"]["torch"]
    assert (scores["top1"], scores["top5"]) == (100.0, 100.0)


def test_unread_images_are_said_beside_the_scores() -> None:
    text = as_text(Result({}, (FAILED,), paired(read=1999)))

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
    assert headline(Result({}, gates)) == line
