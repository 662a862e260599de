"""Runs by turns in one folder: each goes on in its own store, and none takes the place of another's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from run_facts import data_facts, facts_of_run

from verify.store.facts import RunFacts
from verify.store.resume import open_run
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard

A, B, C = facts_of_run(), *(facts_of_run(data=replace(data_facts(6), batch_size=size)) for size in (3, 5))


def run(folder: Path, facts: RunFacts, *numbers: int) -> set[int]:
    """What the run finds done, before it adds images of those numbers."""
    with closing(open_run(folder, Shard(), facts)) as store:
        done = store.numbers()
        for number in numbers:
            store.put_batch([ImageFacts(number, f"{number}", None, 1, 1, "L", "cut")], {})
        return done


def stores(folder: Path) -> dict[str, set[int]]:
    """Every run store of the folder, and what is in it."""
    found = {}
    for path in sorted(folder.glob("*.sqlite")):
        with closing(RunStore.open(path)) as store:
            found[path.name] = store.numbers()
    return found


def test_two_runs_by_turns_in_one_folder_each_go_on_where_they_stood(tmp_path: Path) -> None:
    expected: dict[str, set[int]] = {"A": set(), "B": set()}
    for number, (name, facts) in enumerate([("A", A), ("B", B), ("A", A), ("B", B), ("B", B), ("A", A)]):
        assert run(tmp_path, facts, number) == expected[name]
        expected[name].add(number)

    assert sorted(map(sorted, stores(tmp_path).values())) == sorted(map(sorted, expected.values()))
    assert len(list(tmp_path.iterdir())) == 2


def test_three_runs_by_turns_lose_nothing(tmp_path: Path) -> None:
    runs = [A, B, C]
    for turn in range(3):
        for number, facts in enumerate(runs):
            assert run(tmp_path, facts, 10 * turn + number) == {10 * before + number for before in range(turn)}


def aside_of(folder: Path) -> Path:
    (aside,) = set(folder.glob("*.sqlite")) - {folder / "run.sqlite"}
    return aside


@pytest.mark.parametrize("content", [b"", b"somebody's own", None])
def test_a_file_that_has_the_name_of_an_aside_store_stays(content: bytes | None, tmp_path: Path) -> None:
    run(tmp_path, A, 0)
    run(tmp_path, B, 1)
    aside = aside_of(tmp_path)
    run(tmp_path, A, 2)
    for path in tmp_path.glob("run.*.sqlite"):  # B's, so that it is away when A goes aside once more
        path.rename(tmp_path / "b.kept")
    if content is None:
        aside.mkdir()
    else:
        aside.write_bytes(content)

    assert run(tmp_path, B, 3) == set()
    assert aside.is_dir() if content is None else aside.read_bytes() == content
    assert stores_with(tmp_path, {0, 2}) == [aside.with_name(f"{aside.stem}-2.sqlite")]
    assert run(tmp_path, A) == {0, 2}


def stores_with(folder: Path, numbers: set[int]) -> list[Path]:
    found = []
    for path in folder.glob("run.*-2.sqlite"):
        with closing(RunStore.open(path)) as store:
            found += [path] * (store.numbers() == numbers)
    return found


def test_a_damaged_store_that_was_put_aside_is_neither_taken_nor_replaced(tmp_path: Path) -> None:
    run(tmp_path, A, 0)
    run(tmp_path, B, 1)
    aside = aside_of(tmp_path)
    with closing(sqlite3.connect(aside)) as database, database:
        database.execute("UPDATE images SET name = 'other'")
    before = aside.read_bytes()

    assert run(tmp_path, A, 2) == set()
    assert run(tmp_path, B, 3) == {1}
    assert aside.read_bytes() == before
    assert run(tmp_path, A) == {2}


def test_a_run_that_was_ended_between_the_two_renamings_goes_on(tmp_path: Path) -> None:
    run(tmp_path, A, 0)
    run(tmp_path, B, 1)
    (tmp_path / "run.sqlite").rename(tmp_path / "b.kept")

    assert run(tmp_path, A) == {0}


def test_an_empty_store_gives_way_to_the_one_that_is_taken_back(tmp_path: Path) -> None:
    run(tmp_path, A, 0)
    run(tmp_path, B, 1)
    (tmp_path / "run.sqlite").write_bytes(b"")

    assert run(tmp_path, A) == {0}


def test_a_store_of_no_run_and_no_row_is_made_use_of(tmp_path: Path) -> None:
    RunStore(tmp_path / "run.sqlite").close()

    assert run(tmp_path, A) == set()


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_becomes_a_store_where_a_run_makes_one(content: bytes | None, tmp_path: Path) -> None:
    if content is None:
        with closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
            database.execute("PRAGMA page_size = 512")
            database.execute("VACUUM")
    else:
        (tmp_path / "run.sqlite").write_bytes(content)

    assert run(tmp_path, A, 0) == set()
    assert run(tmp_path, A) == {0}
