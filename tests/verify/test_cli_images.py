"""`python -m verify` as a process, on images of which some cannot be decoded, or have no label."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_up_images import write_images
from pairs import write_pair
from verify_processes import DIGITS, Run, accuracy_in, verify


@pytest.fixture(scope="module")
def corrupt(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run over images of which one is cut and one is none, alone in the last batch; it printed JSON."""
    folder = tmp_path_factory.mktemp("corrupt")
    write_pair(folder, DIGITS)
    val = write_images(folder / "val", count=14)
    first, last = val / "class_00" / "image_00.png", val / "class_09" / "zzz.JPEG"
    first.write_bytes(first.read_bytes()[:300])
    last.write_text("no image")
    return verify(folder, "--data", val, "--json")


def test_a_corrupt_image_fails_the_run_and_is_named(corrupt: Run) -> None:
    paired = corrupt.document["gates"][-1]

    assert (corrupt.status, corrupt.err) == (1, "")
    assert (paired["name"], paired["verdict"]) == ("paired accuracy", "failed")
    assert paired["problems"] == [
        "not read    class_00/image_00.png: image file is truncated",
        "not read    class_09/zzz.JPEG: cannot identify image file 'class_09/zzz.JPEG'",
    ]
    assert [gate["verdict"] for gate in corrupt.document["gates"]] == ["passed"] * 4 + ["failed"]


def test_a_corrupt_image_is_in_no_ones_accuracy(corrupt: Run) -> None:
    document = corrupt.document["paired"]

    assert (document["images"], document["read"]) == (15, 13)
    for name in ("torch", "paddle"):
        assert document["accuracy"][name].items() >= accuracy_in(corrupt, name).items()
    assert corrupt.select("SELECT name FROM images WHERE error IS NOT NULL") == [
        ("class_00/image_00.png",),
        ("class_09/zzz.JPEG",),
    ]


def test_json_on_stdout_is_the_reports_file(corrupt: Run) -> None:
    assert corrupt.out == (corrupt.report / "report.json").read_text()


def test_unlabelled_images_have_predictions_and_no_accuracy(tmp_path: Path) -> None:
    write_pair(tmp_path, DIGITS)
    val = write_images(tmp_path / "val", count=4, classes=2)
    shutil.move(val / "class_00" / "image_00.png", val / "stray.png")
    run = verify(tmp_path, "--data", val, "--unlabelled", "--resize", "squash")

    assert (run.status, run.err) == (0, "")
    data, protocol = run.document["facts"]["data"], run.document["facts"]["protocol"]
    assert (data["images"], data["layout"], data["classes"]) == (4, "no labels", None)
    assert (protocol["resize"], protocol["crop"]) == ("squash", None)
    assert set(run.document["paired"]["accuracy"]["torch"].values()) == {None}
    assert "torch   no labels  no labels  4" in run.out.splitlines()
    assert run.select("SELECT DISTINCT label FROM images") == [(None,)]
