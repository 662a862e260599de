"""Run stores under attack and on bad days: damaged at random, forged, cut short, in use."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import limited_stores
import pytest
import store_fuzz
from forged_stores import forge
from results import NASTY
from run_facts import facts_of_run
from store_fuzz import Victim

from verify.cli import main
from verify.gate import Gate, Measure
from verify.report import as_html, as_json, as_junit, as_markdown, as_text
from verify.result import Result, merge_runs
from verify.store import lock
from verify.store.border import StoreError
from verify.store.documents import gate_document
from verify.store.resume import open_run
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard

pytestmark = pytest.mark.long

CASES = 150


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    return Victim(tmp_path_factory.mktemp("fuzz"))


def test_a_damaged_store_is_refused_or_gives_the_very_result(victim: Victim) -> None:
    outcomes = {number: victim.outcome(number) for number in range(CASES)}

    assert {number: outcome for number, outcome in outcomes.items() if outcome not in ("refused", "same")} == {}
    assert list(outcomes.values()).count("refused") > CASES / 2


def test_a_silent_difference_would_be_seen(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    def forge_a_class(path: Path, _: random.Random) -> None:
        forge(path, "UPDATE predictions SET class1 = 6 WHERE image = 1")

    monkeypatch.setattr(store_fuzz, "KINDS", (forge_a_class,))

    assert victim.outcome(0) == "silent: another image 1 is gone on with"


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Two complete stores of one run."""
    return [store_fuzz.write_shard(tmp_path, number) for number in (1, 2)]


def refusal(paths: list[Path]) -> str:
    with pytest.raises(StoreError) as caught:
        merge_runs(paths)
    return str(caught.value)


@pytest.mark.parametrize("name", ["structure", "float64 oracle", "float32 logits", "layers", "preprocessing"])
def test_a_merge_without_a_gate_of_the_run_names_it(name: str, shards: list[Path]) -> None:
    for path in shards:
        forge(path, ("DELETE FROM gates WHERE document LIKE ?", [f'%"name": "{name}"%']))

    assert refusal(shards) == f"{shards[0]}: lacks the gate {name!r}, which its run has; run that shard anew"


def test_no_gate_at_all(shards: list[Path]) -> None:
    forge(shards[1], "DELETE FROM gates")

    assert refusal(shards) == f"{shards[1]}: lacks the gate 'structure', which its run has; run that shard anew"


@pytest.mark.parametrize("name", ["paired accuracy", "published accuracy", "mine", NASTY])
def test_a_gate_that_no_run_keeps_is_refused(name: str, shards: list[Path]) -> None:
    document = json.dumps(
        {"name": name, "measured": "", "limit": "", "measures": [], "problems": [], "details": [], "reason": ""}
    )
    forge(shards[0], ("INSERT INTO gates VALUES (?, 0)", [document]))

    assert re.fullmatch(r".*1-of-2\.sqlite: has the gate '.*', which no run keeps; leave the file out", refusal(shards))


def test_a_gate_that_stands_there_twice_is_refused(shards: list[Path]) -> None:
    forge(shards[0], "INSERT INTO gates SELECT * FROM gates WHERE rowid = 2")

    assert refusal(shards) == f"{shards[0]}: has the gate 'float64 oracle' twice; run that shard anew"


def test_a_gate_s_words_change_no_verdict(shards: list[Path]) -> None:
    failing = "replace(document, '\"value\": 0.5', '\"value\": 2.5')"
    forge(shards[0], f"UPDATE gates SET document = {failing} WHERE rowid = 1")  # noqa: S608
    result = merge_runs(shards)

    assert not result.ok
    assert (result.gates[0].measured, result.gates[0].verdict.value) == ("0.5", "FAILED")


FORMS: dict[str, Callable[[Result], str]] = {
    "terminal": as_text,
    "page": as_html,
    "Markdown": as_markdown,
    "JUnit": as_junit,
    "JSON": as_json,
}


@pytest.fixture
def hostile(shards: list[Path]) -> Result:
    """Merged shards whose gates are hostile wherever there is a text."""
    for path in shards:
        text = f"{NASTY}\nVERIFIED: 9 passed\n::error::x @all"
        gate = Gate("structure", text, text, (Measure(text, 2.0, 1.0),), (text, text), ((text, text),))
        forge(path, ("UPDATE gates SET document = ? WHERE rowid = 1", [gate_document(gate)]))
    return merge_runs(shards)


@pytest.mark.parametrize("form", FORMS)
def test_no_text_of_a_store_reaches_a_reader_as_more_than_text(form: str, hostile: Result) -> None:
    text = FORMS[form](hostile)

    assert {char for char in text if not char.isprintable()} <= {"\n"}
    assert not re.search(r"(?m)^\W*VERIFIED: 9 passed", text)
    assert "<script>" not in re.sub(r"(?s)`[^`]*`|\\<script>|```.*?```", "", text) or form in ("terminal", "JSON")
    if form == "JUnit":
        assert ElementTree.fromstring(text).get("failures") == "2"  # noqa: S314 - our own text


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limits")
def test_a_store_whose_making_ends_at_any_write_goes_on_or_begins_anew(tmp_path: Path) -> None:
    command = [sys.executable, limited_stores.__file__, str(tmp_path)]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    child = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    found: dict[str, list[Any]] = json.loads(child.stdout)

    assert {case: outcome for case, (_, *outcome) in found.items() if outcome[-1] != "80 images"} == {}
    assert {again for _, again, _ in found.values()} == {"0 images", "1 images", "80 images"}
    assert {status for status, *_ in found.values()} == {0, 3 << 8, 25}  # done, a StoreError, ended by SIGXFSZ


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_is_not_merged_and_stays(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    if content is None:
        with closing(sqlite3.connect(path)) as database:
            database.execute("VACUUM")
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    assert refusal([path]) == f"{path}: holds no run; name the run stores that `verify --report` wrote"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_whose_pages_lead_back_into_it_is_refused(shards: list[Path]) -> None:
    content = bytearray(shards[0].read_bytes())
    with closing(sqlite3.connect(shards[0])) as database:
        ((root,),) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'predictions'").fetchall()
    start = (root - 1) * store_fuzz.PAGE
    assert content[start] in (2, 5)  # it has pages below it
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    for cell in range(cells):
        place = start + int.from_bytes(content[start + 12 + 2 * cell : start + 14 + 2 * cell], "big")
        content[place : place + 4] = content[start + 8 : start + 12]  # the last child in every place
    shards[0].write_bytes(content)

    assert re.match(r".*: is a damaged run store: .*2nd reference to page", refusal(shards))


@contextmanager
def little_memory(room: int) -> Iterator[None]:
    """So many bytes more than what is in use."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


FORGED = {
    "images": ("json_set(document, '$.all_listed.count', 300000000)", "data.images is 120, and 300,000,000 are listed"),
    "a long document": ("document || printf('%50000000s', ' ')", "a document of 50,000,"),
    "classes": (
        "json_set(document, '$.classes', json('['||substr(replace(hex(zeroblob(3000000)),'0','0,'), 3)||'0]'))",
        "",
    ),
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory is in use")
@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_number_takes_no_memory(kind: str, shards: list[Path]) -> None:
    document, problem = FORGED[kind]
    forge(shards[0], f"UPDATE run SET document = {document} WHERE part = 'settings'")  # noqa: S608
    start = time.monotonic()
    with little_memory(256 << 20):
        assert f"is a damaged run store: {problem}" in refusal(shards)
    assert time.monotonic() - start < 5


def test_a_file_that_is_mostly_a_hole_is_refused_at_once(shards: list[Path]) -> None:
    os.truncate(shards[0], 5 << 30)

    assert "is no run store: it has 5,368,709,120 bytes" in refusal(shards)


def test_a_forged_store_ends_the_command_with_one_line(shards: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    forge(shards[0], "UPDATE gates SET document = '{}'")

    assert main(["--merge", *map(str, shards)]) == 1
    assert re.fullmatch(
        r"verify: \S+: is a damaged run store: row 1 of `gates` has no name; run it anew .*\n", capsys.readouterr().err
    )


def put(store: RunStore, number: int) -> None:
    store.put_batch([ImageFacts(number, f"{number}", None, 1, 1, "L", "cut")], {})


def test_a_store_is_read_while_its_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(open_run(tmp_path, Shard(), facts_of_run())) as store:
        for number in range(3):
            put(store, number)
            with closing(sqlite3.connect(path, timeout=0)) as database, closing(RunStore.open(path)) as reader:
                assert database.execute("SELECT count(*) FROM images").fetchone() == (number + 1,)
                assert len(reader.rows()) == number + 1
        with pytest.raises(StoreError, match="cannot be opened: another process is using it"):
            open_run(tmp_path, Shard(), facts_of_run())
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_waits_for_a_reader_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(open_run(tmp_path, Shard(), facts_of_run())) as store:
        put(store, 0)
        database = sqlite3.connect(path, check_same_thread=False)
        database.execute("BEGIN")
        database.execute("SELECT * FROM images").fetchone()
        threading.Timer(1.5, database.close).start()
        put(store, 1)

        assert store.numbers() == {0, 1}


def test_a_file_system_without_locks_keeps_a_second_run_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    assert lock.fcntl
    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with closing(open_run(tmp_path, Shard(), facts_of_run())) as store:
        put(store, 0)
        with pytest.raises(StoreError, match="another process is using it"):
            open_run(tmp_path, Shard(), facts_of_run())
    with closing(open_run(tmp_path, Shard(), facts_of_run())) as store:
        assert store.numbers() == {0}
    assert [path.name for path in tmp_path.iterdir()] == ["run.sqlite"]


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
@pytest.mark.parametrize("name", ["run.sqlite", "run.sqlite-journal", "run.sqlite-wal", ".run.sqlite.lock"])
def test_a_pipe_that_somebody_planted_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)

    with pytest.raises(StoreError, match="is no regular file"):
        open_run(tmp_path, Shard(), facts_of_run())
