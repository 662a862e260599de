"""Files that ask for code to be run: refused, the name told, and nothing run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import pytest
import torch
from checkpoint_files import watched_reads, write_harmless, write_pth
from pickles import Raw, a_dict, call, name, offset_of_global, stream, text

Payload = Callable[[str], Raw]
Report = dict[str, Any]

# What the pickle names and the arguments of its call; {marker} is a file that the call would make.
CALLS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("os", "system"): ("touch {marker}",),
    ("posix", "system"): ("touch {marker}",),
    ("nt", "system"): ("touch {marker}",),
    ("os", "mkdir"): ("{marker}",),
    ("os", "popen"): ("touch {marker}",),
    ("pty", "spawn"): ("touch {marker}",),
    ("subprocess", "getoutput"): ("touch {marker}",),
    ("subprocess", "call"): ("touch {marker}", -1, None, None, None, None, None, True, True),
    ("subprocess", "Popen"): ("touch {marker}", -1, None, None, None, None, None, True, True),
    ("builtins", "eval"): ("open('{marker}', 'w')",),
    ("builtins", "exec"): ("open('{marker}', 'w')",),
    ("__builtin__", "eval"): ("open('{marker}', 'w')",),
    ("__builtin__", "apply"): ("open('{marker}', 'w')",),
    ("builtins", "open"): ("{marker}", "w"),
    ("io", "open"): ("{marker}", "w"),
    ("_io", "FileIO"): ("{marker}", "w"),
    ("builtins", "compile"): ("open('{marker}', 'w')", "x", "exec"),
    ("builtins", "__import__"): ("os",),
    ("builtins", "getattr"): ("os", "system"),
    ("builtins", "bytearray"): (1 << 40,),
    ("importlib", "import_module"): ("antigravity",),
    ("runpy", "run_path"): ("{marker}",),
    ("shutil", "rmtree"): ("{marker}",),
    ("code", "interact"): (),
    ("ctypes", "CDLL"): ("{marker}",),
    ("operator", "attrgetter"): ("system",),
    ("operator", "methodcaller"): ("system", "touch {marker}"),
    ("functools", "partial"): (),
    ("types", "FunctionType"): (),
    ("copyreg", "_reconstructor"): (),
    ("pickle", "loads"): (b"cos\nsystem\n(Vtouch {marker}\ntR.",),
    ("_pickle", "loads"): (b"cos\nsystem\n(Vtouch {marker}\ntR.",),
    ("codecs", "decode"): (b"", "unicode_escape"),
    ("_codecs", "decode"): (b"", "unicode_escape"),
    ("numpy", "load"): ("{marker}", None, True),
    ("numpy", "save"): ("{marker}", 1),
    ("numpy", "fromfile"): ("{marker}",),
    ("numpy", "ndarray.tofile"): ("{marker}",),
    ("numpy", "array"): (),
    ("numpy.core.multiarray", "fromfile"): ("{marker}",),
    ("numpy.testing._private.utils", "runstring"): ("open('{marker}', 'w')", None),
    ("paddle", "load"): ("{marker}",),
    ("paddle.base.core", "eager.Tensor"): (),
    ("torch", "load"): ("{marker}",),
    ("torch.storage", "_load_from_bytes"): (b"",),
    ("torch.hub", "load"): ("{marker}", "x"),
    ("torch._utils", "_rebuild_tensor"): (),
    ("collections", "OrderedDict.fromkeys"): (),
    ("collections", "defaultdict"): (),
    ("argparse", "Namespace.__init__.__globals__"): (),
    ("", ""): (),
}

# Those that Python's own unpickler would carry out here, to prove that the watch below sees what they do.
HARMFUL = [
    ("os", "system"),
    ("os", "mkdir"),
    ("subprocess", "getoutput"),
    ("subprocess", "call"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "open"),
    ("_io", "FileIO"),
    ("pickle", "loads"),
    ("numpy.testing._private.utils", "runstring"),
]


def with_marker(arguments: tuple[Any, ...], marker: Path) -> tuple[Any, ...]:
    def filled(argument: Any) -> Any:
        if isinstance(argument, bytes):
            return argument.replace(b"{marker}", str(marker).encode())
        return argument.replace("{marker}", str(marker)) if isinstance(argument, str) else argument

    return tuple(map(filled, arguments))


def calling(module: str, attribute: str, marker: Path, protocol: int) -> bytes:
    """A checkpoint whose second tensor is the result of the call."""
    function = name(module, attribute, protocol)
    called = call(function, *with_marker(CALLS[module, attribute], marker))
    return stream(a_dict({"epoch": 1, "model": called}), protocol)


class Asking:
    """Pickled as a call, the way every public attack does it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("hostile")
    return {name: root / name for name in ("harmless", "files", "markers", "unpickled")}


@pytest.fixture(scope="module")
def report(folders: dict[str, Path]) -> Report:
    """What reading each of the files did, in a process of its own."""
    write_harmless(folders["harmless"])
    folders["files"].mkdir()
    folders["markers"].mkdir()
    for module, attribute in CALLS:
        for protocol in (2, 3, 4):
            file = f"{module}-{attribute}-{protocol}"
            payload = calling(module, attribute, folders["markers"] / file, protocol)
            write_pth(folders["files"] / f"{file}.pth", payload)
            (folders["files"] / f"{file}.pdparams").write_bytes(payload)
    write_pickled(folders["files"], folders["markers"])
    return watched_reads(folders["harmless"], folders["files"])


def write_pickled(folder: Path, markers: Path) -> None:
    asking = Asking(os.system, f"touch {markers}/pickled")
    torch.save({"model": {"w": torch.ones(2), "v": asking}}, folder / "saved.pth")
    torch.save({asking: 1}, folder / "saved-key.pth")
    paddle.save({"w": paddle.ones([2]), "v": asking}, str(folder / "saved.pdparams"))
    for protocol in range(2, 6):
        content = pickle.dumps({"w": asking}, protocol=protocol)
        (folder / f"pickled-{protocol}.pdparams").write_bytes(content)
        write_pth(folder / f"pickled-{protocol}.pth", content)
    nested = pickle.dumps({"w": Asking(pickle.loads, pickle.dumps(asking))}, protocol=4)
    (folder / "nested.pdparams").write_bytes(nested)


@pytest.mark.parametrize("suffix", ["pth", "pdparams"])
@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(("module", "attribute"), CALLS)
def test_a_file_is_refused_that_calls(
    module: str, attribute: str, protocol: int, suffix: str, report: Report, folders: dict[str, Path]
) -> None:
    file = f"{module}-{attribute}-{protocol}"
    pickle = calling(module, attribute, folders["markers"] / file, protocol)
    offset = offset_of_global(pickle, module, attribute)
    reason = f"the file names {module}.{attribute}, which no state dict needs; it was not run"
    if (attribute, suffix) == ("bytearray", "pth"):  # which may stand beside the weights, but not with a size
        offset = pickle.rindex(b"Ru.")
        reason = "a call of builtins.bytearray with a size, which no state dict makes"

    read = report[f"{file}.{suffix}"]

    path = folders["files"] / f"{file}.{suffix}"
    assert read["outcome"] == ["RefusedCheckpoint", f"{path}: {reason} (byte {offset} of the pickle)"]
    assert read["events"] == []


@pytest.mark.parametrize("file", ["saved.pth", "saved-key.pth", "saved.pdparams", "nested.pdparams"])
def test_a_file_of_the_frameworks_own_saving_is_refused(file: str, report: Report) -> None:
    assert report[file]["outcome"][0] == "RefusedCheckpoint"
    assert report[file]["events"] == []


@pytest.mark.parametrize("suffix", ["pth", "pdparams"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_file_of_pythons_own_pickling_is_refused(protocol: int, suffix: str, report: Report) -> None:
    outcome = report[f"pickled-{protocol}.{suffix}"]["outcome"]

    assert outcome[0] == "RefusedCheckpoint"
    assert ": the file names posix.system, which no state dict needs; it was not run (byte " in outcome[1]


def test_no_file_made_its_marker(report: Report, folders: dict[str, Path]) -> None:
    assert len(report) > 300
    assert list(folders["markers"].iterdir()) == []


def test_no_file_did_anything_that_python_audits(report: Report) -> None:
    assert {file: read["events"] for file, read in report.items() if read["events"]} == {}


def test_no_file_took_memory(report: Report) -> None:
    assert max(read["mebibytes"] for read in report.values()) < 8


@pytest.fixture(scope="module")
def unpickled(folders: dict[str, Path]) -> Report:
    """What Python's own unpickler does with the harmful ones."""
    markers = folders["unpickled"].with_name("unpickled-markers")
    markers.mkdir()
    folders["unpickled"].mkdir()
    for module, attribute in HARMFUL:
        file = f"{module}-{attribute}"
        (folders["unpickled"] / file).write_bytes(calling(module, attribute, markers / file, 4))
    report = watched_reads(folders["harmless"], folders["unpickled"], "pickle")
    return {file: (read["events"], (markers / file).exists()) for file, read in report.items()}


@pytest.mark.parametrize(("module", "attribute"), HARMFUL)
def test_the_watch_sees_what_pythons_unpickler_does_with(
    module: str, attribute: str, report: Report, unpickled: Report
) -> None:
    events, made = unpickled[f"{module}-{attribute}"]

    assert made
    assert events
    assert report


def test_the_offset_of_a_global_is_that_of_its_opcode() -> None:
    assert offset_of_global(stream(name("os", "system", 2), 2), "os", "system") == 2
    assert offset_of_global(stream(name("os", "system", 4)), "os", "system") == 2 + len(text("os") + text("system"))
