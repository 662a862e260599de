"""A result as Markdown, JSON of a stated form, JUnit's XML and a GitHub step's summary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from made_up_gates import failed
from results import FACTS, GATES, NASTY, departing_in_float32, full_result, nasty_facts, some_result, some_rows

from verify.accuracy.scores import summarise
from verify.gates.layers import layers_gate
from verify.report import as_json, as_junit, as_markdown, as_text
from verify.report.document import SCHEMA
from verify.report.step_summary import MAX_BYTES, StepSummaryError, append_step_summary
from verify.result import Result

SCHEMA_DOCUMENT = json.loads(SCHEMA.read_text(encoding="utf-8"))
RESULTS: dict[str, Callable[[], Result]] = {
    "everything": full_result,
    "a unit of float32 alone": lambda: some_result(units=departing_in_float32()),
    "no accuracy run": lambda: Result(FACTS, GATES),
    "no labels": lambda: some_result(some_rows(labelled=False)),
    "no image read": lambda: some_result([replace(row, predictions={}) for row in some_rows(3)]),
}


def nasty() -> Result:
    """A failing result, hostile wherever a text comes out of files."""
    rows = some_rows(flips=3)
    rows[0] = replace(rows[0], name=NASTY)
    gates = (failed("structure", NASTY, "same", problems=(NASTY,)),)
    return some_result(rows, gates=gates, facts=nasty_facts(), classes=[NASTY] * 20, command=NASTY)


@pytest.mark.parametrize("name", RESULTS)
def test_the_json_has_the_stated_form(name: str) -> None:
    jsonschema.validate(json.loads(as_json(RESULTS[name]())), SCHEMA_DOCUMENT)


def test_the_form_is_a_schema_that_describes_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA_DOCUMENT)

    assert [where for where, node in nodes(SCHEMA_DOCUMENT, "report") if not node.get("description")] == []
    open_objects = [
        where for where, node in nodes(SCHEMA_DOCUMENT, "report") if node.get("additionalProperties", 1) == 1
    ]
    assert [where for where in open_objects if "properties" in dict(nodes(SCHEMA_DOCUMENT, "report"))[where]] == []


@pytest.mark.parametrize("change", [{"ok": "yes"}, {"extra": 1}, {"schema_version": 1}, {"gates": [{}]}])
def test_the_form_refuses_another(change: dict[str, Any]) -> None:
    document = json.loads(as_json(full_result())) | change

    assert not jsonschema.Draft202012Validator(SCHEMA_DOCUMENT).is_valid(document)


def nodes(node: dict[str, Any], where: str) -> list[tuple[str, dict[str, Any]]]:
    paths = [(where, node)]
    for name, child in node.get("properties", {}).items():
        paths += nodes(child, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            paths += nodes(node[key], f"{where}.{key}")
    return paths


def test_a_pull_request_gets_the_table_that_maintainers_ask_for() -> None:
    lines = as_markdown(full_result()).splitlines()

    assert lines[:5] == [
        "## NOT VERIFIED: 3 passed, 1 FAILED, 1 not run",
        "",
        "| model | Paddle top-1 / top-5 | reference top-1 / top-5 | params |",
        "| --- | --- | --- | --- |",
        "| `convnext_tiny` | 78.250 / 79.000 | 79.000 / 79.000 (torch, the same 400 images)<br>"
        "82.1 / 95.9 (`convnext_tiny.fb_in1k`, published) | 28,589,128 |",
    ]
    assert "First unit that departs: `stages.1.2`: an eps of 1e-5 in place of 1e-6" in lines
    assert "<details><summary>flips (6)</summary>" in lines


def test_every_form_names_a_unit_that_departs_in_float32_alone() -> None:
    report = departing_in_float32()
    result = some_result(gates=(*GATES, layers_gate(report)), units=report)
    measured = "1 of 12 units depart, the first is stages.1.2, in float32 alone"
    layers = json.loads(as_json(result))["layers"]

    assert (layers["first"], layers["dtype"], layers["hint"]) == ("stages.1.2", "float32", "")
    assert "First unit that departs, in float32 alone: `stages.1.2`" in as_markdown(result).splitlines()
    assert re.search(r"(?m)^stages\.1\.2 .* first to depart in float32$", as_text(result))
    assert all(measured in form(result) for form in (as_json, as_text, as_junit))


def test_the_json_has_the_measures_with_their_limits() -> None:
    gate = json.loads(as_json(full_result()))["gates"][1]

    assert gate["measures"] == [{"name": "max rel", "value": 1.2e-14, "limit": 1e-9}]
    assert gate["details"] == {}


def test_markdown_of_ten_thousand_problems_fits_a_comment() -> None:
    many = failed("structure", "bad", "good", problems=tuple(f"{number:0500}" for number in range(10_000)))
    text = as_markdown(some_result(some_rows(2000, flips=900), gates=(many, many, many)))

    assert "... and 9,950 more in report.json" in text.splitlines()
    assert len(text) < 65_536


def test_markdown_reads_nothing_in_a_name() -> None:
    text = as_markdown(nasty())
    outside_blocks = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    outside_spans = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", outside_blocks)

    assert "<script>" not in outside_spans.replace("\\<script>", "")
    assert "\x1b" not in text
    assert "\u202e" not in text
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {5}


def test_a_terminal_gets_no_control_characters() -> None:
    assert {char for char in as_text(nasty()) if not char.isprintable()} == {"\n"}


def test_ci_gets_a_test_case_a_gate() -> None:
    root = ElementTree.fromstring(as_junit(full_result()))  # noqa: S314 - our own text
    (suite,) = root

    assert suite.attrib == {"name": "paddleferry.verify", "tests": "5", "failures": "1", "errors": "0", "skipped": "1"}
    assert [(case.get("name"), case[0].tag) for case in suite.iter("testcase")] == [
        ("structure", "system-out"),
        ("float64 oracle", "system-out"),
        ("float32 logits", "system-out"),
        ("paired accuracy", "failure"),
        ("published accuracy", "skipped"),
    ]
    failure = suite.find(".//failure")
    assert failure is not None
    assert "not read    n00000003/broken.JPEG: image file is truncated" in str(failure.text).splitlines()


def test_ci_gets_xml_whatever_a_name_holds() -> None:
    root = ElementTree.fromstring(as_junit(nasty()).encode())  # noqa: S314 - our own text

    failure = root.find(".//failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("<script>alert(1)</script>|`_x_` [a](b)\\x0a\\x1b[31m\\x202e&amp;")


def test_a_step_s_summary_is_appended_to(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")

    append_step_summary(full_result(), summary)

    assert summary.read_text() == f"# before\n\n{as_markdown(full_result())}"


def test_a_step_s_summary_with_little_room_gets_the_headline(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (MAX_BYTES - 100))

    append_step_summary(full_result(), summary)

    assert summary.read_bytes()[MAX_BYTES - 100 :] == b"\n## NOT VERIFIED: 3 passed, 1 FAILED, 1 not run\n"


def test_a_full_step_s_summary_is_an_error(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * MAX_BYTES)

    with pytest.raises(StepSummaryError) as caught:
        append_step_summary(full_result(), summary)

    assert str(caught.value) == f"$GITHUB_STEP_SUMMARY, {summary}: holds 1,048,576 bytes, GitHub shows 1,048,576"


def test_a_step_s_summary_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StepSummaryError) as caught:
        append_step_summary(full_result(), tmp_path)

    assert str(caught.value) == f"$GITHUB_STEP_SUMMARY, {tmp_path}: cannot be written: Is a directory"


def test_the_classes_are_counted_as_plain_python_counts_them() -> None:
    rows = some_rows(flips=5)
    scores = summarise(rows).per_class

    assert sum(score.images for score in scores) == len(rows)
    for score in scores:
        mine = [row for row in rows if row.label == score.label]
        assert score.paddle_right == sum(row.predictions["paddle"].classes[0] == row.label for row in mine)
        assert score.torch_right == sum(row.predictions["torch"].classes[0] == row.label for row in mine)
