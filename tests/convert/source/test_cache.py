"""The cache of downloads: what is in it, how it is checked, and who may use it at the same time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from server import CONTENT, failure, get, raising, serving

from convert.errors import FerryError
from convert.source.cache import Fetched, FetchError, cache_folder, fetch

SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64
CHECK = "it was removed from the cache, check the digest and the address"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def entries(cache: Path) -> list[str]:
    """The cache's files without the start that is made from the address."""
    return sorted(path.name.partition("-")[2] for path in cache.iterdir())


def test_a_file_is_downloaded_once(tmp_path: Path) -> None:
    with serving() as server:
        first, second = get(server, tmp_path), get(server, tmp_path)

        assert first == Fetched(first.path, SHA256, 200_000, from_cache=False)
        assert second == Fetched(first.path, SHA256, 200_000, from_cache=True)
        assert len(server.seen) == 1


def test_the_digest_is_recorded_beside_the_file_as_sha256sum_reads_it(tmp_path: Path) -> None:
    with serving() as server:
        path = get(server, tmp_path).path

    assert path.with_name(f"{path.name}.sha256").read_text() == f"{SHA256}  {path.name}\n"
    assert entries(tmp_path) == ["x.pth", "x.pth.lock", "x.pth.sha256"]


def test_two_addresses_with_one_file_name_are_two_entries(tmp_path: Path) -> None:
    with serving() as server:
        paths = {fetch(f"{server.url}/{folder}/x.pth", cache=tmp_path).path for folder in ("a", "b")}

    assert len(paths) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [("/", "file"), ("/x.pth?download=true", "x.pth"), ("/..", ".."), ("/%2e%2e%2fx:y.pth", "_2e_2e_2fx_y.pth")],
)
def test_an_address_cannot_leave_the_cache(path: str, name: str, tmp_path: Path) -> None:
    with serving() as server:
        fetched = fetch(server.url + path, cache=tmp_path)

    assert fetched.path.parent == tmp_path
    assert fetched.path.name.partition("-")[2] == name


def test_a_changed_cache_entry_is_refused_and_removed(tmp_path: Path) -> None:
    changed = bytes([*CONTENT[:-1], CONTENT[-1] ^ 1])
    with serving() as server:
        path = get(server, tmp_path).path
        path.write_bytes(changed)

        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{path}: the cached copy of {server.url}/x.pth changed after it was downloaded: expected sha256 {SHA256}, "
            f"found {hashlib.sha256(changed).hexdigest()}; it was removed, run it again to download it anew"
        )
        assert entries(tmp_path) == ["x.pth.lock"]
        assert get(server, tmp_path).from_cache is False


@pytest.mark.parametrize("lost", ["", ".sha256"])
def test_an_entry_of_which_half_is_lost_is_downloaded_anew(lost: str, tmp_path: Path) -> None:
    with serving() as server:
        path = get(server, tmp_path).path
        path.with_name(path.name + lost).unlink()

        assert get(server, tmp_path) == Fetched(path, SHA256, 200_000, from_cache=False)


@pytest.mark.parametrize("sha256", [SHA256, SHA256.upper()])
def test_a_given_digest_is_compared(sha256: str, tmp_path: Path) -> None:
    with serving() as server:
        for from_cache in (False, True):
            fetched = fetch(f"{server.url}/x.pth", cache=tmp_path, sha256=sha256)

            assert (fetched.sha256, fetched.from_cache) == (SHA256, from_cache)


@pytest.mark.parametrize("cached", [False, True])
def test_a_file_of_another_digest_is_refused_and_removed(cached: bool, tmp_path: Path) -> None:
    with serving() as server:
        if cached:
            get(server, tmp_path)
        with pytest.raises(FetchError) as caught:
            fetch(f"{server.url}/x.pth", cache=tmp_path, sha256=OTHER)

        assert str(caught.value) == (
            f"{server.url}/x.pth: is not the file that was asked for: expected sha256 {OTHER}, found {SHA256}; {CHECK}"
        )
        assert entries(tmp_path) == ["x.pth.lock"]


@pytest.mark.parametrize(
    ("sha256", "message"),
    [
        ("abc", "sha256 'abc': expected 64 hexadecimal digits, found 3 characters"),
        ("g" * 64, f"sha256 '{'g' * 64}': expected 64 hexadecimal digits, found 64 characters"),
        (OTHER + "\n", f"sha256 '{OTHER}\\n': expected 64 hexadecimal digits, found 65 characters"),
    ],
)
def test_what_is_no_digest_is_refused_before_anything_is_asked(sha256: str, message: str, tmp_path: Path) -> None:
    with serving() as server:
        with pytest.raises(FetchError) as caught:
            fetch(f"{server.url}/x.pth", cache=tmp_path, sha256=sha256)

        assert str(caught.value) == message
        assert server.seen == []


def test_a_digest_in_the_file_name_is_compared(tmp_path: Path) -> None:
    with serving() as server:
        for digest in (SHA256[:8], SHA256):
            assert fetch(f"{server.url}/x-{digest}.pth", cache=tmp_path).sha256 == SHA256
        message = failure(f"{server.url}/x-0123abcd.pth?download=true", tmp_path)

        assert message == (
            f"{server.url}/x-0123abcd.pth?...: is not the file that was asked for: expected sha256 "
            f"0123abcd... (of its name), found {SHA256}; {CHECK}"
        )


@pytest.mark.parametrize("name", ["x-0123abc.pth", "x_0123abcd.pth", "x-0123abcd-ema.pth", "x-0123ABCD.pth"])
def test_what_is_no_digest_in_a_file_name_is_not_compared(name: str, tmp_path: Path) -> None:
    with serving() as server:
        assert fetch(f"{server.url}/{name}", cache=tmp_path).sha256 == SHA256


def test_a_given_digest_stands_above_the_one_in_the_file_name(tmp_path: Path) -> None:
    with serving() as server:
        assert fetch(f"{server.url}/x-20240101.pth", cache=tmp_path, sha256=SHA256).sha256 == SHA256


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"PADDLEFERRY_CACHE": "{tmp}/mine", "XDG_CACHE_HOME": "{tmp}/xdg"}, "mine"),
        ({"XDG_CACHE_HOME": "{tmp}/xdg"}, "xdg/paddleferry"),
        ({"XDG_CACHE_HOME": "relative"}, "home/.cache/paddleferry"),
        ({}, "home/.cache/paddleferry"),
    ],
)
def test_the_environment_says_where_the_cache_is(
    environment: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PADDLEFERRY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, environment.get(name, "").format(tmp=tmp_path))

    with serving() as server:
        fetched = fetch(f"{server.url}/x.pth")

    assert fetched.path.parent == tmp_path / folder


def test_without_a_home_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PADDLEFERRY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", raising(RuntimeError("Could not determine home directory.")))

    with pytest.raises(FerryError) as caught:
        cache_folder()

    assert str(caught.value) == "there is no home folder to keep a cache in; set PADDLEFERRY_CACHE"


def test_a_cache_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    cache = tmp_path / "taken" / "cache"

    assert failure("http://127.0.0.1/x.pth", cache) == (
        f"{cache}: cannot hold the cache: Not a directory; set PADDLEFERRY_CACHE to a folder that can"
    )


def test_a_full_disk_is_one_error_that_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", raising(OSError(28, "No space left on device")))

            assert failure(f"{server.url}/x.pth", tmp_path) == (
                f"{tmp_path}: cannot hold the cache: No space left on device; "
                "set PADDLEFERRY_CACHE to a folder that can"
            )

        assert get(server, tmp_path).sha256 == SHA256
        assert len(server.seen) == 1


CHILD = """
import pathlib, sys
from convert.source.cache import fetch
fetched = fetch(sys.argv[1], cache=pathlib.Path(sys.argv[2]))
print(fetched.sha256, fetched.from_cache)
"""


def test_of_two_processes_one_downloads_and_the_other_waits(tmp_path: Path) -> None:
    hold = threading.Event()
    with serving(hold=hold) as server:
        url = f"{server.url}/x.pth"
        one = start(url, tmp_path)
        assert server.asked.wait(30)
        two = start(url, tmp_path)
        said = two.stderr.readline() if two.stderr else ""
        hold.set()

        assert one.communicate(timeout=30) == (f"{SHA256} False\n", "")
        assert two.communicate(timeout=30) == (f"{SHA256} True\n", "")
        assert said == f"waiting for another process that fetches {url}\n"
        assert len(server.seen) == 1


def start(url: str, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, url, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
