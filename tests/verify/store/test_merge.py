"""Shards joined: the same result as of one run, and nothing joined that does not belong together."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_gates import failed, passed
from made_up_images import write_images
from pairs import write_pair
from run_facts import TARGET, cpu_machine, data_facts, facts_of_run

from convert.archs import get_spec
from verify.gate import Gate, Verdict, not_run
from verify.report import as_json
from verify.result import merge_runs
from verify.store.border import StoreError
from verify.store.facts import Listing, Notes, RunFacts
from verify.store.merge import merge
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard, parse_shard

pytestmark = pytest.mark.long

OTHERS = tuple(passed(name) for name in ("float64 oracle", "float32 logits", "preprocessing"))
GOOD, BAD = passed("structure", "74 tensors", "x"), failed("structure", "1 tensor", "x", problems=("differs",))
MISSED = not_run("structure", "no tensors", "x")


def facts_of(shard: str, **identity: Any) -> RunFacts:
    """Facts of that shard of six images."""
    return facts_of_run(shard=parse_shard(shard), **identity)


def write_store(path: Path, numbers: range, facts: RunFacts, gates: tuple[Gate, ...] = (GOOD,)) -> Path:
    logits = np.array([[number, 3.0, 1.0] for number in numbers], np.float32)
    with closing(RunStore(path)) as store:
        store.put_run(facts)
        store.put_gates((*gates, *OTHERS))
        images = [ImageFacts(number, f"{number}.png", number % 3, 8, 8, "RGB") for number in numbers]
        store.put_batch(images, {"torch": logits, "paddle": logits})
    return path


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three shards of two images each."""
    return [write_store(tmp_path / f"{n}.sqlite", range(2 * n - 2, 2 * n), facts_of(f"{n}/3")) for n in (1, 2, 3)]


def error_of(paths: list[Path]) -> str:
    with pytest.raises(StoreError) as caught:
        merge(paths)
    return str(caught.value)


def test_in_any_order_the_shards_give_one_result(shards: list[Path], tmp_path: Path) -> None:
    whole = write_store(tmp_path / "whole.sqlite", range(6), facts_of("1/1"))
    results = {as_json(merge_runs(list(order))) for order in itertools.permutations(shards)}
    (joined,) = results
    expected = json.loads(as_json(merge_runs([whole])))

    assert json.loads(joined)["paired"] == expected["paired"]
    assert json.loads(joined)["gates"] == expected["gates"]
    assert merge(shards).facts.notes == Notes(
        data=facts_of("1/3").notes.data, merged=(Shard(1, 3), Shard(2, 3), Shard(3, 3))
    )


def test_machines_that_differ_are_all_named(shards: list[Path], tmp_path: Path) -> None:
    facts = replace(facts_of("3/3"), machines=(cpu_machine(8),))
    other = write_store(tmp_path / "other.sqlite", range(4, 6), facts)

    assert merge([*shards[:2], other]).facts.machines == (cpu_machine(2), cpu_machine(8))


@pytest.mark.parametrize(("first", "second", "expected"), [(GOOD, BAD, BAD), (BAD, GOOD, BAD), (GOOD, MISSED, MISSED)])
def test_a_gate_is_as_bad_as_the_worst_shard_found_it(
    first: Gate, second: Gate, expected: Gate, tmp_path: Path
) -> None:
    paths = [
        write_store(tmp_path / f"{n}.sqlite", range(3 * n, 3 * n + 3), facts_of(f"{n + 1}/2"), (outcome,))
        for n, outcome in enumerate((first, second))
    ]

    assert merge(paths).gates == (expected, *OTHERS)


def test_a_failed_gate_of_one_shard_fails_the_whole(shards: list[Path], tmp_path: Path) -> None:
    bad = write_store(tmp_path / "bad.sqlite", range(4, 6), facts_of("3/3"), (BAD,))

    assert merge_runs(shards).ok
    assert not merge_runs([*shards[:2], bad]).ok


def test_a_missing_shard_is_an_error(shards: list[Path]) -> None:
    assert error_of([shards[2], shards[0]]) == (
        "2 images of 6 in none of the files, the first at position 2; given: 1/3, 3/3. "
        "Add the other shards, and let each run to its end"
    )


def test_a_shard_named_twice_is_an_error(shards: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(shards[0])

    assert error_of([*shards, tmp_path / "link.sqlite"]) == f"{shards[0]}: is named twice"


def test_a_copy_of_a_shard_is_an_error(shards: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(shards[1].read_bytes())

    assert error_of([*shards, copy]) == (
        f"{copy}: holds 2.png and 1 more image that {shards[1]} holds too; name each shard once"
    )


def test_a_shard_of_another_run_is_an_error(shards: list[Path], tmp_path: Path) -> None:
    target = replace(TARGET, name="y.pdparams")
    other = write_store(tmp_path / "other.sqlite", range(4, 6), facts_of("3/3", target=target))

    assert error_of([*shards[:2], other]) == (
        f"{other}: is of another run than {shards[0]}: its target is y.pdparams sha256 {'2e' * 32}, "
        f"not convnext_tiny.pdparams sha256 {'2e' * 32}; run that shard anew, or leave the file out"
    )


def test_a_fact_that_one_shard_lacks_is_nothing(shards: list[Path], tmp_path: Path) -> None:
    data = replace(data_facts(6), class_map_sha256="6c" * 32)
    other = write_store(tmp_path / "other.sqlite", range(4, 6), facts_of("3/3", data=data))

    assert error_of([*shards[:2], other]) == (
        f"{other}: is of another run than {shards[0]}: its class map is sha256 {'6c' * 32}, not nothing; "
        "run that shard anew, or leave the file out"
    )


def test_an_image_beyond_the_data_set_is_an_error(shards: list[Path], tmp_path: Path) -> None:
    other = write_store(tmp_path / "other.sqlite", range(5, 7), facts_of("3/3"))

    assert error_of([*shards[:2], other]) == f"{other}: holds image 6 of a data set of 6; leave it out"


def test_more_images_than_the_shard_has_are_an_error(shards: list[Path], tmp_path: Path) -> None:
    other = write_store(tmp_path / "other.sqlite", range(3, 6), facts_of("3/3"))

    assert error_of([*shards[:2], other]) == f"{other}: holds 3 images of a shard of 2; leave it out"


def test_a_forged_number_of_images_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    facts, many = facts_of("1/1"), 10**15
    identity = replace(facts.identity, data=replace(data_facts(6), images=many))
    settings = replace(facts.settings, all_listed=Listing(many, "00" * 32))
    store = write_store(tmp_path / "x.sqlite", range(6), replace(facts, identity=identity, settings=settings))

    assert error_of([store]).startswith("999,999,999,999,994 images of 1,000,000,000,000,000 in none of the files, ")


def test_a_store_without_a_run_is_an_error(shards: list[Path], tmp_path: Path) -> None:
    with closing(RunStore(tmp_path / "empty.sqlite")):
        pass

    assert error_of([shards[0], tmp_path / "empty.sqlite"]) == (
        f"{tmp_path / 'empty.sqlite'}: holds no run; name the run stores that `verify --report` wrote"
    )


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_on_the_command_line_shards_and_one_run_agree_bit_for_bit(tmp_path: Path) -> None:
    spec = get_spec("convnext_digits")
    write_pair(tmp_path, spec)
    data = write_images(tmp_path / "val")
    pair = ["--src", tmp_path / "x.pth", "--dst", tmp_path / "x.pdparams", "--data", data, "--size", 64]
    run = [*pair, "--batch-size", 5, "--workers", 1]
    whole = verify(*run, "--report", tmp_path / "whole", "--json")
    for number in (2, 1):
        assert verify(*run, "--report", tmp_path / "parts", "--shard", f"{number}/2").returncode == 0
    joined = verify("--merge", *(tmp_path / "parts").glob("*.sqlite"), "--report", tmp_path / "joined", "--json")

    assert (whole.returncode, joined.returncode, joined.stderr) == (0, 0, "")
    one, other = json.loads(whole.stdout), json.loads(joined.stdout)
    assert other["paired"] == one["paired"]
    assert [entry["verdict"] for entry in other["gates"]] == [Verdict.PASSED.value] * 5
    assert json.loads((tmp_path / "joined" / "report.json").read_text()) == other
    with closing(RunStore(tmp_path / "whole" / "run.sqlite")) as store:
        expected = store.rows()
    assert merge(sorted((tmp_path / "parts").glob("*.sqlite"))).rows == expected


@pytest.mark.parametrize(
    "arguments", [["--merge", "a.sqlite", "--src", "x.pth"], ["--merge", "a.sqlite", "--sample"], ["--shard", "1/2"]]
)
def test_what_does_not_go_together_is_wrong_usage(arguments: list[str]) -> None:
    assert verify(*arguments).returncode == 2
