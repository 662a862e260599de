"""A table that is none is refused in one typed error, in bounded time, and nothing that it names is imported."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from checkpoint_files import run_python
from hostile_tables import GOOD, HOSTILE, TEXT, with_row

from convert import TableError, read_table
from convert.cli import main

SECONDS = 10  # of a refusal, on a slow machine; a parser would take minutes for some


def refused(text: str | bytes, folder: Path, name: str = "x.toml") -> TableError:
    """What reading a file of that text raises."""
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(TableError) as caught:
        read_table(folder / name)
    return caught.value


def test_the_table_that_the_cases_start_from_is_one(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD, encoding="utf-8")

    assert read_table(tmp_path / "x.toml").name == "tiny"


@pytest.mark.parametrize("case", HOSTILE)
def test_a_table_is_refused_that_has(case: str, tmp_path: Path) -> None:
    text, message = HOSTILE[case]
    started = time.monotonic()

    error = refused(text, tmp_path)

    assert time.monotonic() - started < SECONDS
    assert message in "\n".join(error.problems)
    assert str(error).startswith(f"{tmp_path / 'x.toml'}: ")
    assert all(line.isprintable() and len(line) < 500 for line in str(error).splitlines())


def test_every_problem_stands_in_one_error(tmp_path: Path) -> None:
    text = (
        TEXT.replace("timm:tiny", "tiny")
        + '[rules]\n"a" = "b"\n[tensors]\n"p" = { shape = [0] }\n"q" = { shape = [2], layout = "transpose" }\n'
        + '"r" = { shape = [2], paddle = "s" }\n"s" = { shape = [2] }\n"t" = 1\n[more]\n'
    )

    error = refused(text, tmp_path)

    assert [problem.partition(" has")[0] for problem in error.problems] == [
        "[torch]",
        "rule 'a' = 'b'",
        "the table",
        "tensor 'p'",
        "tensor 't'",
        "tensor 'q'",
        "tensor 's'",
    ]
    assert "is no parameter table: 7 problems" in str(error)


def test_of_very_many_problems_the_first_are_shown_and_all_are_there(tmp_path: Path) -> None:
    error = refused(GOOD + "".join(f"t{n} = {{ shape = [0] }}\n" for n in range(3000)), tmp_path)

    assert len(error.problems) == 3000
    assert str(error).splitlines()[-1] == "  ... and 2,960 more"
    assert len(str(error).splitlines()) == 42


JSON: dict[str, tuple[str, str]] = {
    "a name twice": ('{"format": "paddleferry table 1", "name": "a", "name": "b"}', "'name' stands twice"),
    "a tensor twice": (
        '{"format": "paddleferry table 1", "tensors": {"w": {"shape": [1]}, "w": {"shape": [2]}}}',
        "'w' stands twice",
    ),
    "no section": ("[1]", "is no section"),
    "a null": ('{"format": "paddleferry table 1", "name": null}', "the table has name = null"),
    "NaN": ('{"format": "paddleferry table 1", "name": NaN}', "the table has name = nan"),
    "deep": ("[" * 100_000, "brackets in one another"),
    "deep objects": ('{"a":' * 100_000, "brackets in one another"),
    "no JSON": ("{", "is no JSON"),
    "half of a surrogate pair": (
        '{"format": "paddleferry table 1", "name": "\\ud800"}',
        r"the table has name = '\ud800'",
    ),
    "another end": ('{"format": "paddleferry table 1"} x', "is no JSON"),
}


@pytest.mark.parametrize("case", JSON)
def test_a_table_in_json_is_refused_that_has(case: str, tmp_path: Path) -> None:
    text, message = JSON[case]

    error = refused(text, tmp_path, "x.json")

    assert message in "\n".join(error.problems)
    assert all(line.isprintable() for line in str(error).splitlines())


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    assert "is no text of UTF-8" in str(refused(b"\xff\xfe" + GOOD.encode("utf-16-le"), tmp_path))


def test_the_mark_of_an_editor_at_the_beginning_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD, encoding="utf-8-sig")

    assert read_table(tmp_path / "x.toml").name == "tiny"


def test_what_is_no_file_of_a_table_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    problems = {
        "pipe.toml": "it is a pipe, not a file",
        "folder.toml": "Is a directory",
        "none.toml": "No such file",
        "x.yaml": "a table is a file of .toml or .json",
        "x\0.toml": "a character that no path can have",
    }
    for name, problem in problems.items():
        with pytest.raises(TableError) as caught:
            read_table(tmp_path / name)
        assert problem in str(caught.value)


@pytest.mark.parametrize("field", ["model", "setup"])
@pytest.mark.parametrize("reference", ["os:system", "planted:run", "planted.py:run"])
def test_nothing_is_imported_or_run(field: str, reference: str, tmp_path: Path) -> None:
    text = TEXT.replace('"timm:tiny"', f'"{reference}"') if field == "model" else TEXT
    text = text.replace("[paddle]", f'setup = "{reference}"\n[paddle]') if field == "setup" else text
    (tmp_path / "planted.py").write_text("open('ran', 'w')\n", encoding="utf-8")
    (tmp_path / "x.toml").write_text(text + '[tensors]\n"a" = { shape = [1] }\n', encoding="utf-8")

    child = run_python(
        "import os, sys\n"
        f"os.chdir({str(tmp_path)!r}); sys.path.insert(0, '')\n"
        "from convert import read_table\n"
        "read_table('x.toml')\n"
        "print('planted' in sys.modules, 'timm' in sys.modules, os.path.exists('ran'))"
    )

    assert child.stdout.split() == ["False", "False", "False"], child.stderr


def test_the_command_says_it_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.toml").write_text(with_row("shape = [0]", '"x\\u001b[2J"'), encoding="utf-8")

    status = main(["--table", str(tmp_path / "x.toml"), "--src", "x.pth", "--dst", str(tmp_path / "x.pdparams")])

    err = capsys.readouterr().err
    assert status == 1
    assert "\x1b" not in err
    assert err.splitlines()[-1] == "convert: nothing was written"


def test_what_python_3_10_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)

    assert "pip install tomli, or give the table as .json" in str(refused(GOOD, tmp_path))
    (tmp_path / "x.json").write_text(json.dumps({"format": 1}), encoding="utf-8")
