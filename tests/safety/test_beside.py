"""Objects beside the weights of a `.pth`: none is looked at or made, whatever the file names; the weights are read."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import as_array, same_bits, watched_reads, write_harmless
from hostile_pickles import CONTAINERS, MARKER, NAMES, module_and_attribute
from objects_beside import OBJECTS, Settings
from pickles import a_dict, call, name, stream, tensor
from twins import TINY

import models_torch
from convert import get_spec, read_checkpoint
from convert.checkpoints.hostile_names import is_hostile
from convert.checkpoints.pickle_globals import OTHER_TENSORS
from convert.cli import main
from convert.errors import CheckpointError, RefusedCheckpoint

# Of torch, about quantised and sparse tensors.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3), "v": torch.ones(2)}
ARRAYS = {name: as_array(tensor) for name, tensor in WEIGHTS.items()}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", OBJECTS)
def test_the_weights_are_read_beside(kind: str, legacy: bool, tmp_path: Path) -> None:
    make, names = OBJECTS[kind]
    torch.save(
        {"model": WEIGHTS, "x": make(), "epoch": 3}, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy
    )

    read = read_checkpoint(tmp_path / "x.pth")

    assert read.wrapper == "model"
    assert same_bits(read.tensors, ARRAYS)
    assert read.beside[: len(names)] == names
    assert bool(read.beside) == bool(names)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", OBJECTS)
def test_the_weights_are_read_beside_in_protocol(kind: str, protocol: int, tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "x": [OBJECTS[kind][0]()]}, tmp_path / "x.pth", pickle_protocol=protocol)

    assert same_bits(read_checkpoint(tmp_path / "x.pth").tensors, ARRAYS)


def test_what_torch_reads_as_weights_alone_is_read_too(tmp_path: Path) -> None:
    read_by_torch, read_here = [], []
    for kind, (make, _) in OBJECTS.items():
        torch.save({"model": WEIGHTS, "x": make()}, tmp_path / "x.pth")
        with suppress(pickle.UnpicklingError):
            loaded = torch.load(tmp_path / "x.pth", weights_only=True)["model"]
            assert same_bits({key: as_array(value) for key, value in loaded.items()}, ARRAYS)
            read_by_torch.append(kind)
        if same_bits(read_checkpoint(tmp_path / "x.pth").tensors, ARRAYS):
            read_here.append(kind)

    assert len(read_by_torch) >= 15
    assert set(read_by_torch) <= set(read_here)


@pytest.mark.parametrize("place", ["bare", "wrapped"])
@pytest.mark.parametrize("kind", [kind for kind, (_, names) in OBJECTS.items() if names])
def test_a_file_is_refused_by_name_that_has_among_its_weights(kind: str, place: str, tmp_path: Path) -> None:
    make, names = OBJECTS[kind]
    state_dict = {**WEIGHTS, "x": make()}
    torch.save(state_dict if place == "bare" else {"model": state_dict}, tmp_path / "x.pth")

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.pth")

    message = str(caught.value)
    if kind == "keys of every kind":
        assert ": the state dict holds 1 entries that are no tensors: 'x'; " in message
    elif kind == "a module" and place == "bare":
        assert f"x.pth: holds under 'x' a {names[0]}, which was not run, not a state dict; " in message
    elif names[0] in OTHER_TENSORS:
        assert f"x.pth: the file holds {OTHER_TENSORS[names[0]]} (byte " in message
    else:
        assert f"x.pth: the file names {names[0]}, which no state dict needs; it was not run (byte " in message


@pytest.mark.parametrize("kind", ["a complex tensor", "a tensor with another sign", "an array of complex numbers"])
def test_a_file_is_refused_that_has_such_numbers_among_its_weights(kind: str, tmp_path: Path) -> None:
    torch.save({"model": {**WEIGHTS, "x": OBJECTS[kind][0]()}}, tmp_path / "x.pth")

    with pytest.raises(RefusedCheckpoint):
        read_checkpoint(tmp_path / "x.pth")


def test_a_whole_module_is_told_as_such(tmp_path: Path) -> None:
    torch.save(models_torch.build(TINY), tmp_path / "x.pth")

    with pytest.raises(RefusedCheckpoint) as caught:
        read_checkpoint(tmp_path / "x.pth")

    code = f'torch.save(torch.load("{tmp_path}/x.pth", weights_only=False).state_dict(), "{tmp_path}/x_state_dict.pth")'
    assert str(caught.value) == (
        f"{tmp_path}/x.pth: holds a models_torch.convnext.ConvNeXt, which was not run, not a state dict; "
        f"its author can run: python -c 'import torch; {code}'"
    )


def test_what_an_object_holds_is_not_taken_for_weights(tmp_path: Path) -> None:
    settings = Settings()
    settings.model = WEIGHTS  # type: ignore[attr-defined]
    torch.save({"model": settings}, tmp_path / "x.pth")

    with pytest.raises(RefusedCheckpoint, match=r"the file names objects_beside\.Settings, which no state dict needs"):
        read_checkpoint(tmp_path / "x.pth")


def test_a_state_dict_that_an_object_holds_too_is_read(tmp_path: Path) -> None:
    settings, state_dict = Settings(), OrderedDict(WEIGHTS)
    settings.average = state_dict  # type: ignore[attr-defined]
    torch.save({"x": settings, "model": state_dict}, tmp_path / "x.pth")

    assert same_bits(read_checkpoint(tmp_path / "x.pth").tensors, ARRAYS)


def test_the_summary_names_what_was_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dict = models_torch.build(get_spec("convnext_digits")).state_dict()
    torch.save({"model": state_dict, "x": Settings(), "shape": torch.Size([3])}, tmp_path / "x.pth")

    status = main(["--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "x.pdparams")])

    output = capsys.readouterr().out
    names = "objects_beside.Settings, pathlib.PurePosixPath, torch.Size"
    assert f"\n3 kinds of objects beside the weights not looked at: {names}\n" in output
    assert status == 0


# Files that ask for code to be run, beside good weights.


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What reading each of them did, in a process of its own."""
    root = tmp_path_factory.mktemp("beside")
    (root / "files").mkdir()
    for full in NAMES:
        asking = call(name(*module_and_attribute(full), 2), f"touch {MARKER}")
        for container, write in CONTAINERS.items():
            good = a_dict({"w": tensor((4,), (1,), legacy=container == "legacy")})
            write(root / "files" / f"{full}.{container}", stream(a_dict({"model": good, "x": asking}), 2))
    return watched_reads(write_harmless(root / "harmless"), root / "files")


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("full", NAMES)
def test_nothing_is_run_and_what_looks_hostile_refused_beside_weights(
    full: str, container: str, report: dict[str, Any]
) -> None:
    read = report[f"{full}.{container}"]

    assert read["events"] == []
    if is_hostile(*module_and_attribute(full)):
        assert read["outcome"][0] == "RefusedCheckpoint"
        assert f": the file names {full}, which no state dict needs; it was not run (byte " in read["outcome"][1]
    else:
        assert read["outcome"] == ["read", "Checkpoint"]


@pytest.mark.parametrize("full", NAMES)
def test_paddles_files_are_refused_whatever_they_name_beside_the_weights(full: str, report: dict[str, Any]) -> None:
    """For `paddle.load` runs it."""
    read = report[f"{full}.pdparams"]

    assert read["outcome"][0] == "RefusedCheckpoint"
    assert read["events"] == []


def test_most_names_of_the_corpus_look_hostile() -> None:
    inert = [full for full in NAMES if not is_hostile(*module_and_attribute(full))]

    assert len(inert) < len(NAMES) / 4
    assert "functools.partial" in inert
    assert not Path(MARKER).exists()


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("os.path", "join"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("__builtin__", "getattr"),
        ("importlib.util", "find_spec"),
        ("runpy", "run_path"),
        ("collections", "OrderedDict.__init__"),
        ("", "os.system"),
        ("my.module", "exec"),
        ("codecs", "decode"),
        ("numpy.testing._private.utils", "runstring"),
        ("torch.storage", "_load_from_bytes"),
        ("types", "CodeType"),
        ("a\x1b[2J", "b"),
    ],
)
def test_it_looks_hostile_to_name(module: str, attribute: str) -> None:
    assert is_hostile(module, attribute)


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("pathlib", "PosixPath"),
        ("__main__", "Config"),
        ("omegaconf.dictconfig", "DictConfig"),
        ("mmengine.logging.history_buffer", "HistoryBuffer"),
        ("types", "SimpleNamespace"),
        ("builtins", "set"),
        ("numpy.random._pickle", "__randomstate_ctor"),
        ("timm.models.convnext", "ConvNeXt"),
        ("wandb.sdk.wandb_run", "Run"),
        ("io", "BytesIO"),
        ("_codecs", "encode"),
        ("exceptions", "KeyError"),
    ],
)
def test_it_does_not_look_hostile_to_name(module: str, attribute: str) -> None:
    assert not is_hostile(module, attribute)
