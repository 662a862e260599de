"""Hostile text in every place that `verify` reads text from: no output of any form carries it raw."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hostile_text import CLEAN_UTF8, EVIL, WORD, assert_clean
from hostile_text_sets import NAME, SETS

from convert import write_pdparams
from verify import sample
from verify.cli import main
from verify.run import convert_sample

pytestmark = pytest.mark.long

FORMS = {"report.html": "html", "report.json": "json", "report.md": "markdown", "junit.xml": "xml"}


def said(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert_clean(out, "json" if out.startswith("{") else "terminal")
    assert_clean(err)
    return out + err


def check_reports(folder: Path) -> None:
    for name, form in FORMS.items():
        assert_clean((folder / name).read_text(encoding="utf-8"), form)


class Run(NamedTuple):
    """A run whose every name is hostile."""

    folder: Path  # of the reports
    status: int
    stdout: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_sample(tmp_path_factory.mktemp("target"))


def evil_set(root: Path) -> Path:
    """Some of the sample's images and one that is none, in classes and files of hostile names."""
    for number, folder in enumerate(sorted(sample.IMAGES.iterdir())):
        place = root / f"{number}{NAME}"
        place.mkdir(parents=True)
        for path in sorted(folder.iterdir())[:2]:
            shutil.copyfile(path, place / f"{NAME}{path.name}")
        (place / f"{NAME}.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def run(target: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One verification with everything switched on, in which some images cannot be read."""
    folder = tmp_path_factory.mktemp("run") / NAME
    folder.mkdir()
    source = folder / f"{NAME}.pth"
    shutil.copyfile(sample.CHECKPOINT, source)
    shutil.copyfile(target, folder / f"{NAME}.pdparams")
    words = ["--src", str(source), "--dst", str(folder / f"{NAME}.pdparams"), "--data", str(evil_set(folder / NAME))]
    words += ["--classes", "sorted", "--size", "32", "--resize", "32", "--report", str(folder / f"{NAME}.report")]
    words += ["--layers", "--why", "--expect", "50", "--why-sample", "10", "--json"]
    summary = folder / f"{NAME}.md"
    output = folder / "stdout"
    with pytest.MonkeyPatch.context() as patch, output.open("w", encoding="utf-8") as file:
        patch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        with contextlib.redirect_stdout(file):
            status = main(words)
    (folder / f"{NAME}.report" / "summary.md").write_bytes(summary.read_bytes())
    return Run(folder / f"{NAME}.report", status, output.read_text(encoding="utf-8"))


def test_a_run_over_hostile_names_has_clean_reports(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run.status == 1  # for the images that cannot be read
    assert_clean(run.stdout, "json")
    assert_clean(capfd.readouterr().err)
    check_reports(run.folder)
    assert_clean((run.folder / "summary.md").read_text(encoding="utf-8"), "markdown")
    assert all(WORD in (run.folder / name).read_text(encoding="utf-8") for name in FORMS)


def test_the_terminal_s_text_of_it_is_clean(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (store,) = run.folder.glob("run.sqlite")

    assert main(["--merge", str(store), "--report", str(tmp_path)]) == 1

    assert WORD in said(capfd)
    check_reports(tmp_path)


def cells(store: Path) -> list[tuple[str, str, int]]:
    """Table, column and row of every text of a store that says what the run is of, and of the first image's."""
    found: list[tuple[str, str, int]] = []
    with closing(sqlite3.connect(store)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            with contextlib.suppress(sqlite3.OperationalError):  # a table without row numbers has no text of ours
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                rows = [row for (row,) in database.execute(f"SELECT rowid FROM {table} LIMIT 12")]  # noqa: S608
                found += [(table, column, row) for column in columns for row in rows]
    return found


def forged(value: Any) -> Iterator[Any]:
    """The value with each text in it, as plain text or as JSON, in the place of which hostile text stands."""
    yield CLEAN_UTF8
    try:
        document = json.loads(value)
    except (TypeError, ValueError):
        return
    for place in leaves(document):
        yield json.dumps(replaced(document, place))


Place = tuple[str | int, ...]


def leaves(document: Any, above: Place = ()) -> Iterator[Place]:
    """Where texts stand, keys apart."""
    if isinstance(document, str):
        yield above
    if isinstance(document, (dict, list)):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in pairs:
            yield from leaves(value, (*above, key))


def replaced(document: Any, place: Place) -> Any:
    if not place:
        return CLEAN_UTF8
    copy = document.copy()
    copy[place[0]] = replaced(document[place[0]], place[1:])
    return copy


def test_a_forged_store_has_clean_reports(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, number = next(run.folder.glob("run.sqlite")), 0
    for table, column, row in cells(store):
        with closing(sqlite3.connect(store)) as database:
            query = f"SELECT {column} FROM {table} WHERE rowid = ?"  # noqa: S608 - the store's own names
            ((value,),) = database.execute(query, (row,))
        for text in forged(value):
            copy = tmp_path / "forged.sqlite"
            shutil.copyfile(store, copy)
            with closing(sqlite3.connect(copy)) as database, contextlib.suppress(sqlite3.Error), database:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (text, row))  # noqa: S608
            with contextlib.suppress(*FAULTS):
                number += 1
                if main(["--merge", str(copy)]) == 0 or number % 10 == 0:
                    with contextlib.suppress(*FAULTS):
                        main(["--merge", str(copy), "--report", str(tmp_path / "out")])
                        check_reports(tmp_path / "out")
            said(capfd)

    assert number > 50


# What a store of the wrong kinds of values may end in is the stores' own tests' matter.
FAULTS = (KeyError, TypeError, ValueError, AttributeError, FileNotFoundError, sqlite3.Error)


@pytest.mark.parametrize("kind", SETS)
def test_text_in_a_validation_set_is_printed_by_its_escapes(
    kind: str, target: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    root.mkdir()
    options = SETS[kind](root)

    assert main(["--src", str(sample.CHECKPOINT), "--dst", str(target), "--data", str(root), *options]) == 1

    assert WORD in said(capfd)


@pytest.mark.parametrize("option", ["--arch", "--weights", "--recipe", "--src", "--dst", "--data", "--devkit"])
def test_text_that_was_typed_is_repeated_by_its_escapes(
    option: str, target: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--src", str(sample.CHECKPOINT), "--dst", str(target), "--data", str(sample.IMAGES), option, EVIL]

    assert main(words) == 1

    assert WORD in said(capfd)
    assert not list(tmp_path.iterdir())


USAGE = ("--size", "--resize", "--interpolation", "--device", "--shard", "--layout", "--expect", "--unknown", "--mean")


@pytest.mark.parametrize("option", USAGE)
def test_wrong_usage_is_repeated_by_its_escapes(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sample", option, EVIL])

    assert said(capfd)


def test_a_key_of_a_target_is_printed_by_its_escapes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from convert import read_checkpoint

    target = convert_sample(tmp_path)
    tensors = dict(read_checkpoint(target).tensors)
    write_pdparams(target, {**tensors, CLEAN_UTF8: tensors["head.bias"]}, force=True)
    words = ["--arch", sample.ARCH, "--src", str(sample.CHECKPOINT), "--dst", str(target)]

    assert main([*words, "--report", str(tmp_path / "out")]) == 1

    assert WORD in said(capfd)
    check_reports(tmp_path / "out")
