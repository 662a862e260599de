"""Small run stores, seeded damage to them, and what merging the damaged ones, or going on with them, may lead to."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from damage import damaged
from made_up_gates import passed
from run_facts import facts_of_run

from convert.errors import FerryError
from verify.gate import Measure
from verify.gates import kept_gates
from verify.report import as_json
from verify.result import merge_runs
from verify.store.facts import RunFacts
from verify.store.resume import open_run, store_name
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.store.shard import Shard

IMAGES, SHARDS, BROKEN = 120, 2, 7
PAGE = 4096  # bytes, SQLite's own size
TABLES = {
    "run": ("part", "document", "checksum"),
    "gates": ("document", "checksum"),
    "images": ("id", "name", "label", "width", "height", "mode", "error", "max_abs", "checksum"),
    "predictions": ("image", "framework", "class1", "class2", "class5", "logit1", "logit2", "logit5", "confidence"),
}
VALUES = (
    None,
    -1,
    0,
    1,
    2**63 - 1,
    -(2**63),
    0.5,
    -0.5,
    1e308,
    float("inf"),
    "",
    "1",
    "0.5",
    "x",
    "x" * 5000,
    b"\x00\xff",
)
STATEMENTS = (
    "DELETE FROM {table} WHERE {column} IN (SELECT {column} FROM {table} LIMIT 1 OFFSET {row})",
    "DELETE FROM {table}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} RENAME COLUMN {column} TO other",
    "ALTER TABLE {table} ADD COLUMN other",
    "CREATE VIEW other AS SELECT * FROM {table}",
    "CREATE INDEX other ON {table} ({column})",
    "INSERT OR IGNORE INTO {table} SELECT * FROM {table} LIMIT 1 OFFSET {row}",
    "INSERT OR REPLACE INTO predictions SELECT image + 1, framework, class1, class2, class3, class4, class5, logit1, "
    "logit2, logit3, logit4, logit5, confidence FROM predictions LIMIT 1 OFFSET {row}",
    "UPDATE images SET name = name || ' '",
    "UPDATE predictions SET class1 = class2, class2 = class1",
    "UPDATE run SET document = replace(document, '1', '2')",
    "UPDATE gates SET document = replace(document, '0.5', '0.25')",
    "PRAGMA user_version = 3",
    "PRAGMA user_version = 0",
    "PRAGMA journal_mode = WAL",
    "PRAGMA auto_vacuum = FULL; VACUUM",
    "PRAGMA page_size = 512; VACUUM",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = rootpage + 1 WHERE name = '{table}'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'INTEGER', 'TEXT')",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = '{table}'",
)


def shard_facts(number: int) -> RunFacts:
    """Facts of one of the two shards."""
    facts = facts_of_run(IMAGES, shard=Shard(number, SHARDS))
    gates = kept_gates(layers=True, gradients=False)
    return replace(facts, settings=replace(facts.settings, gates=gates))


def write_shard(folder: Path, number: int) -> Path:
    """A complete store of that shard."""
    first, last = (IMAGES * edge // SHARDS for edge in (number - 1, number))
    rng = np.random.default_rng(number)
    gates = [
        passed(name, "0.5", "1", Measure("x", 0.5, 1.0), digest="ab")
        for name in kept_gates(layers=True, gradients=False)
    ]
    with closing(open_run(folder, Shard(number, SHARDS), shard_facts(number))) as store:
        store.put_gates(gates)
        for start in range(first, last, 5):
            images = [
                ImageFacts(n, f"{n}.png", n % 3, 80, 60, "RGB", "" if n % BROKEN else "cut short")
                for n in range(start, min(start + 5, last))
            ]
            logits = rng.normal(size=(sum(not image.error for image in images), 7)).astype(np.float32)
            store.put_batch(images, {"torch": logits, "paddle": logits + np.float32(1e-6)})
    return folder / store_name(Shard(number, SHARDS))


class Victim:
    """Two shards at hand, the first of which is damaged again and again.

    Args:
        folder: that gets them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.other = (write_shard(folder, number) for number in (1, 2))
        self.content = self.path.read_bytes()
        self.expected = as_json(merge_runs([self.path, self.other]))
        with closing(RunStore.open(self.path)) as store:
            self.rows = store.numbered_rows()

    def outcome(self, number: int) -> str:
        """ "refused", "same", or "silent: ..." for what must not be. Any other error is raised."""
        rng = random.Random(number)  # noqa: S311 - seeded, no secret
        for path in self.folder.glob(f"*{self.path.name}*"):
            path.unlink()
        for path in self.folder.glob(f"{self.path.stem}.*.sqlite"):
            path.unlink()
        self.path.write_bytes(self.content)
        rng.choice(KINDS)(self.path, rng)
        merged, gone_on = self._merge(), self._go_on()
        return gone_on if gone_on.startswith("silent") else merged

    def _merge(self) -> str:
        before = self.path.read_bytes()
        try:
            merged = as_json(merge_runs([self.path, self.other]))
        except FerryError:
            merged = ""
        if self.path.read_bytes() != before:
            return "silent: the merge wrote to the store"
        if merged not in ("", self.expected):
            return "silent: another result"
        return "same" if merged else "refused"

    def _go_on(self) -> str:
        try:
            with closing(open_run(self.folder, Shard(1, SHARDS), shard_facts(1))) as store:
                rows = store.numbered_rows()
        except FerryError:
            return "refused"
        changed = [number for number, row in rows.items() if repr(self.rows.get(number)) != repr(row)]
        return f"silent: another image {changed[0]} is gone on with" if changed else "same"


def _damage_bytes(path: Path, rng: random.Random) -> None:
    path.write_bytes(damaged(path.read_bytes(), rng))


def _flip_bit(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.choice((rng.randrange(len(data)), PAGE * rng.randrange(len(data) // PAGE)))])


def _exchange_pages(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    pages = [data[place : place + PAGE] for place in range(0, len(data), PAGE)]
    one, other = rng.randrange(len(pages)), rng.randrange(len(pages))
    pages[one], pages[other] = pages[other], rng.choice((pages[one], pages[other], bytes(PAGE)))
    path.write_bytes(b"".join(pages))


def _update(path: Path, rng: random.Random) -> None:
    table = rng.choice(list(TABLES))
    column, value = rng.choice(TABLES[table]), rng.choice(VALUES)
    row = rng.choice((0, rng.randrange(IMAGES)))
    some = rng.choice(("", f" WHERE {column} = (SELECT {column} FROM {table} LIMIT 1 OFFSET {row})"))  # noqa: S608
    _execute(path, f"UPDATE OR IGNORE {table} SET {column} = ?{some}", (value,))  # noqa: S608


def _run_statement(path: Path, rng: random.Random) -> None:
    table = rng.choice(list(TABLES))
    column, row = rng.choice(TABLES[table]), rng.choice((0, rng.randrange(IMAGES)))
    statement = rng.choice(STATEMENTS).format(table=table, column=column, row=row)
    _execute(path, statement)


def _execute(path: Path, statement: str, values: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database, suppress(sqlite3.Error):
        for part in statement.split("; "):
            database.execute(part, values)


KINDS: tuple[Callable[[Path, random.Random], None], ...] = (
    _damage_bytes,
    _damage_bytes,
    _flip_bit,
    _flip_bit,
    _cut,
    _exchange_pages,
    _update,
    _update,
    _run_statement,
)
