"""`inspect` refuses what reading a checkpoint refuses, in the same words; it shows what is only not to be converted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_files import FILES, make
from bombs import BOMBS
from checkpoint_files import as_tensors, run_python, write_pth
from fuzz import CONTAINERS as FUZZED
from fuzz import Victim, bases
from hostile_pickles import CONTAINERS, MARKER, SHAPES, TORCH_SHAPES
from hostile_text import CLEAN_UTF8, assert_clean
from objects_beside import OBJECTS
from pickles import a_dict, stream, tensor
from planted_pickles import OF_PADDLE, OF_TORCH, of_torch
from planted_zips import ZIPS

from convert import ARCHS, read_checkpoint
from convert.checkpoints.containers import INDEX_SUFFIX
from convert.errors import CheckpointError
from convert.inspect.document import as_json
from convert.inspect.inspection import inspect_file
from convert.inspect.opened import MAX_SHARE
from convert.inspect.text import as_text
from verify.program.commands import main
from verify.selftest.weights import distinct_weights

pytestmark = pytest.mark.long

SPEC = ARCHS["convnext_digits"]
COUNT = 60  # damaged copies of each file
STORAGE = np.arange(4, dtype="<f4").tobytes()

# Files that hold tensors, but not one state dict and no more: they are shown.
SHOWN = (
    "a tensor",
    "a list of tensors",
    "a tensor in a legacy file",
    "an epoch among the tensors",
    "two state dicts",
)


def outcome(read: object, path: Path) -> str:
    """What is said of a file; "read" where nothing is wrong with it."""
    try:
        read(path)  # type: ignore[operator]
    except CheckpointError as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def assert_as_read(path: Path) -> None:
    expected = outcome(read_checkpoint, path)

    assert outcome(inspect_file, path) == expected
    assert outcome(lambda path: inspect_file(path, thorough=True), path) == expected


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind not in SHOWN])
def test_it_says_what_reading_says_of(kind: str, tmp_path: Path) -> None:
    assert_as_read(make(kind, tmp_path))


@pytest.mark.parametrize("kind", SHOWN)
def test_it_shows(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path)

    assert outcome(read_checkpoint, path) != "read"
    assert outcome(inspect_file, path) == "read"


def test_it_says_what_reading_says_of_every_planted_pickle(tmp_path: Path) -> None:
    for number, kind in enumerate(OF_TORCH):
        assert_as_read(write_pth(tmp_path / f"{number}.pth", of_torch(kind), {"0": STORAGE}))
    for number, (body, _) in enumerate(OF_PADDLE.values()):
        path = tmp_path / f"{number}.pdparams"
        path.write_bytes(stream(body, 4))
        assert_as_read(path)


def test_it_says_what_reading_says_of_every_planted_zip(tmp_path: Path) -> None:
    for number, (content, _) in enumerate(ZIPS.values()):
        path = tmp_path / f"{number}.pth"
        path.write_bytes(content())
        assert_as_read(path)


@pytest.mark.parametrize("container", CONTAINERS)
def test_it_says_what_reading_says_of_every_hostile_pickle(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, (pickle, *_) in enumerate([*SHAPES.values(), *TORCH_SHAPES.values()]):
        path = tmp_path / f"{number}.{'pdparams' if container == 'pdparams' else 'pth'}"
        CONTAINERS[container](path, pickle)
        assert_as_read(path)

    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("kind", BOMBS)
def test_little_time_is_taken_by(kind: str, tmp_path: Path) -> None:
    path = tmp_path / (f"x{INDEX_SUFFIX}" if "index of" in kind and "memo" not in kind else "x.pth")
    BOMBS[kind](path)
    expected = outcome(read_checkpoint, path)

    begin = time.process_time()
    assert outcome(inspect_file, path) == expected
    assert time.process_time() - begin < 3


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("kind", OBJECTS)
def test_the_weights_are_shown_beside(kind: str, is_legacy: bool, tmp_path: Path) -> None:
    weights = as_tensors(distinct_weights(SPEC.params(), dtype="float32"))
    value = OBJECTS[kind][0]()
    whole = {"model": weights, "extra": value, "more": {"inner": [value], "tensor": torch.ones(1)}}
    torch.save(whole, tmp_path / "x.pth", _use_new_zipfile_serialization=not is_legacy)
    assert outcome(read_checkpoint, tmp_path / "x.pth") == "read"

    inspection = inspect_file(tmp_path / "x.pth")

    assert inspection.places[0].recognised.arch == SPEC.name
    assert set(OBJECTS[kind][1]) <= set(inspection.kinds)


def views(count: int) -> bytes:
    """Overlapping tensors of one storage of 4 KB, a few bytes of pickle each."""
    return stream(a_dict({f"{n}": tensor((1000,), (1,), offset=n, numel=2000) for n in range(count)}), 2)


def test_a_storage_that_is_viewed_over_and_over_is_refused(tmp_path: Path) -> None:
    path = write_pth(tmp_path / "x.pth", views(1000), {"0": bytes(8000)})

    assert "RefusedCheckpoint" in outcome(inspect_file, path)
    assert f"they share them more than {MAX_SHARE} times" in outcome(inspect_file, path)


def test_a_few_views_of_one_storage_are_shown(tmp_path: Path) -> None:
    path = write_pth(tmp_path / "x.pth", views(5), {"0": bytes(8000)})

    assert len(inspect_file(path).places[0].tensors) == 5


def test_more_tensors_than_any_state_dict_has_are_refused(tmp_path: Path) -> None:
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps(dict.fromkeys(map(str, range(20_001)), entry)).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)

    assert_as_read(path)
    assert outcome(inspect_file, path).endswith("20,001 tensors, where 20,000 are the limit")


NESTED = {
    "in itself": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    "a thousand deep": b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 1000 + b"}" + b"s" * 1000 + b".",
    "two of the last one, forty times": b"\x80\x02]q\x00" + b"".join(
        b"]q" + bytes([n]) + b"h" + bytes([n - 1]) + b"ah" + bytes([n - 1]) + b"a0h" + bytes([n]) for n in range(1, 41)
    ) + b".",
}  # fmt: skip


@pytest.mark.parametrize("kind", NESTED)
def test_objects_are_walked_through_once_that_are_nested(kind: str, tmp_path: Path) -> None:
    path = write_pth(tmp_path / "x.pth", NESTED[kind])
    begin = time.process_time()

    assert outcome(inspect_file, path) == outcome(read_checkpoint, path) != "read"
    assert time.process_time() - begin < 1


def test_text_out_of_a_file_is_printed_by_its_escapes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tensors = {CLEAN_UTF8: torch.zeros(3), f"{CLEAN_UTF8}.weight": torch.full((2,), torch.nan)}
    torch.save({CLEAN_UTF8: {"model": tensors}, f"x{CLEAN_UTF8}": CLEAN_UTF8}, tmp_path / "a.pth")
    torch.save({CLEAN_UTF8: torch.ones(3), "other": torch.zeros(3)}, tmp_path / "b.pth")

    for words in (["a.pth"], ["a.pth", "--tensors"], ["a.pth", "--json"], ["a.pth", "--tensors", "--json"]):
        assert main(["inspect", str(tmp_path / words[0]), *words[1:]]) == 0
    for form in ([], ["--json"]):
        assert main(["inspect", str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), "--diff", *form]) == 1

    assert_clean(capfd.readouterr().out)


def test_a_source_that_is_written_to_meanwhile_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from convert.inspect import inspection\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "def change(_):\n"
        "    with path.open('r+b') as file:\n"
        "        file.seek(-300, 2)\n"
        "        file.write(b'x')\n"
        "try:\n"
        "    inspection.inspect_file(path, progress=change)\n"
        "except inspection.CheckpointError as error:\n"
        "    print(type(error).__name__, str(error).removeprefix(str(path)))"
    ).replace("inspection.CheckpointError", "__import__('convert.errors').errors.CheckpointError")
    torch.save({"w": torch.ones(2_000_000)}, tmp_path / "x.pth")

    child = run_python(code, tmp_path / "x.pth")

    assert child.stdout.startswith("UnreadableSource : changed while it was read"), child.stderr


class Looked(Victim):
    """A file that is damaged and looked at, where others are converted."""

    def outcome(self, arch: str) -> str:  # noqa: ARG002 - one signature for both
        try:
            inspection = inspect_file(self.source, thorough=True)
        except CheckpointError:
            return "refused"
        assert as_text(inspection, tensors=True)
        assert json.loads(as_json(inspection, tensors=True))
        return "read"


@pytest.mark.parametrize("container", FUZZED)
def test_damage_of_any_kind_is_refused_or_shown_in(container: str, tmp_path: Path) -> None:
    victims = [Looked(base, tmp_path / str(number)) for number, base in enumerate(bases(container))]

    outcomes = {victim.convert(number) for victim in victims for number in range(COUNT)}

    assert outcomes == {"refused", "read"}
