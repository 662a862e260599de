"""Paths that cannot be, for every option of both commands that takes one: one error that names it, status 1."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up_images import touch

from convert.cli import make_parser as convert_parser
from convert.paths import make_folders
from convert.visible import visible
from verify import sample
from verify.run import convert_sample
from verify.usage import make_parser as verify_parser

DEEP = 1500  # folders in one another; Python allows 1,000 calls

SRC = str(sample.CHECKPOINT)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A good target."""
    return str(convert_sample(tmp_path_factory.mktemp("target")))


# For each option the rest of a command line; {path} is what cannot be, {target} a good target.
CONVERT = {
    "--src": ["--src", "{path}", "--dst", "{new}.pdparams"],
    "--dst": ["--src", SRC, "--dst", "{path}.pdparams"],
    "--table": ["--table", "{path}.toml", "--src", SRC, "--dst", "{new}.pdparams"],
}
PAIR = ["--src", SRC, "--dst", "{target}"]
DATA = [*PAIR, "--data", str(sample.IMAGES)]
VERIFY = {
    "--src": ["--src", "{path}", "--dst", "{target}"],
    "--dst": ["--src", SRC, "--dst", "{path}"],
    "--data": [*PAIR, "--data", "{path}"],
    "--devkit": [*DATA, "--devkit", "{path}"],
    "--classes": [*DATA, "--classes", "{path}"],
    "--class-map": [*DATA, "--class-map", "{path}"],
    "--report": [*DATA, "--report", "{path}"],
    "--merge": ["--merge", "{path}"],
    "--table": [*PAIR, "--table", "{path}.toml"],
}
LINES = [("convert", option) for option in CONVERT] + [("verify", option) for option in VERIFY]


def in_a_loop(folder: Path) -> str:
    (folder / "loop").symlink_to(folder / "loop")
    return str(folder / "loop" / "x")


def beyond_a_file(folder: Path) -> str:
    (folder / "file").write_bytes(b"")
    return str(folder / "file" / "x")


def in_a_closed_folder(folder: Path) -> str:
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0)
    return str(folder / "closed" / "x")


PATHS: dict[str, Callable[[Path], str]] = {
    "of 256 characters": lambda folder: str(folder / ("x" * 256)),
    "of 256 characters, bare": lambda _: "x" * 256,
    "of 5,000 characters": lambda folder: str(folder) + "/x" * 2500,
    "with a NUL": lambda folder: str(folder / "x\0y"),
    "with half of a pair": lambda folder: str(folder / "x\ud800y"),
    "in a loop of links": in_a_loop,
    "beyond a file": beyond_a_file,
}


def words(command: str, option: str, **places: str) -> list[str]:
    line = (CONVERT if command == "convert" else VERIFY)[option]
    return [word.format(**places) for word in line]


def run(command: str, given: list[str]) -> int:
    from convert.cli import main as convert
    from verify.cli import main as verify

    return convert(given) if command == "convert" else verify(given)


def test_every_option_that_takes_a_path_is_here() -> None:
    for parser, lines in ((convert_parser(), CONVERT), (verify_parser(), VERIFY)):
        takes_path = {
            action.option_strings[-1]
            for action in parser._actions
            if action.type is Path or ("FILE" in (action.metavar or "") and action.option_strings)
        }
        assert takes_path == set(lines)


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(("command", "option"), LINES)
def test_a_path_that_cannot_be_is_one_error(
    command: str, option: str, kind: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = PATHS[kind](tmp_path)
    before = sorted(tmp_path.iterdir())

    status = run(command, words(command, option, path=path, target=target, new=str(tmp_path / "new")))

    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line != "convert: nothing was written"]
    assert (status, out, len(lines)) == (1, "", 1), err
    assert lines[0].startswith(f"{command}: ")
    assert visible(path)[:200] in lines[0]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["convert", "verify"])
def test_a_folder_that_may_not_be_entered_is_one_error(command: str, target: str) -> None:
    """As root everything may be entered, so as root the commands are run as nobody."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="paddleferry-"))
    try:
        folder.chmod(0o755)
        path = in_a_closed_folder(folder)
        copy = folder / "x.pdparams"
        shutil.copyfile(target, copy)
        copy.chmod(0o644)
        options = [option for name, option in LINES if name == command]
        lines = [words(command, option, path=path, target=str(copy), new=str(folder / "new")) for option in options]
        child = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, command, *("\x1f".join(line) for line in lines)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (folder / "closed").chmod(0o700)
        shutil.rmtree(folder)

    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["1"] * len(lines)
    messages = [line for line in child.stderr.splitlines() if "nothing was written" not in line]
    assert all("Permission denied" in message and str(folder / "closed") in message for message in messages)
    assert len(messages) == len(lines)


AS_NOBODY = """\
import os, sys
import convert.job, convert.summary, convert.source.locate, convert.source.cache, convert.tables.spec
import verify.run, verify.report, verify.result, verify.datasets, verify.why.question, verify.workers.compute
import verify.pairing.stranger, verify.pairing.trust
from convert.cli import main as convert
from verify.cli import main as verify
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for line in sys.argv[2:]:
    print((convert if sys.argv[1] == "convert" else verify)(line.split("\\x1f")))
"""


@pytest.fixture
def depths(tmp_path: Path) -> Iterator[Path]:
    """The innermost of folders in one another."""
    deepest = tmp_path
    for _ in range(DEEP):
        deepest /= "d"
    make_folders(deepest)
    yield deepest
    for _ in range(DEEP):  # pytest would remove them by calls in one another
        for path in deepest.iterdir():
            path.unlink()
        deepest.rmdir()
        deepest = deepest.parent


def test_a_validation_set_of_any_depth_is_read(
    depths: Path, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from verify.datasets import read_dataset

    touch(depths, "x.png")

    dataset = read_dataset(tmp_path, 10, labelled=False)

    assert [item.name for item in dataset.items] == ["d/" * DEEP + "x.png"]
    assert run("verify", words("verify", "--data", path=str(tmp_path), target=target)) == 1
    assert capsys.readouterr().err.startswith(f"verify: {tmp_path}: 1 class folder")


def test_a_folder_of_any_depth_is_made(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b" / "c")
    make_folders(tmp_path / "a")

    assert (tmp_path / "a" / "b" / "c").is_dir()
