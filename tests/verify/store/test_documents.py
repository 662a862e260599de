"""What a run is of, in the run store: every field comes back, and a forged document is an error."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from forged_stores import forge as forge_store
from run_facts import facts_of_run, full_facts, gpu_machine

from verify.store.border import StoreError
from verify.store.documents import PARTS, facts_documents, read_facts
from verify.store.facts import RunFacts
from verify.store.merge import merge
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore

FACTS = {
    "plain": facts_of_run(),
    "full": full_facts(),
    "on GPUs": replace(facts_of_run(), machines=(gpu_machine(),)),
}


def without_defaults(value: Any, where: str) -> list[str]:
    """Fields of the dataclass, and of those in it, that hold nothing, or what they hold unless given."""
    if not is_dataclass(value):
        return [] if value not in (None, "", (), {}) else [where]
    names = [field.name for field in fields(value)]
    return [line for name in names for line in without_defaults(getattr(value, name), f"{where}.{name}")]


@pytest.mark.parametrize("name", FACTS)
def test_every_field_comes_back(name: str, tmp_path: Path) -> None:
    with closing(RunStore(tmp_path / "run.sqlite")) as store:
        store.put_run(FACTS[name])
    with closing(RunStore(tmp_path / "run.sqlite")) as store:
        assert store.run() == FACTS[name]


def test_the_full_facts_leave_no_field_out() -> None:
    of_a_target = [f".identity.target.{name}" for name in ("wrapper", "prefix", "shards")]

    assert without_defaults(full_facts(), "") == [*of_a_target, ".notes.merged"]


def change(part: str, path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """What puts that value at "a.b.0" of a part's document."""

    def put(documents: dict[str, Any]) -> None:
        *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        node = documents[part]
        for step in steps:
            node = node[step]
        node[last] = value

    return put


FORGED = {
    "a text for a number": (
        change("identity", "arch.classes", "1000"),
        "identity.arch.classes is '1000', not a whole number",
    ),
    "a truth for a number": (
        change("identity", "data.images", True),
        "identity.data.images is True, not a whole number",
    ),
    "a fraction for a whole number": (
        change("settings", "all_listed.count", 6.0),
        "settings.all_listed.count is 6.0, not a whole number",
    ),
    "a number for a truth": (
        change("identity", "arch.recognised", 1),
        "identity.arch.recognised is 1, not true or false",
    ),
    "a list for a text": (change("identity", "source.name", ["x"]), "identity.source.name is a list, not a text"),
    "an object for a list": (
        change("identity", "source.shards", {}),
        "identity.source.shards is an object, not a list",
    ),
    "a list for an object": (change("identity", "versions", []), "identity.versions is a list, not an object"),
    "null for what must be": (change("identity", "protocol", None), "identity.protocol is None, not an object"),
    "a version that is a number": (
        change("identity", "versions.torch", 2.14),
        "identity.versions.torch is 2.14, not a text",
    ),
    "an unknown field": (change("identity", "arch.depth", 3), "identity.arch has the unknown depth"),
    "two means": (change("identity", "protocol.mean", [0.5, 0.5]), "identity.protocol.mean has 2 entries, not 3"),
    "a mean of text": (
        change("identity", "protocol.mean.1", "a"),
        "identity.protocol.mean[1] is 'a', not a number",
    ),
    "an absurd number": (
        change("identity", "data.images", 10**30),
        f"identity.data.images is {10**30}, not a number of this world",
    ),
    "a number beyond every float": (
        change("identity", "protocol.std.0", 10**400),
        f"identity.protocol.std[0] is 1{'0' * 76}..., not a finite number",
    ),
    "infinity": (
        change("identity", "protocol.std.0", float("inf")),
        "identity.protocol.std[0] is inf, not a finite number",
    ),
    "not a number": (
        change("notes", "speed", {"images": 1, "before": 0, "seconds": float("nan")}),
        "notes.speed.seconds is nan, not a finite number",
    ),
    "a way of choosing that there is not": (
        change("notes", "how", "?"),
        "notes.how is '?', not one of 'named', 'recognised', 'own values', 'neither', 'given', 'library', 'table'",
    ),
    "more images than are listed": (
        change("identity", "data.images", 10**12),
        "data.images is 1,000,000,000,000, and 6 are listed",
    ),
    "no image": (change("identity", "data.images", 0), "data.images is 0"),
    "a shard of more than all": (change("settings", "listed.count", 7), "7 images of 6 are listed for the shard"),
    "labels that do not add up": (
        change("identity", "data.labels.fewest", 3),
        "data.labels does not add up to data.images",
    ),
    "a batch of none": (change("identity", "data.batch_size", 0), "data.batch_size is 0"),
    "no data": (change("identity", "data", None), "no data"),
    "a shard beyond the last": (change("notes", "shard.number", 2), "shard 2/1"),
    "an interpolation that there is not": (
        change("identity", "protocol.interpolation", "nearest"),
        "protocol.interpolation is 'nearest'",
    ),
    "a resize that there is not": (change("identity", "protocol.resize", "stretch"), "protocol.resize is 'stretch'"),
    "a short edge of none": (change("identity", "protocol.resize", 0), "protocol.resize is 0"),
    "no thread": (change("machine", "setups.torch.threads", 0), "threads of 'torch' is 0"),
    "a digest cut": (change("identity", "source.sha256", "1f"), "'1f' is no SHA-256"),
    "a recipe out of nothing": (change("notes", "how", "named"), "notes.how is 'named', without a recipe"),
}
OF_A_RECIPE = {
    "endless decimals": (change("identity", "recipe.decimals", 10**9), "recipe.decimals is 1000000000"),
    "more than all": (change("identity", "recipe.top1", 101), "recipe.top1 or recipe.top5 is no percentage"),
}


def damaged(path: Path, facts: RunFacts, forge: Callable[[dict[str, Any]], None]) -> Path:
    """A run store with those facts, forged."""
    documents: dict[str, Any] = {part: json.loads(text) for part, text in facts_documents(facts).items()}
    forge(documents)
    with closing(RunStore(path)) as store:
        store.put_run(facts)
        store.put_batch([ImageFacts(0, "0.png", 0, 8, 8, "RGB", "cut")], {})
    update = "UPDATE run SET document = ? WHERE part = ?"
    return forge_store(path, *((update, (json.dumps(document), part)) for part, document in documents.items()))


def keep(_: dict[str, Any]) -> None:
    """Forges nothing."""


def error_of(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        merge([path])
    return str(caught.value)


def said(path: Path, problem: str) -> str:
    return f"{path}: is a damaged run store: {problem}; run it anew into another --report folder"


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_document_is_an_error(kind: str, tmp_path: Path) -> None:
    forge, problem = FORGED[kind]
    path = damaged(tmp_path / "x.sqlite", facts_of_run(), forge)

    assert error_of(path) == said(path, problem)


@pytest.mark.parametrize("kind", OF_A_RECIPE)
def test_a_forged_recipe_is_an_error(kind: str, tmp_path: Path) -> None:
    forge, problem = OF_A_RECIPE[kind]
    path = damaged(tmp_path / "x.sqlite", full_facts(), forge)

    assert error_of(path) == said(path, problem)


def paths_of(node: Any, path: str = "") -> list[str]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [
        where for key, child in children for where in [f"{path}.{key}".strip("."), *paths_of(child, f"{path}.{key}")]
    ]


@pytest.mark.parametrize("part", PARTS)
def test_a_document_without_any_one_of_its_fields_is_an_error(part: str) -> None:
    whole = facts_documents(full_facts())
    open_mappings = ("versions", "variables", "setups", "models")
    for path in paths_of(json.loads(whole[part])):
        *steps, last = path.split(".")
        document = node = json.loads(whole[part])
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if isinstance(node, list) or (steps and steps[-1] in open_mappings):
            continue
        del node[last]
        with pytest.raises(ValueError, match=f" has no {last}$"):
            read_facts({**whole, part: json.dumps(document)})


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "value", [None, True, -1, 0, 1.5, 10**30, float("nan"), "", "x" * 10_000, [], [[]], {}, {"name": 1}]
)
def test_whatever_stands_in_a_field_is_read_or_refused(part: str, value: Any) -> None:
    """A value error is what the run store makes its own error of; any other error would be a traceback."""
    whole = facts_documents(full_facts())
    for path in paths_of(json.loads(whole[part])):
        documents = {part: json.loads(whole[part])}
        change(part, path, value)(documents)
        try:
            read_facts({**whole, part: json.dumps(documents[part])})
        except ValueError:
            continue


STATEMENTS = {
    "no JSON": ("UPDATE run SET document = '{' WHERE part = 'notes'", "notes is no JSON: "),
    "endless brackets": (
        "UPDATE run SET document = replace(hex(zeroblob(50000)), '0', '[') WHERE part = 'notes'",
        "notes is ",
    ),
    "bytes": ("UPDATE run SET document = x'00ff' WHERE part = 'notes'", "notes is no text"),
    "no text in UTF-8": ("UPDATE run SET document = CAST(x'80ff' AS TEXT) WHERE part = 'notes'", "Could not decode"),
    "a part missing": ("DELETE FROM run WHERE part = 'machine'", "it has no machine"),
    "a gate of nothing": ("INSERT INTO gates VALUES ('7', 0)", "row 1 of `gates` is 7, not an object"),
    "a gate that is no JSON": ("INSERT INTO gates VALUES ('[', 0)", "row 1 of `gates` is no JSON: "),
    "a gate without a limit": ('INSERT INTO gates VALUES (\'{"name": "x"}\', 0)', "row 1 of `gates` has no measured"),
    "a name of bytes": (
        "UPDATE images SET name = x'00'",
        "name, label and error of an image are (b'\\x00', 0, 'cut')",
    ),
    "a label of text": ("UPDATE images SET label = 'cat'", "name, label and error of an image are ('0.png', 'cat', "),
    "a difference of text": ("UPDATE images SET max_abs = 'small'", "'small' stands in the place of a number"),
    "a prediction of nothing": (
        "INSERT INTO predictions (image, framework) VALUES (0, 'torch')",
        "the classes of a prediction are [None, None, None, None, None]",
    ),
    "a class of text": (
        "INSERT INTO predictions (image, framework, class1) VALUES (0, 'torch', 'cat')",
        "the classes of a prediction are ['cat', None, None, None, None]",
    ),
    "a logit of text": (
        "INSERT INTO predictions (image, framework, class1, logit1) VALUES (0, 'torch', 1, 'big')",
        "'big' stands in the place of a number",
    ),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_forged_store_is_an_error_that_names_it(kind: str, tmp_path: Path) -> None:
    statement, problem = STATEMENTS[kind]
    path = forge_store(damaged(tmp_path / "x.sqlite", facts_of_run(), keep), statement)

    assert error_of(path).startswith(f"{path}: is a damaged run store: {problem}")


TABLES = {
    "no table": ("DROP TABLE run", "its tables are not a run store's"),
    "no table of images": ("DROP TABLE images", "its tables are not a run store's"),
    "another table of images": ("ALTER TABLE images DROP COLUMN error", "its tables are not a run store's"),
    "a table more": ("CREATE TABLE mine (x)", "'mine' is no part of a run store; drop it"),
    "a trigger": (
        "CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END",
        "'t' is no part of a run store; drop it",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_store_of_other_tables_is_an_error_that_names_it(kind: str, tmp_path: Path) -> None:
    statement, problem = TABLES[kind]
    path = damaged(tmp_path / "x.sqlite", facts_of_run(), keep)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)

    assert error_of(path) == said(path, problem)


def test_a_view_without_end_in_the_place_of_the_images_is_not_read(tmp_path: Path) -> None:
    path = damaged(tmp_path / "x.sqlite", facts_of_run(), keep)
    endless = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)"
    columns = "i AS id, 'x' AS name, NULL AS label, 1 AS width, 1 AS height, '' AS mode, 'cut' AS error"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE images RENAME TO kept")
        database.execute(f"CREATE VIEW images AS {endless} SELECT {columns}, 0 AS max_abs, 0 AS checksum FROM n")  # noqa: S608

    assert error_of(path) == said(path, "'kept' is no part of a run store; drop it")
