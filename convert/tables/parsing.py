"""The text of a table's file as names and values, of a size and depth that a parser can be given."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.errors import TableError, either, shown
from convert.paths import NO_PATH, is_possible
from convert.regular import open_regular
from convert.tables.nesting import find_nesting

MAX_BYTES = 4 << 20  # a table of 10,000 tensors has a fourth of it
SUFFIXES = (".toml", ".json")


def parse(path: Path, problems: list[str]) -> Mapping[str, Any]:
    """What stands in the file.

    Args:
        path: a `.toml` or a `.json`.
        problems: where a line goes for each name that stands twice, which JSON lets pass.

    Raises:
        TableError: it cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise TableError(path, [f"is no table by its name; a table is a file of {either(SUFFIXES)}"])
    text = _read(path)
    if costly := find_nesting(text):
        raise TableError(path, [costly])
    try:
        content = _load_json(text, problems) if path.suffix == ".json" else _load_toml(text, path)
    except (ValueError, RecursionError) as error:  # of too many digits as of what is no TOML
        kind = path.suffix[1:].upper()
        raise TableError(path, [f"is no {kind}: {shown(error, 200)}; write it as {kind}"]) from error
    if not isinstance(content, dict):
        raise TableError(path, ["is no section of names and values"])
    return content


def _read(path: Path) -> str:
    if not is_possible(path):
        raise TableError(path, [NO_PATH])
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error.strerror}; check the path and its permissions"]) from error
    if len(content) > MAX_BYTES:
        raise TableError(path, [f"is larger than {MAX_BYTES >> 20} MiB, and a table is not; check the path"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(path, [f"is no text of UTF-8, at byte {error.start:,}; check the path"]) from error


def _load_json(text: str, problems: list[str]) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        section = dict(pairs)
        if len(section) < len(pairs):
            repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
            problems.extend(f"{shown(repr(name))} stands twice in one section" for name in repeated)
        return section

    return json.loads(text, object_pairs_hook=once)


def _load_toml(text: str, path: Path) -> Any:
    for parser in ("tomllib", "tomli"):  # the first is Python's own from 3.11 on
        try:
            return importlib.import_module(parser).loads(text)
        except ModuleNotFoundError:
            continue
    raise TableError(path, ["needs Python 3.11 or the package tomli: pip install tomli, or give the table as .json"])
