"""Which file a run goes on in: the same run in its own, another one in another."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forged_stores import forge
from run_facts import RECIPE, cpu_machine, data_facts, facts_of_run, gpu_machine

from verify.store.border import StoreError
from verify.store.facts import DataPlace, HashedFile, LabelCounts, Notes, RunFacts, Speed
from verify.store.resume import open_run
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard

FACTS = facts_of_run()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with closing(open_run(tmp_path, Shard(), FACTS)) as store:
        store.put_batch([ImageFacts(0, "a", None, 1, 1, "L", "cut")], {})
    return tmp_path


def test_the_same_run_goes_on_in_its_store(filled: Path) -> None:
    with closing(open_run(filled, Shard(), FACTS)) as store:
        assert store.numbers() == {0}


def with_identity(**changes: Any) -> RunFacts:
    return replace(FACTS, identity=replace(FACTS.identity, **changes))


def with_data(**changes: Any) -> RunFacts:
    return with_identity(data=replace(data_facts(6), **changes))


IDENTITY = FACTS.identity
SHARD_FILE = HashedFile(name="a.safetensors", sha256="5a" * 32)
OTHERS = {
    "another architecture": (with_identity(arch=replace(IDENTITY.arch, name="convnext_small")), "arch"),
    "other classes": (with_identity(arch=replace(IDENTITY.arch, classes=10)), "arch"),
    "other channels": (with_identity(arch=replace(IDENTITY.arch, channels=1)), "arch"),
    "an architecture that was recognised": (with_identity(arch=replace(IDENTITY.arch, recognised=True)), "arch"),
    "another source": (with_identity(source=replace(IDENTITY.source, sha256="00" * 32)), "source"),
    "a source of another name": (with_identity(source=replace(IDENTITY.source, name="y.pth")), "source"),
    "another state dict of the source": (
        with_identity(source=replace(IDENTITY.source, wrapper="model_ema")),
        "source",
    ),
    "another prefix of the source": (
        with_identity(source=replace(IDENTITY.source, prefix="student.")),
        "source",
    ),
    "another state dict of the target": (with_identity(target=replace(IDENTITY.target, wrapper="model")), "target"),
    "another shard of the source": (with_identity(source=replace(IDENTITY.source, shards=(SHARD_FILE,))), "source"),
    "another target": (with_identity(target=replace(IDENTITY.target, sha256="00" * 32)), "target"),
    "another size": (with_identity(protocol=replace(IDENTITY.protocol, size=192)), "protocol"),
    "another resize": (with_identity(protocol=replace(IDENTITY.protocol, resize="squash")), "protocol"),
    "another interpolation": (with_identity(protocol=replace(IDENTITY.protocol, interpolation="bilinear")), "protocol"),
    "another mean": (with_identity(protocol=replace(IDENTITY.protocol, mean=(0.485, 0.456, 0.4061))), "protocol"),
    "another std": (with_identity(protocol=replace(IDENTITY.protocol, std=(0.5, 0.5, 0.5))), "protocol"),
    "a recipe": (facts_of_run(recipe=RECIPE), "published"),
    "another version": (with_identity(versions={**IDENTITY.versions, "torch": "2.15.0"}), "versions"),
    "other labels": (with_data(labels=LabelCounts(classes=2, fewest=3, most=3)), "data classes"),
    "no labels": (with_data(labels=None), "data classes"),
    "other images": (with_data(fingerprint="00" * 32), "data fingerprint"),
    "a class map": (with_data(class_map_sha256="00" * 32), "class map"),
    "another batch size": (with_data(batch_size=3), "batch size"),
    "more images": (facts_of_run(7), "data classes, images"),
    "other threads": (replace(FACTS, machines=(cpu_machine(3),)), "device"),
    "another device": (replace(FACTS, machines=(gpu_machine(),)), "device"),
    "two facts at once": (replace(with_data(batch_size=3), machines=(gpu_machine(),)), "batch size, device"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_run_gets_another_store_and_the_first_one_stays(kind: str, filled: Path) -> None:
    facts, different = OTHERS[kind]
    before = (filled / "run.sqlite").read_bytes()
    with closing(open_run(filled, Shard(), facts)) as store:
        another = store.run().notes.another_run

        assert store.numbers() == set()
    (aside,) = set(filled.iterdir()) - {filled / "run.sqlite"}
    assert another
    assert (another.kept_as, ", ".join(another.differs)) == (aside.name, different)
    assert aside.read_bytes() == before


def test_each_shard_has_a_store_of_its_own(filled: Path) -> None:
    with closing(open_run(filled, Shard(2, 3), FACTS)) as store:
        assert store.numbers() == set()
    assert sorted(path.name for path in filled.iterdir()) == ["run.2-of-3.sqlite", "run.sqlite"]


def test_a_disk_that_fails_is_an_error_and_the_store_keeps_what_it_has(filled: Path) -> None:
    with closing(open_run(filled, Shard(), FACTS)) as store:
        store.database.execute(f"PRAGMA max_page_count = {store.database.execute('PRAGMA page_count').fetchone()[0]}")
        many = [ImageFacts(number, f"{number:0200}", None, 1, 1, "L", "cut") for number in range(1, 500)]
        with pytest.raises(StoreError) as caught:
            store.put_batch(many, {})

        assert str(caught.value) == f"{filled / 'run.sqlite'}: cannot be written: database or disk is full"
        assert store.numbers() == {0}


def test_the_store_is_readable_sql_after_a_run(filled: Path) -> None:
    with closing(sqlite3.connect(filled / "run.sqlite")) as database:
        assert database.execute("SELECT name, error FROM images").fetchall() == [("a", "cut")]


SAME = {
    "a data set at another place": Notes(
        data=DataPlace(name="validation", layout="val_list.txt", ignored=9, unlisted=1), system="Darwin arm64"
    ),
    "a recipe chosen in another way": replace(FACTS.notes, how="own values"),
    "a run that took its time": replace(FACTS.notes, speed=Speed(images=6, before=0, seconds=9.0)),
}


@pytest.mark.parametrize("kind", SAME)
def test_a_run_goes_on_whatever_its_notes_say(kind: str, filled: Path) -> None:
    with closing(open_run(filled, Shard(), replace(FACTS, notes=SAME[kind]))) as store:
        assert (store.numbers(), store.run().notes) == ({0}, SAME[kind])


def test_a_damaged_store_is_named_and_left_as_it_is(filled: Path) -> None:
    path = forge(filled / "run.sqlite", "UPDATE run SET document = '{' WHERE part = 'identity'")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_run(filled, Shard(), FACTS)

    assert str(caught.value).startswith(f"{path}: is a damaged run store: identity is no JSON: ")
    assert str(caught.value).endswith("; run it anew into another --report folder")
    assert path.read_bytes() == before
    with closing(RunStore(path)) as store:  # nobody holds the file
        assert store.holds_run


def test_a_run_that_goes_on_says_that_its_images_changed_since_it_began(tmp_path: Path) -> None:
    facts = facts_of_run()
    changed = []
    for state in ("first", "first", "later", "first", "later"):
        begun = replace(facts, settings=replace(facts.settings, files=state))
        with closing(open_run(tmp_path, Shard(), begun)) as store:
            changed.append(store.run().notes.data_changed)

    assert changed == [False, False, True, False, True]


@pytest.mark.parametrize("kind", ["a row", "a bit of a row"])
def test_a_damaged_row_ends_a_run_before_it_begins(kind: str, filled: Path) -> None:
    path = filled / "run.sqlite"
    if kind == "a row":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE images SET label = 1")
    else:
        path.write_bytes(path.read_bytes().replace(b"\x00acut", b"\x00bcut").replace(b"aLcut", b"bLcut"))
    with pytest.raises(StoreError, match=r"run\.sqlite: is a damaged run store: ") as caught:
        open_run(filled, Shard(), FACTS)

    assert str(caught.value).endswith("; run it anew into another --report folder")


def test_rows_without_a_run_are_nobody_s_to_go_on_with(filled: Path) -> None:
    with closing(sqlite3.connect(filled / "run.sqlite")) as database, database:
        database.execute("DELETE FROM run")
    with pytest.raises(StoreError, match="it does not say what its rows are of"):
        open_run(filled, Shard(), FACTS)


@pytest.mark.parametrize("name", ["run.sqlite", "run.sqlite-journal", ".run.sqlite.lock"])
def test_a_link_in_the_place_of_a_store_is_not_followed(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError):
        open_run(tmp_path, Shard(), FACTS)
    assert (tmp_path / "elsewhere").read_bytes() == b""
    assert (tmp_path / name).is_symlink()
