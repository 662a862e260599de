"""A source that is written to while it is converted is refused with the cause, or was read as a whole before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkpoint_files import run_python, standing
from two_models import CONTAINERS

import convert.files
from convert import read_checkpoint
from convert.cli import main
from convert.errors import UnreadableSource

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "change_files.py"
LONG_AGO = 1_600_000_000


class Scene:
    """A source, the bytes of another model for the file that will change, and what each converts to."""

    def __init__(self, container: str, folder: Path) -> None:
        name, changing, write = CONTAINERS[container]
        self.source, self.changing = folder / name, folder / changing
        self.target = folder / f"y{'.safetensors' if container == 'paddle pickle' else '.pdparams'}"
        self.arguments = ["--src", str(self.source), "--dst", str(self.target), "--force"]
        self.bytes, self.converted = {}, {}
        for model in "BA":
            write(self.source, model)
            self.bytes[model] = self.changing.read_bytes()
            assert main(self.arguments) == 0
            self.converted[model] = self.target.read_bytes()
        self.restore()

    def restore(self) -> None:
        """The first model's file, written long ago, and no target."""
        self.changing.unlink(missing_ok=True)
        self.changing.write_bytes(self.bytes["A"])
        os.utime(self.changing, (LONG_AGO, LONG_AGO))
        self.target.unlink(missing_ok=True)


class Meddler:
    """Counts what is read of files, and does something right before the read of a number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads, self.at = 0, -1
        self.act: Callable[[], object] = bool
        counting = threading.Lock()  # two threads read
        read_at = convert.files.read_at

        def meddled(descriptor: int, position: int, target: memoryview) -> int:
            with counting:
                if self.reads == self.at:
                    self.act()
                self.reads += 1
            return read_at(descriptor, position, target)

        monkeypatch.setattr(convert.files, "read_at", meddled)

    def arm(self, at: int, act: Callable[[], object]) -> None:
        self.reads, self.at, self.act = 0, at, act


@pytest.fixture
def meddler(monkeypatch: pytest.MonkeyPatch) -> Meddler:
    return Meddler(monkeypatch)


@pytest.fixture(params=CONTAINERS)
def scene(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Scene:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of files are written that no power cut will meet
    made = Scene(request.param, tmp_path)
    capsys.readouterr()
    return made


def moments(scene: Scene, meddler: Meddler, count: int = 12) -> Iterator[int]:
    """Numbers of reads of the open file spread over a conversion, the first and the last among them."""
    meddler.arm(-1, bool)
    assert main(scene.arguments) == 0
    first, last = (
        2 * (scene.changing != scene.source),
        meddler.reads - 1,
    )  # an index is read before its shards are opened
    assert last - first > 70  # a tensor each at least
    yield from sorted({first + round(step * (last - first) / (count - 1)) for step in range(count)})


def overwrite(scene: Scene) -> None:
    with scene.changing.open("r+b") as file:
        file.write(scene.bytes["B"])


def overwrite_half(scene: Scene) -> None:
    with scene.changing.open("r+b") as file:
        file.seek(len(scene.bytes["B"]) // 2)
        file.write(scene.bytes["B"][len(scene.bytes["B"]) // 2 :])


def overwrite_and_set_the_time_back(scene: Scene) -> None:
    overwrite(scene)
    os.utime(scene.changing, (LONG_AGO, LONG_AGO))


def cut(scene: Scene) -> None:
    os.truncate(scene.changing, 100)


def rewrite(scene: Scene) -> None:
    """As `cp` and torch.save write over a file."""
    scene.changing.write_bytes(scene.bytes["B"])


IN_PLACE = (overwrite, overwrite_half, overwrite_and_set_the_time_back, cut, rewrite)


@pytest.mark.parametrize("change", IN_PLACE)
def test_a_source_that_is_written_to_is_refused_with_the_cause(
    change: Callable[[Scene], None], scene: Scene, meddler: Meddler, capsys: pytest.CaptureFixture[str]
) -> None:
    for moment in moments(scene, meddler):
        scene.restore()
        before = set(standing(scene.source.parent))
        capsys.readouterr()
        meddler.arm(moment, lambda: change(scene))

        status = main(scene.arguments)

        cause = "changed while it was read; wait until whoever writes it has finished, and run this again"
        said = f"convert: {scene.changing}: {cause}\nconvert: nothing was written\n"
        assert (status, capsys.readouterr()) == (1, ("", said))
        assert set(standing(scene.source.parent)) == before


def replace(scene: Scene) -> None:
    other = scene.changing.with_name("other")
    other.write_bytes(scene.bytes["B"])
    other.replace(scene.changing)


@pytest.mark.parametrize("change", [replace, lambda scene: scene.changing.unlink()], ids=["replaced", "removed"])
def test_a_source_whose_name_goes_to_another_file_is_converted_as_it_was_opened(
    change: Callable[[Scene], None], scene: Scene, meddler: Meddler
) -> None:
    for moment in moments(scene, meddler, count=4):
        scene.restore()
        meddler.arm(moment, lambda: change(scene))

        assert main(scene.arguments) == 0

        assert scene.target.read_bytes() == scene.converted["A"]


@pytest.mark.parametrize("option", ["--plan", "--json"])
def test_it_is_refused_just_so_with(
    option: str, scene: Scene, meddler: Meddler, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*scene.arguments, "--json"] if option == "--json" else ["--src", str(scene.source), "--plan"]
    for moment in moments(scene, meddler, count=4):
        scene.restore()
        capsys.readouterr()
        meddler.arm(moment, lambda: overwrite(scene))

        assert main(arguments) == 1

        out, err = capsys.readouterr()
        assert out == ""
        assert "changed while it was read" in err
        assert not scene.target.exists()


def test_a_source_that_changes_after_its_last_tensor_is_read_and_while_it_is_digested_is_refused(
    scene: Scene, meddler: Meddler, capsys: pytest.CaptureFixture[str]
) -> None:
    meddler.arm(-1, bool)
    assert main([*scene.arguments, "--json"]) == 0
    last = meddler.reads - 1
    scene.restore()
    meddler.arm(last, lambda: overwrite(scene))

    assert main([*scene.arguments, "--json"]) == 1

    assert "changed while it was read" in capsys.readouterr().err
    assert not scene.target.exists()


def test_a_checkpoint_read_from_python_is_refused_just_so(scene: Scene, meddler: Meddler) -> None:
    meddler.arm(-1, bool)
    read_checkpoint(scene.source)
    for moment in (2, meddler.reads // 2, meddler.reads - 1):
        scene.restore()
        meddler.arm(moment, lambda: overwrite(scene))

        with pytest.raises(UnreadableSource):
            read_checkpoint(scene.source)


OPENED = """
import collections, sys
from convert.cli import main
seen = collections.Counter()
sys.addaudithook(lambda event, args: seen.update([str(args[0])] if event == "open" else [f"{event} {args}"]
    if event.startswith("mmap") else []))
status = main(["--src", sys.argv[1], *sys.argv[4:]])
print(status, [seen[path] for path in sys.argv[1:4]], [name for name in seen if name.startswith("mmap")])
"""


@pytest.mark.parametrize("option", ["--dst", "--json", "--plan"])
def test_a_source_is_opened_once_and_never_mapped_with(option: str, scene: Scene) -> None:
    options = [option] if option == "--plan" else ["--dst", scene.target, *[option] * (option == "--json")]
    child = run_python(OPENED, scene.source, scene.target, scene.changing, *options)

    assert child.stdout.splitlines()[-1] == "0 [1, 0, 1] []"


def test_a_pipe_in_the_source_s_place_ends_the_command_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "x.pth")

    assert main(["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "y.pdparams")]) == 1

    said = "is a pipe or a device, not a file; save it to the disk first"
    assert capsys.readouterr().err == f"convert: {tmp_path}/x.pth: {said}\nconvert: nothing was written\n"


def test_changes_at_random_moments_mix_nothing_and_end_no_process() -> None:
    child = subprocess.run(
        [sys.executable, SCRIPT, "--convert", "20", "--verify", "0", "--seed", "3"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    rows = {line[:28].strip(): int(line[28:]) for line in child.stdout.splitlines()}
    assert child.returncode == 0, child.stdout
    assert rows.pop("right: one model, complete") + rows.pop("refused with the cause") == 20
    assert set(rows.values()) == {0}
