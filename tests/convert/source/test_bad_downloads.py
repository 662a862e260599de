"""What came, and is no checkpoint: it does not stay in the cache, and the advice to fetch it anew is true."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors
from server import Server, failure, get, serving

from convert import ARCHS, write_pdparams
from convert.cli import main
from convert.source.beginnings import find_flaw
from verify.selftest.weights import distinct_weights

WEIGHTS = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")
FRESH = "it was removed from the cache, run this again to fetch it anew"


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PADDLEFERRY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "x.pth"
    torch.save({"model": as_tensors(WEIGHTS), "model_ema": as_tensors(WEIGHTS)}, path)
    return path.read_bytes()


def convert(server: Server, tmp_path: Path, *options: str) -> int:
    words = ["--src", f"{server.url}/x.pth", "--dst", str(tmp_path / "x.pdparams"), "--weights", "model", *options]
    return main(words)


def entries(tmp_path: Path) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in (tmp_path / "cache").iterdir())


LOCK = ["x.pth.lock"]
KINDS = "is no checkpoint of torch.save, paddle.save or safetensors; give the .pth, .pdparams or .safetensors itself"
JSON = "is JSON, not a checkpoint; the server may have answered with an error, or the file is an index"
PAGE = "is a web page, not a checkpoint; the address gave an error page or wants a login"
BODIES = {
    b"": "is empty (0 bytes); check the address",
    b'{"error": "rate limited"}': JSON,
    b' [{"message": "not found", "path": "/api/v1/files/x.pth", "status": 404, "more": 1}]': JSON,
    b'{"data":{"id": 1}}': JSON,  # the ninth byte is that of a safetensors header
    b"<!DOCTYPE html><title>Sign in</title>": PAGE,
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n": (
        "is a git-lfs pointer, not the file itself; run `git lfs pull`"
    ),
    b"PK": KINDS,
    b"\x80\x08.": KINDS,
    b"<": PAGE,
    b"\0" * 100: KINDS,
}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_what_is_no_checkpoint_is_refused_and_not_kept(body: bytes, tmp_path: Path) -> None:
    with serving(content=body) as server:
        for _ in range(2):
            assert failure(f"{server.url}/x.pth", tmp_path / "cache") == (
                f"{server.url}/x.pth: {BODIES[body]}; nothing of it is kept"
            )

        assert len(server.seen) == 2
    assert entries(tmp_path) == LOCK


def test_it_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    with serving(content=b'{"error": 1}' + b" " * 50_000_000) as server:
        message = failure(f"{server.url}/x.pth", tmp_path / "cache", size=60_000_000, window=0.5)

    assert message == f"{server.url}/x.pth: {JSON}; nothing of it is kept"


def test_a_digest_vouches_for_whatever_it_is(tmp_path: Path) -> None:
    body = b"anything"
    with serving(content=body) as server:
        sha256 = hashlib.sha256(body).hexdigest()

        assert get(server, tmp_path, sha256=sha256).vouched
        assert get(server, tmp_path, path=f"/x-{sha256[:8]}.pth").vouched


def save_torch(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path)


def save_legacy(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path, _use_new_zipfile_serialization=False)


def save_paddle(path: Path) -> None:
    write_pdparams(path, {"w": np.ones(3, "float32")})


def save_safetensors(path: Path) -> None:
    path.write_bytes(
        b"\x40\0\0\0\0\0\0\0" + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(64) + b"1234"
    )


@pytest.mark.parametrize("save", [save_torch, save_legacy, save_paddle, save_safetensors])
def test_every_container_is_known_by_its_first_bytes(save: Callable[[Path], None], tmp_path: Path) -> None:
    save(tmp_path / "x")

    assert find_flaw((tmp_path / "x").read_bytes()[:64]) == ""


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    place = content.index(WEIGHTS["head.weight"].tobytes())
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b"PK\x03\x04", lambda _: b"\x80\x04}."])
def test_what_cannot_be_read_is_dropped_and_fetched_anew(
    damage: Callable[[bytes], bytes], good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(content=damage(good)) as server:
        assert convert(server, tmp_path) == 1
        assert capsys.readouterr().err.splitlines()[2].endswith(f"; {FRESH}")
        assert entries(tmp_path) == LOCK
        assert convert(server, tmp_path) == 1
        assert len(server.seen) == 2

        server.content = good  # the publisher has mended it
        assert convert(server, tmp_path) == 0
        assert len(server.seen) == 3


def test_what_an_earlier_version_has_kept_is_dropped_too(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(content=good) as server:
        assert convert(server, tmp_path) == 0
        (path,) = (tmp_path / "cache").glob("*.pth")
        path.write_bytes(b'{"error": 1}')
        path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  x\n")

        assert convert(server, tmp_path, "--force") == 1
        assert FRESH in capsys.readouterr().err
        assert convert(server, tmp_path, "--force") == 0


def test_one_that_a_digest_vouches_for_stays(good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = flipped(good)
    with serving(content=bad) as server:
        sha256 = hashlib.sha256(bad).hexdigest()

        assert [convert(server, tmp_path, "--sha256", sha256) for _ in range(2)] == [1, 1]
        assert len(server.seen) == 1
    assert FRESH not in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["", "nobody's"])
def test_a_good_file_stays_where_the_user_has_to_choose(
    weights: str, good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(content=good) as server:
        assert convert(server, tmp_path, "--weights", weights) == 1
        assert FRESH not in capsys.readouterr().err
        assert convert(server, tmp_path) == 0
        assert len(server.seen) == 1


def test_a_full_target_disk_does_not_cost_the_download(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(content=good) as server:
        assert convert(server, tmp_path, "--dst", str(tmp_path / "nowhere" / "x.pdparams")) == 1
        assert main(["--src", f"{server.url}/x.pth", "--dst", "/proc/x.pdparams", "--weights", "model"]) == 1
        assert convert(server, tmp_path) == 0
        assert len(server.seen) == 1
    assert FRESH not in capsys.readouterr().err


SECRETS = {
    "a query": "http://{host}/x.pth?token=hunter2",
    "a fragment": "http://{host}/x.pth#hunter2",
    "a query after a fragment": "http://{host}/x.pth#a?hunter2",
    "a user": "http://hunter2@{host}/x.pth",
    "a password": "http://user:hunter2@{host}/x.pth",
    "a password with a slash": "http://user:hun/ter2@{host}/x.pth",
    "a password with a question mark": "http://user:hunter2?@{host}/x.pth",
    "a password with a bracket": "http://user:[hunter2@{host}/x.pth",
    "a blank": "http://{host}/x.pth?token=hunter2 ",
    "a letter beyond ASCII": "http://{host}/x.pth?token=hunter2é",
    "a line break": "http://{host}/x.pth?token=hunter2\nx",
    "another scheme": "HTTPS://{host}/x.pth?token=hunter2",
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("answer", ["good", "bad", "missing", "redirect", "elsewhere"])
def test_nothing_repeats_what_may_be_secret_in_an_address(
    kind: str, answer: str, good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(content=good if answer == "good" else b"{}") as server:
        server.status = 404 if answer == "missing" else 200
        url = SECRETS[kind].format(host=server.url.removeprefix("http://"))
        server.location = {"redirect": url.encode().decode("latin1"), "elsewhere": "ftp://a:hunter2@b/?hunter2"}.get(
            answer, ""
        ).replace("\n", "")
        main(["--src", url, "--dst", str(tmp_path / "x.pdparams"), "--weights", "model", "--json"])

    said = "".join(capsys.readouterr())
    assert said
    assert not re.search("hunter|ter2", said)
    cached = (tmp_path / "cache").glob("*")
    assert not any(b"hunter" in path.read_bytes() or "hunter" in path.name for path in cached)


def test_an_address_without_secrets_is_named_whole(tmp_path: Path) -> None:
    with serving(status=404) as server:
        assert failure(f"{server.url}/a/@b/x%20y.pth", tmp_path).startswith(f"{server.url}/a/@b/x%20y.pth: ")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to(path.parent.parent / "mine"),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("suffix", ["", ".lock", ".part", ".part.json", ".sha256"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_stands_where_a_file_of_the_cache_goes_is_one_error(kind: str, suffix: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    with serving() as server:
        entry = get(server, tmp_path / "cache").path
        planted = entry.with_name(entry.name + suffix)
        planted.unlink(missing_ok=True)
        FOREIGN[kind](planted)

        assert failure(f"{server.url}/x.pth", tmp_path / "cache") == (
            f"{planted}: is a pipe, a link, a folder or a device where a file of the cache goes; remove it"
        )
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_cache_that_may_only_be_read_gives_what_it_has(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def unwritable(path: str, flags: int, *rest: int) -> int:
        if str(path).endswith(".lock"):
            raise OSError(number, os.strerror(number), path)
        return real(path, flags, *rest)

    with serving() as server:
        get(server, tmp_path / "cache")
        monkeypatch.setattr(os, "open", unwritable)

        assert get(server, tmp_path / "cache").from_cache
        assert failure(f"{server.url}/y.pth", tmp_path / "cache") == (
            f"{tmp_path / 'cache'}: cannot hold the cache: {os.strerror(number)}; "
            "set PADDLEFERRY_CACHE to a folder that can"
        )


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_no_error(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: int | IO[bytes], _: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".lock":
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with serving() as server:
        assert get(server, tmp_path / "cache").from_cache is False
        assert get(server, tmp_path / "cache").from_cache
