"""Hostile text in every place that `convert` reads text from: no output of any form carries it raw."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, write_pth, write_zip
from hostile_text import CLEAN_UTF8, EVIL, EVIL_NAME, WORD, assert_clean
from library_keys import stored
from pickles import call, name, stream
from server import serving

from convert import ARCHS, convert_state_dict, write_checkpoint, write_pdparams
from convert.cli import main
from convert.errors import FerryError
from convert.visible import joined, printable, visible
from verify import sample
from verify.selftest.weights import distinct_weights

SPEC = ARCHS["convnext_digits"]
WEIGHTS = distinct_weights(SPEC.params(), dtype="float32")
ONE = np.ones(1, "float32")


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PADDLEFERRY_CACHE", str(tmp_path / "cache"))


def write_safetensors(path: Path, header: Mapping[str, Any], data: bytes = b"") -> None:
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}


def keys_of_openclip(path: Path) -> None:
    trunk = {key: array for key, array in stored(SPEC, "timm", WEIGHTS).items() if not key.startswith("head.fc.")}
    keys = {f"visual.trunk.{key}": array for key, array in trunk.items()}
    torch.save(as_tensors({**keys, f"text.{CLEAN_UTF8}": ONE}), path)


def unexpected_key(path: Path) -> None:
    torch.save({"model": as_tensors({**WEIGHTS, CLEAN_UTF8: ONE})}, path)


def no_known_keys(path: Path) -> None:
    torch.save(as_tensors({CLEAN_UTF8: ONE}), path)


def no_tensor(path: Path) -> None:
    torch.save({CLEAN_UTF8: 1, "model": {}}, path)


def other_entries(path: Path) -> None:
    torch.save({"model": {**as_tensors(WEIGHTS), CLEAN_UTF8: "text"}}, path)


def legacy_key(path: Path) -> None:
    torch.save(as_tensors({**WEIGHTS, CLEAN_UTF8: ONE}), path, _use_new_zipfile_serialization=False)


def paddle_key(path: Path) -> None:
    write_pdparams(path, {**convert_state_dict(SPEC, WEIGHTS), CLEAN_UTF8: ONE})


def unknown_global(path: Path) -> None:
    write_pth(path, stream(call(name(CLEAN_UTF8.replace("\n", " "), "system"), "true")))


def zip_entries(path: Path) -> None:
    write_zip(path, {f"x/data/{CLEAN_UTF8}": b"", f"{CLEAN_UTF8}/data.pkl": b"\x80\x02}."})


def safetensors_key(path: Path) -> None:
    write_safetensors(path, {EVIL: entry()}, b"1234")


def safetensors_dtype(path: Path) -> None:
    write_safetensors(path, {"w": entry(dtype=EVIL)}, b"1234")


def safetensors_offsets(path: Path) -> None:
    write_safetensors(path, {EVIL: entry(data_offsets=[4, 8])}, b"12345678")


def safetensors_metadata(path: Path) -> None:
    write_safetensors(path, {"__metadata__": {EVIL: EVIL}, "w": entry()}, b"1234")


def safetensors_json(path: Path) -> None:
    raw = b'{"w": ' + CLEAN_UTF8.encode() + b"}"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)


def index_of(weight_map: Mapping[str, str]) -> Callable[[Path], object]:
    return lambda path: path.with_name("x.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def index_with_shard(path: Path) -> None:
    shard = path.with_name(EVIL_NAME.replace("/", " "))
    write_safetensors(shard, {"w": entry()}, b"1234")
    index_of({EVIL: shard.name})(path)


# What makes the source, and whether its text is to be seen in what is said.
SOURCES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a key that is left out": (keys_of_openclip, True),
    "an unexpected key": (unexpected_key, True),
    "keys of no format": (no_known_keys, True),
    "keys without tensors": (no_tensor, True),
    "entries that are no tensors": (other_entries, True),
    "a legacy file's key": (legacy_key, True),
    "a Paddle file's key": (paddle_key, True),
    "a global": (unknown_global, True),
    "entries of a zip": (zip_entries, False),
    "a safetensors key": (safetensors_key, False),  # of half a letter, which is refused and not repeated
    "a safetensors dtype": (safetensors_dtype, True),
    "a safetensors key whose offsets are wrong": (safetensors_offsets, False),  # likewise
    "safetensors metadata": (safetensors_metadata, False),
    "a safetensors header that is no JSON": (safetensors_json, False),
    "a shard that is missing": (index_of({"w": EVIL_NAME.replace("/", " ")}), True),
    "a shard that no file can be": (index_of({"w": EVIL}), True),
    "a shard in another folder": (index_of({"w": f"../{EVIL}"}), False),
    "a shard and its key": (index_with_shard, True),
}


# What only a given architecture has listed.
UNEXPECTED = ("an unexpected key", "a legacy file's key", "a Paddle file's key")


def said(capfd: pytest.CaptureFixture[str]) -> str:
    """What was printed; JSON is looked at as such."""
    out, err = capfd.readouterr()
    assert_clean(out, "json" if out.startswith("{") else "terminal")
    assert_clean(err)
    return out + err


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("mode", [[], ["--plan"], ["--json"]], ids=" ".join)
def test_text_in_a_source_is_printed_by_its_escapes(
    kind: str, mode: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, is_said = SOURCES[kind]
    make(tmp_path / "x.pth")
    (source,) = [path for path in tmp_path.iterdir() if path.name in ("x.pth", "x.safetensors.index.json")]

    options = ["--arch", "convnext_digits"] if kind in UNEXPECTED else ["--num-classes", "10"]
    main(["--src", str(source), "--dst", str(tmp_path / "y.pdparams"), *options, *mode])

    assert (WORD in said(capfd)) >= is_said


def test_a_key_that_is_left_out_is_said_on_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keys_of_openclip(tmp_path / "x.pth")

    words = ["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "y.pdparams"), "--num-classes", "10"]
    assert main(words) == 0

    line = capfd.readouterr().out.splitlines()[3]
    assert line.startswith(f"1 tensor of other parts of the model left out, first text.{WORD}\\x1b]0;x\\x07\\x1b[2J")


# An option, and the value that the rest of the command line is given.
OPTIONS = ("--arch", "--weights", "--sha256", "--to", "--dtype", "--num-classes", "--unknown")


@pytest.mark.parametrize("option", OPTIONS)
def test_text_that_was_typed_is_repeated_by_its_escapes(
    option: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--src", str(sample.CHECKPOINT), "--dst", str(tmp_path / "y.pdparams"), option, EVIL]
    with contextlib.suppress(SystemExit):
        main(words)

    assert WORD in said(capfd) or option == "--sha256"  # which is for a download, and says so


@pytest.mark.parametrize("mode", [[], ["--json"], ["--plan"]], ids=" ".join)
@pytest.mark.parametrize("kind", ["source", "target", "folder", "missing"])
def test_names_of_files_are_printed_by_their_escapes(
    kind: str, mode: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / EVIL_NAME.replace("/", " ")
    source, target = tmp_path / "x.pth", tmp_path / "y.pdparams"
    write_checkpoint(source, WEIGHTS, framework="torch")
    if kind == "folder":
        evil.mkdir()
        target = evil
    elif kind == "target":
        target = evil.with_name(f"{evil.name}.pdparams")
    else:
        source = source.rename(evil) if kind == "source" else evil

    status = main(["--src", str(source), "--dst", str(target), *mode])

    assert status == (kind == "missing" or (kind == "folder" and mode != ["--plan"]))
    assert WORD in said(capfd) or (mode == ["--plan"] and kind in ("target", "folder"))


ADDRESSES = {
    "in the path": "{url}/" + EVIL,
    "in the query": "{url}/x.pth?" + EVIL,
    "in the host": "http://" + EVIL + "/x.pth",
    "in the user": "http://" + EVIL + "@127.0.0.1/x.pth",
    "in the port": "http://127.0.0.1:" + EVIL,
}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_an_address_is_printed_by_its_escapes(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        assert main(["--src", ADDRESSES[kind].format(url=server.url), "--dst", str(tmp_path / "y.pdparams")]) == 1

    assert said(capfd)


@pytest.mark.parametrize("place", ["location", "etag", "modified", "content_type", "length", "reason"])
def test_what_a_server_says_is_printed_by_its_escapes(
    place: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = EVIL.replace("\r\n", " ").replace("\n", " ").encode("ascii", "ignore").decode()
    with serving(status=404 if place == "reason" else 200) as server:
        setattr(server, place, text)
        assert main(["--src", f"{server.url}/x.pth", "--dst", str(tmp_path / "y.pdparams")]) == 1

    assert said(capfd)


@pytest.mark.parametrize("variable", ["PADDLEFERRY_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_a_variable_is_printed_by_its_escapes(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name_ in ("PADDLEFERRY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name_, raising=False)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(variable, str(tmp_path / "file" / EVIL_NAME.replace("/", " ")))
    with serving() as server:
        assert main(["--src", f"{server.url}/x.pth", "--dst", str(tmp_path / "y.pdparams")]) == 1

    assert WORD in said(capfd)


def test_an_error_has_the_lines_of_its_arguments_and_no_more() -> None:
    error = FerryError(f"first {EVIL}", f"second {EVIL}")

    assert [line.split()[0] for line in str(error).splitlines()] == ["first", "second"]
    assert str(error).replace("\n", "").isprintable()


SINGLE = [*map(chr, range(32)), "\x7f", "\x9b", "\ufeff", "\u2066", "\udcff", "\ue000"]


@pytest.mark.parametrize("text", [EVIL, EVIL_NAME, CLEAN_UTF8, *SINGLE], ids=ascii)
def test_the_doors_let_nothing_through_but_their_own_ends_of_lines(text: str) -> None:
    assert visible(text).isprintable()
    assert joined([text, text]).count("\n") == 1
    assert printable(f"a\n{text}").count("\n") == 1 + text.count("\n")
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("text", ["plain", "ä.\N{SNOWMAN}", "\U0001f600", "模型", "a\\b"])
def test_the_doors_leave_what_is_printable(text: str) -> None:
    assert visible(text) == joined([text]) == printable(text) == text
