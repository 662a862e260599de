"""The folder of a report: an earlier one is replaced as a whole, and what is not ours stays as it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_gates import failed
from made_up_images import write_images
from pairs import write_pair
from results import FACTS, GATES, NASTY, full_result, nasty_facts, some_result, some_rows

import verify
from convert.archs import get_spec
from convert.errors import FerryError, TargetError
from verify.cli import main
from verify.report import check_folder, write_reports
from verify.report.earlier import MARKS
from verify.result import Result

FILES = sorted(MARKS)
ELSEWHERE = "take another --report folder"


def nasty() -> Result:
    """A failing result, hostile wherever a text comes out of files."""
    gates = (failed("structure", NASTY, "same", problems=(NASTY,)),)
    return some_result(some_rows(flips=3), gates=gates, facts=nasty_facts(), classes=[NASTY] * 20, command=NASTY)


RESULTS: dict[str, Callable[[], Result]] = {
    "everything": full_result,
    "hostile names": nasty,
    "no accuracy run": lambda: Result(FACTS, GATES),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_report_takes_the_place_of_an_earlier_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_reports(RESULTS[kind](), tmp_path)
    check_folder(tmp_path)
    for folder in (tmp_path, tmp_path / "new"):
        write_reports(full_result(), folder)

    assert sorted(contents(tmp_path)) == FILES
    assert contents(tmp_path) == contents(tmp_path / "new")


def test_a_report_of_version_0_1_0_is_known(tmp_path: Path) -> None:
    write_reports(full_result(), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(re.sub('<meta name="generator"[^>]*>\n', "", page), encoding="utf-8")
    document = (tmp_path / "report.json").read_text().replace('"schema_version": 3', '"schema_version": 2', 1)
    (tmp_path / "report.json").write_text(document)

    check_folder(tmp_path)


NOT_OURS = {
    "a note": b"mine\n",
    "an empty file": b"",
    "a page": b"<!doctype html>\n<html><p>mine</p></html>\n",
    "a document": b'{"ok": true}\n',
    "a headline alone": b"## VERIFIED: 5 passed\nso it seems\n",
    "other tests": b'<?xml version="1.0" encoding="utf-8"?>\n<testsuites><testsuite name="x"/></testsuites>\n',
    "no text": b"\xff\xfe\x00" * 100,
    "a large file": b"x" * (3 << 20),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", NOT_OURS)
def test_somebody_s_own_file_stays_and_no_work_begins(
    kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(NOT_OURS[kind])
    missing = tmp_path / "none.pth"

    assert main(["--src", str(missing), "--dst", str(missing), "--report", str(tmp_path)]) == 1
    assert contents(tmp_path) == {name: NOT_OURS[kind]}
    assert capsys.readouterr().err == (
        f"verify: {tmp_path / name}: was not written by paddleferry and stays as it is; {ELSEWHERE}\n"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_report_with_somebody_s_words_after_it_stays(name: str, tmp_path: Path) -> None:
    write_reports(full_result(), tmp_path)
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write("\nlooked at, and found good\n")

    with pytest.raises(TargetError, match=f"^{re.escape(str(tmp_path / name))}: was not written by paddleferry"):
        check_folder(tmp_path)


def test_every_file_that_is_not_ours_is_named(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("mine")
    with pytest.raises(TargetError) as caught:
        check_folder(tmp_path)

    assert [Path(line.partition(":")[0]).name for line in str(caught.value).splitlines()] == list(MARKS)


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


KINDS: dict[str, Callable[[Path], object]] = {
    "a directory": Path.mkdir,
    "a link": make_link,
    "no regular file": os.mkfifo if sys.platform != "win32" else Path.mkdir,
}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_stays(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "report.md")
    with pytest.raises(TargetError) as before:
        check_folder(tmp_path)
    with pytest.raises(TargetError) as afterwards:
        write_reports(full_result(), tmp_path)

    message = f"{tmp_path / 'report.md'}: is {kind} and stays as it is; {ELSEWHERE}"
    assert (str(before.value), str(afterwards.value)) == (message, message)


def test_a_link_to_an_earlier_report_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    write_reports(full_result(), tmp_path / "kept")
    (tmp_path / "report.md").symlink_to(tmp_path / "kept" / "report.md")

    with pytest.raises(TargetError, match=r"report\.md: is a link and stays as it is"):
        write_reports(nasty(), tmp_path)
    assert (tmp_path / "report.md").read_text() == (tmp_path / "kept" / "report.md").read_text()


def test_a_file_that_cannot_be_written_keeps_no_other_from_it(tmp_path: Path) -> None:
    write_reports(full_result(), tmp_path)
    (tmp_path / "report.json").write_text("mine")
    (tmp_path / "junit.xml").unlink()
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(TargetError) as caught:
        write_reports(replace(full_result(), command="another"), tmp_path)

    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'report.json'}: was not written by paddleferry and stays as it is; {ELSEWHERE}",
        f"{tmp_path / 'junit.xml'}: is a directory and stays as it is; {ELSEWHERE}",
    ]
    assert all("another" in (tmp_path / name).read_text() for name in ("report.html", "report.md"))


@pytest.fixture
def earlier(tmp_path: Path) -> dict[str, bytes]:
    write_reports(full_result(), tmp_path)
    return contents(tmp_path)


MISTAKES = {
    "no such source": ["--src", "none.pth", "--dst", "none.pdparams"],
    "no such store": ["--merge", "none.sqlite"],
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_keeps_the_earlier_report(kind: str, earlier: dict[str, bytes], tmp_path: Path) -> None:
    assert main([*MISTAKES[kind], "--report", str(tmp_path)]) == 1
    assert contents(tmp_path) == earlier


def test_a_mistake_makes_no_folder(tmp_path: Path) -> None:
    assert main(["--src", "none.pth", "--dst", "none.pdparams", "--report", str(tmp_path / "a" / "b")]) == 1
    assert not list(tmp_path.iterdir())


def test_a_mistake_in_the_folder_itself(
    earlier: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["--src", "report.md", "--dst", "none.pdparams", "--report", "."]) == 1
    assert contents(tmp_path) == earlier


def test_from_python_a_mistake_touches_nothing_either(earlier: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(FerryError, match=r"none\.pth: cannot be read"):
        verify.verify(verify.Options(src="none.pth", dst="none.pdparams", report=tmp_path))
    assert contents(tmp_path) == earlier


def test_somebody_s_own_store_ends_a_run_before_a_framework_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = write_pair(tmp_path, get_spec("convnext_digits"))
    (tmp_path / "run.sqlite").write_text("mine")
    monkeypatch.setattr("verify.run.start_workers", None)
    options = verify.Options(
        arch=pair.spec.name,
        src=pair.source.path,
        dst=pair.target.path,
        data=write_images(tmp_path / "val"),
        report=tmp_path,
    )

    with pytest.raises(FerryError, match=r"run\.sqlite: is no run store: file is not a database"):
        verify.verify(options)
    assert (tmp_path / "run.sqlite").read_text() == "mine"


def test_a_link_to_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "none")

    with pytest.raises(TargetError, match="out: is a link to nothing; make the folder that it names"):
        check_folder(tmp_path / "out")
