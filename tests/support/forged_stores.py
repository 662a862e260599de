"""Run stores changed by somebody who knows their form, checksums included."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from verify.store.checksums import checksum_of, row_checksum


def forge(path: Path, *statements: str | tuple[str, Iterable[Any]]) -> Path:
    """Runs SQL on a store, and gives every row of it the checksum of what it now holds."""
    with closing(sqlite3.connect(path)) as database, database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        for statement in statements:
            database.execute(*([statement] if isinstance(statement, str) else statement))
        _seal_documents(database)
        _seal_images(database)
    return path


def _seal_documents(database: sqlite3.Connection) -> None:
    for table, columns in {"run": "part, document", "gates": "document"}.items():
        for number, *values in database.execute(f"SELECT rowid, {columns} FROM {table}").fetchall():  # noqa: S608
            changed = (checksum_of(values), number)
            database.execute(f"UPDATE {table} SET checksum = ? WHERE rowid = ?", changed)  # noqa: S608


def _seal_images(database: sqlite3.Connection) -> None:
    predictions: dict[int, dict[str, list[Any]]] = {}
    for number, framework, *values in database.execute("SELECT * FROM predictions"):
        predictions.setdefault(number, {})[framework] = values
    for *values, _ in database.execute("SELECT * FROM images").fetchall():
        changed = (row_checksum(values, predictions.get(values[0], {})), values[0])
        database.execute("UPDATE images SET checksum = ? WHERE id = ?", changed)
