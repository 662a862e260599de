"""Every container is a row: its files are told from all others by it, and are read and written by its file."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch
from checkpoint_files import ARRAY_DICTS, counting

import convert.checkpoints
from convert import read_checkpoint
from convert.checkpoints import write_checkpoint
from convert.checkpoints.containers import (
    CONTAINERS,
    KNOWN_SUFFIXES,
    PADDLE_PICKLE,
    SAFETENSORS,
    START,
    TORCH_LEGACY,
    TORCH_ZIP,
    WRITTEN,
    WRITTEN_AS,
    Container,
    recognise_container,
    split_suffix,
    target_suffixes,
)
from convert.frameworks import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[3]
READMES = [ROOT / "README.md", *sorted((ROOT / "convert").rglob("README.md"))]

# The row of a table of all that is read, or a table of containers with the suffixes in its second column.
TABLE = re.compile(r"^\| containers \|.*$|^\| container \| suffix \|.*\n(?:\|.*\n)+", re.MULTILINE)
SUFFIX = re.compile(r"`(\.[a-z.]+)`(?=.*\|)")

written = pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)


def faults(rows: Iterable[Container]) -> Iterator[str]:
    """What is wrong with the rows, a line each."""
    seen: dict[str, str] = {}
    for row in rows:
        if not is_there(row.reader):
            yield f"{row.name} has no reader: {row.reader!r}"
        if row.writer and not is_there(row.writer):
            yield f"{row.name} has no writer: {row.writer!r}"
        for suffix in row.suffixes if row.writer else ():
            if suffix in seen:
                yield f"{suffix} is written as {seen[suffix]} and as {row.name}"
            seen[suffix] = row.name


def is_there(place: str) -> bool:
    try:
        return callable(resolve_name(place))
    except (AttributeError, ImportError, ValueError):
        return False


def start_of(path: Path) -> bytes:
    return path.read_bytes()[:START]


def test_every_row_has_a_reader_and_every_suffix_one_writer() -> None:
    assert list(faults(CONTAINERS)) == []


PLANTED = {
    "a row without a reader": (
        dataclasses.replace(TORCH_LEGACY, reader=""),
        "torch legacy has no reader: ''",
    ),
    "a reader that is not there": (
        dataclasses.replace(TORCH_LEGACY, reader="convert.checkpoints.torch_legacy:gone"),
        "torch legacy has no reader: 'convert.checkpoints.torch_legacy:gone'",
    ),
    "a writer that is not there": (
        dataclasses.replace(PADDLE_PICKLE, suffixes=(".new",), writer="convert.checkpoints.gone:chunks"),
        "paddle pickle has no writer: 'convert.checkpoints.gone:chunks'",
    ),
    "a second writer for a suffix": (
        dataclasses.replace(TORCH_ZIP, name="new", suffixes=(".pdparams",)),
        ".pdparams is written as paddle pickle and as new",
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_among_the_rows_is_seen(kind: str) -> None:
    row, line = PLANTED[kind]

    assert list(faults([*CONTAINERS, row])) == [line]


@written
@pytest.mark.parametrize("kind", ARRAY_DICTS)
def test_what_is_written_is_recognised_by_its_own_row_and_by_no_other(
    kind: str, row: Container, tmp_path: Path
) -> None:
    for framework in row.frameworks:
        path = tmp_path / f"{framework}{row.suffixes[0]}"
        write_checkpoint(path, ARRAY_DICTS[kind], framework=framework)

        assert [other.name for other in CONTAINERS if other.recognises("x", start_of(path))] == [row.name]
        assert read_checkpoint(path).container == row.name


def test_what_older_torch_wrote_is_recognised_as_such_though_it_is_a_pickle(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "x", _use_new_zipfile_serialization=False)

    assert recognise_container("x", start_of(tmp_path / "x")) is TORCH_LEGACY
    assert PADDLE_PICKLE.recognises("x", start_of(tmp_path / "x"))


def test_a_safetensors_whose_length_begins_as_a_pickle_does_is_one_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    names = ("w" * length for length in range(8, 64))
    while not PADDLE_PICKLE.recognises("x", start_of(path) if path.exists() else b""):
        write_checkpoint(path, {next(names): counting(2)}, framework="torch", force=True)

    assert recognise_container("x", start_of(path)) is SAFETENSORS
    assert read_checkpoint(path).container == "safetensors"


def test_rows_of_one_name_differ_in_what_their_files_are_called_alone() -> None:
    by_name: dict[str, set[tuple[str, ...]]] = {}
    for row in CONTAINERS:
        by_name.setdefault(row.name, set()).add((row.maker, row.bfloat16, *row.frameworks))

    assert [name for name, facts in by_name.items() if len(facts) > 1] == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_suffix_that_a_target_may_have_is_written_for(framework: str, tmp_path: Path) -> None:
    assert {suffix for suffix, row in WRITTEN_AS.items() if framework in row.frameworks} == set(
        target_suffixes(framework)
    )
    for suffix in target_suffixes(framework):
        write_checkpoint(tmp_path / f"x{suffix}", {"w": counting(3)}, framework=framework)


def test_the_readme_s_table_of_containers_has_every_suffix_of_the_rows_and_no_other() -> None:
    readmes = [readme.read_text(encoding="utf-8") for readme in READMES]
    (table,) = (match[0] for text in readmes for match in TABLE.finditer(text))

    assert set(SUFFIX.findall(table)) == {suffix for row in CONTAINERS for suffix in row.suffixes}


@pytest.mark.parametrize("suffix", KNOWN_SUFFIXES)
def test_a_file_s_name_is_parted_from_the_suffix(suffix: str) -> None:
    assert split_suffix(f"convnext_tiny.fb_in1k{suffix}") == ("convnext_tiny.fb_in1k", suffix)


@pytest.mark.parametrize("name", ["convnext_tiny.fb_in1k", "convnext_tiny", "config.json", "x.PTH", ""])
def test_what_is_no_checkpoint_s_suffix_stays_in_the_name(name: str) -> None:
    assert split_suffix(name) == (name, "")


@pytest.mark.parametrize("name", convert.checkpoints.__all__)
def test_every_name_of_the_package_is_there(name: str) -> None:
    assert getattr(convert.checkpoints, name) is not None


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        resolve_name("convert.checkpoints:no_such_name")

    assert str(caught.value) == "module 'convert.checkpoints' has no attribute 'no_such_name'"
