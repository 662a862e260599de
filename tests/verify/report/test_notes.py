"""A gate's note, which is a fact and no verdict, in every form of the report; and which dtype holds which."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from convert.arrays import BFLOAT16
from convert.casting import DTYPES, holds
from verify.gate import Gate
from verify.report import as_json, as_markdown, as_text
from verify.report.html import as_html
from verify.result import Result
from verify.store.documents import gate_document, read_gate

NOTED = Gate("float64 oracle", "max rel 1e-15", "max rel <= 1e-09", details=(("note", "a *fact* of <rounding>"),))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (as_text, "float64 oracle: a *fact* of <rounding>"),
        (as_markdown, r"float64 oracle: a \*fact\* of \<rounding>"),
        (as_html, "float64 oracle: a *fact* of &lt;rounding&gt;"),
    ],
)
def test_every_form_of_the_report_has_the_note(form: Callable[[Result], str], words: str) -> None:
    from results import FACTS

    assert words in form(Result(FACTS, (NOTED,)))


def test_the_note_is_in_the_json_and_in_the_store() -> None:
    from results import FACTS

    (gate,) = json.loads(as_json(Result(FACTS, (NOTED,))))["gates"]

    assert gate["details"]["note"] == NOTED.note
    assert read_gate(gate_document(NOTED), "gate").note == NOTED.note


@pytest.mark.parametrize(
    ("dtype", "values", "held"),
    [
        ("float32", "<f4", True),
        ("float32", ">f2", True),
        ("float32", "<f8", False),
        ("float16", "<f4", False),
        ("float16", "<f2", True),
        ("bfloat16", "<f2", False),
        ("float32", "<i4", False),
    ],
)
def test_which_dtype_holds_which(dtype: str, values: str, held: bool) -> None:
    assert holds(dtype, np.dtype(values)) is held


def test_bfloat16_is_held_by_itself_and_by_float32() -> None:
    assert [dtype for dtype in DTYPES if holds(dtype, BFLOAT16)] == ["float32", "bfloat16"]
