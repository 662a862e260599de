"""Hundreds of files that ask for code to be run, in every container: all refused by name or byte, and nothing run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from checkpoint_files import watched_reads, write_harmless
from hostile_pickles import (
    CONTAINERS,
    IN_TORCH,
    MARKER,
    NAMES,
    RUN,
    SHAPES,
    SYSTEM,
    TORCH_SHAPES,
    legacy,
    module_and_attribute,
    start_of_pickle,
)
from pickles import a_dict, call, name, offset_of_global, stream, text

from convert.checkpoints.containers import INDEX_SUFFIX
from convert.checkpoints.pickle_globals import OTHER_TENSORS

Report = dict[str, Any]

PROTOCOLS = (2, 4)
ALL_SHAPES = {**SHAPES, **TORCH_SHAPES}
TORCH_CONTAINERS = ("zip", "legacy")

LEGACY_PARTS = ("version", "system", "content", "keys")
GADGET = call(SYSTEM, f"touch {MARKER}")

# The index of a sharded checkpoint, and why it is refused.
INDEXES: dict[str, tuple[dict[str, Any], str]] = {
    "a shard above": ({"w": "../x.pth"}, "the index names '../x.pth', which is no file beside {index}"),
    "a shard at the root": ({"w": "/etc/passwd"}, "the index names '/etc/passwd', which is no file beside {index}"),
    "a shard below": ({"w": "a/b"}, "the index names 'a/b', which is no file beside {index}"),
    "the folder": ({"w": "."}, "the index names '.', which is no file beside {index}"),
    "the folder above": ({"w": ".."}, "the index names '..', which is no file beside {index}"),
    "no name": ({"w": ""}, "the index names '', which is no file beside {index}"),
    "a name of two lines": ({"w": "a\nb/c"}, "the index names 'a\\nb/c', which is no file beside {index}"),
    "a shard that is a pickle": (
        {"w": "shard.pdparams"},
        "shard.pdparams: a header of {length:,} bytes; 2,000,000 are the limit",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    (root / "files").mkdir()
    write_harmless(root / "harmless")
    return root


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    """What reading each of the files did, in a process of its own."""
    for full in NAMES:
        for container in CONTAINERS:
            for protocol in PROTOCOLS:
                write(folder, container, f"{full}-{protocol}", naming(full, protocol))
    for shape, (body, _, _) in ALL_SHAPES.items():
        for container in CONTAINERS if shape in SHAPES else TORCH_CONTAINERS:
            for protocol in PROTOCOLS:
                write(folder, container, f"{shape}-{protocol}", among_weights(body, protocol))
    for part in LEGACY_PARTS:
        (folder / "files" / f"the {part} of a legacy file").write_bytes(legacy(**{part: stream(GADGET, 2)}))
    (folder / "files" / "shard.pdparams").write_bytes(stream(GADGET))
    for kind, (weight_map, _) in INDEXES.items():
        index = folder / "files" / f"{kind}{INDEX_SUFFIX}"
        index.write_text(json.dumps({"metadata": {"__class__": "os.system"}, "weight_map": weight_map}))
    return watched_reads(folder / "harmless", folder / "files")


def write(folder: Path, container: str, file: str, pickle: bytes) -> None:
    CONTAINERS[container](folder / "files" / f"{file}.{container}", pickle)


def among_weights(body: bytes, protocol: int) -> bytes:
    return stream(b"}" + text("w") + body + b"s", protocol)


def naming(full: str, protocol: int) -> bytes:
    return stream(
        a_dict({"epoch": 1, "model": call(name(*module_and_attribute(full), protocol), f"touch {MARKER}")}), protocol
    )


# The second where a reader knows what it is, a sparse tensor say, and says what to save in its place.
REFUSED = {"RefusedCheckpoint", "CheckpointError"}


def refused_at(report: Report, folder: Path, file: str) -> tuple[str, int]:
    """The message without the path and the byte, and the byte."""
    error, message = report[file]["outcome"]
    assert error in REFUSED, message
    match = re.fullmatch(re.escape(f"{folder / 'files' / file}: ") + r"(.*) \(byte (\d+) of the pickle\)", message)
    assert match, message
    return match[1], int(match[2])


def refusal_naming(module: str, name: str) -> str:
    """What is said of a file that names that global."""
    full = f"{module}.{name}"
    if full in OTHER_TENSORS:
        return f"the file holds {OTHER_TENSORS[full]}"
    return f"the file names {full}, which no state dict needs; it was not run"


@pytest.mark.parametrize("full", NAMES)
def test_a_file_is_refused_in_every_container_that_names(full: str, report: Report, folder: Path) -> None:
    expected, actual = {}, {}
    for container in CONTAINERS:
        for protocol in PROTOCOLS:
            file = f"{full}-{protocol}.{container}"
            byte = offset_of_global(naming(full, protocol), *module_and_attribute(full)) + start_of_pickle(container)
            expected[file] = (refusal_naming(*module_and_attribute(full)), byte)
            actual[file] = refused_at(report, folder, file)

    assert actual == expected


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_is_refused_that_asks_by(shape: str, container: str, report: Report, folder: Path) -> None:
    assert_refused_at_its_opcode(shape, container, report, folder)


@pytest.mark.parametrize("container", TORCH_CONTAINERS)
@pytest.mark.parametrize("shape", TORCH_SHAPES)
def test_a_file_of_torch_is_refused_that_asks_in(shape: str, container: str, report: Report, folder: Path) -> None:
    assert_refused_at_its_opcode(shape, container, report, folder)


def assert_refused_at_its_opcode(shape: str, container: str, report: Report, folder: Path) -> None:
    body, opcode, reason = ALL_SHAPES[shape]
    if container in TORCH_CONTAINERS:
        opcode, reason = IN_TORCH.get(shape, (opcode, reason))
    for protocol in PROTOCOLS:
        message, byte = refused_at(report, folder, f"{shape}-{protocol}.{container}")

        assert message == reason
        assert among_weights(body, protocol)[byte - start_of_pickle(container)] == opcode


@pytest.mark.parametrize("part", LEGACY_PARTS)
def test_a_legacy_file_is_refused_that_asks_in_the_pickle_of_its(part: str, report: Report, folder: Path) -> None:
    assert refused_at(report, folder, f"the {part} of a legacy file")[0] == RUN


@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_is_refused_that_names(kind: str, report: Report, folder: Path) -> None:
    index = f"{kind}{INDEX_SUFFIX}"
    length = int.from_bytes((folder / "files" / "shard.pdparams").read_bytes()[:8], "little")
    reason = INDEXES[kind][1].format(index=index, length=length)

    assert report[index]["outcome"] == ["RefusedCheckpoint", f"{folder / 'files' / index}: {reason}"]


def test_there_are_hundreds_and_each_is_refused(report: Report) -> None:
    assert len(report) >= 1100
    assert {read["outcome"][0] for read in report.values()} == REFUSED


def test_none_made_its_marker(report: Report) -> None:
    assert report
    assert not Path(MARKER).exists()


def test_none_did_anything_that_python_audits_but_open_its_own_shard(report: Report) -> None:
    did = {file: read["events"] for file, read in report.items() if read["events"]}

    assert did == {f"a shard that is a pickle{INDEX_SUFFIX}": ["open"]}


def test_none_took_memory(report: Report) -> None:
    assert max(read["mebibytes"] for read in report.values()) < 8
