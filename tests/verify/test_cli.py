"""`python -m verify` as a process, on a small pair and a dozen images."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_images import write_images
from pairs import Weights, write_pair
from verify_processes import DIGITS, Run, accuracy_in, verify
from waiting import at_most, make_fifo

from convert.digest import sha256_of
from verify.cli import main
from verify.report import write_reports
from verify.result import Result

GATES = ["structure", "float64 oracle", "float32 logits", "preprocessing", "paired accuracy"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("good")
    write_pair(folder, DIGITS)
    return verify(folder, "--data", write_images(folder / "val"))


def test_a_good_pair_passes_every_gate_without_a_word_on_stderr(good: Run) -> None:
    assert (good.status, good.err) == (0, "")
    assert good.out.splitlines()[-1] == "VERIFIED: 5 passed"
    assert [(gate["name"], gate["verdict"]) for gate in good.document["gates"]] == [(name, "passed") for name in GATES]


def test_the_report_has_five_files(good: Run) -> None:
    names = ["junit.xml", "report.html", "report.json", "report.md", "run.sqlite"]
    assert sorted(path.name for path in good.report.iterdir()) == names


def test_the_report_has_the_command_that_repeats_it(good: Run) -> None:
    command = shlex.split(good.document["command"])

    assert command[:3] == ["verify", "--arch", DIGITS.name]
    assert command[-2:] == ["--batch-size", "5"]


def test_the_report_says_what_was_verified(good: Run) -> None:
    folder, facts = good.report.parent.parent, good.document["facts"]

    assert facts["arch"] == {
        "name": "convnext_digits",
        "classes": 10,
        "features": 160,
        "last_norm": True,
        "channels": 3,
        "recognised": False,
        "variant": "",
    }
    for side, name in {"source": "x.pth", "target": "x.pdparams"}.items():
        assert (facts[side]["name"], facts[side]["sha256"]) == (name, sha256_of(folder / name))
    assert (facts["source"]["wrapper"], facts["target"]["wrapper"]) == ("model", "")
    assert facts["protocol"] == {
        "size": 64,
        "resize": 73,
        "interpolation": "bicubic",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "crop": 64,
    }
    assert facts["data"].items() >= {"name": "val", "layout": "class folders", "images": 12, "classes": 10}.items()
    assert facts["versions"].items() >= {"torch": torch.__version__, "numpy": np.__version__}.items()
    assert (facts["batch_size"], facts["speed"]["images"]) == (5, 12)
    assert facts["speed"]["seconds"] > 0


def test_no_report_names_the_folder_that_the_files_lie_in(good: Run) -> None:
    folder, command = str(good.report.parent.parent), good.document["command"]

    for path in sorted(good.report.glob("*.*")):
        text = path.read_bytes().decode("utf-8", "replace")
        named = {line.strip() for line in text.splitlines() if folder in line and "verify --arch" not in line}
        assert (path.name, named) == (path.name, set())
    assert folder in command  # as the user named them


def test_terminal_markdown_and_json_say_the_same(good: Run) -> None:
    markdown, document = (good.report / "report.md").read_text(), good.document

    assert markdown.splitlines()[0] == "## VERIFIED: 5 passed"
    for gate in document["gates"]:
        limit = gate["limit"].replace("|", "\\|")
        assert f"| {gate['name']} | passed | {gate['measured']} | {limit} |" in markdown.splitlines()
        assert f"{gate['name']:<17}passed   {gate['measured']}" in good.out
    facts = document["facts"]
    words = {
        "arch": "convnext_digits, 10 classes, 3 input channels",
        "target": f"x.pdparams sha256 {facts['target']['sha256']}",
        "protocol": "bicubic, short edge 73, crop 64, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)",
        "data classes": "10 with 1 to 2 images each",
        "data": "val: 12 images, class folders",
        "versions": ", ".join(f"{package} {version}" for package, version in facts["versions"].items()),
        "speed": f"{facts['speed']['seconds']:.1f} s for both frameworks, "
        f"{facts['speed']['images_per_second']:.1f} images/s",
    }
    for name, text in words.items():
        assert f"- {name}: `{text}`" in markdown.splitlines()
        assert f"{name:<18}{text}" in good.out.splitlines()


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_the_accuracy_is_what_plain_python_counts_in_the_store(framework: str, good: Run) -> None:
    counted = accuracy_in(good, framework)

    assert good.document["paired"]["accuracy"][framework].items() >= counted.items()
    assert f"{framework:<8}{counted['top1']:.3f}" in good.out
    assert f"{counted['top1']:.3f} / {counted['top5']:.3f}" in (good.report / "report.md").read_text()


def test_the_store_has_every_image_once_in_order_with_its_label(good: Run) -> None:
    val = good.report.parent.parent / "val"
    names = sorted(path.relative_to(val).as_posix() for path in val.glob("*/*"))

    assert good.select("SELECT id, name, label, mode, error FROM images ORDER BY id") == [
        (number, name, int(name[6:8]), "RGB", None) for number, name in enumerate(names)
    ]
    assert good.select("SELECT framework, count(*) FROM predictions GROUP BY framework") == [
        ("paddle", 12),
        ("torch", 12),
    ]


def test_the_store_knows_its_run(good: Run) -> None:
    parts = {part: json.loads(document) for part, document in good.select("SELECT part, document FROM run")}
    facts = good.document["facts"]

    assert list(parts) == ["identity", "machine", "notes", "settings"]
    for name in ("arch", "source", "target", "versions"):
        assert parts["identity"][name] == facts[name]
    assert parts["notes"]["speed"] is None  # known only after the run
    assert parts["settings"]["all_listed"]["count"] == facts["data"]["images"]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "JSON"])
def test_a_verdict_that_cannot_be_written_down_is_printed_all_the_same(
    form: tuple[str, ...],
    good: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "report"

    def obstruct(result: Result, place: Path) -> None:
        (folder / "report.json").mkdir()
        make_fifo(folder / "junit.xml")
        write_reports(result, place)

    monkeypatch.setattr("verify.report.write_reports", obstruct)  # after the folder was found to be good
    with at_most(60):
        status = main(["--merge", str(good.report / "run.sqlite"), "--report", str(folder), *form])

    out, err = capsys.readouterr()
    assert status == 1
    assert json.loads(out)["ok"] is True if form else out.endswith("\nVERIFIED: 5 passed\n")
    assert [line.partition(": ")[0] for line in err.removeprefix("verify: ").splitlines()] == [
        f"{folder}/report.json",
        f"{folder}/junit.xml",
    ]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["report.html", "report.md"]


def test_a_report_is_written_where_standard_output_cannot_be(good: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "verify", "--merge", str(good.report / "run.sqlite"), "--report", str(tmp_path)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr == "verify: standard output: cannot be written: No space left on device\n"
    assert (tmp_path / "report.md").read_text().startswith("## VERIFIED: 5 passed")


def test_an_altered_target_fails_and_its_tensors_are_named(tmp_path: Path) -> None:
    def edit(weights: Weights) -> None:
        weights["head.bias"] += np.float32(1e-3)
        weights["stages.2.1.norm.weight"], weights["stages.2.0.norm.weight"] = (
            weights["stages.2.0.norm.weight"],
            weights["stages.2.1.norm.weight"],
        )

    write_pair(tmp_path, DIGITS, edit)
    run = verify(tmp_path)
    structure, float64, _, _, paired = run.document["gates"]

    assert (run.status, run.err) == (1, "")
    assert structure["measured"] == "3 tensors of 74 with other values"
    assert structure["problems"] == [
        "differs  stages.2.0.norm.weight",
        "differs  stages.2.1.norm.weight",
        "differs  head.bias",
    ]
    assert "structure:\n  differs  stages.2.0.norm.weight\n" in run.out
    assert float64["verdict"] == "failed"
    assert (paired["verdict"], paired["measured"]) == ("not run", "no --data")
    assert run.out.splitlines()[-1] == "NOT VERIFIED: 3 FAILED, 2 not run"


@pytest.mark.parametrize("room", [True, False])
def test_a_step_s_summary_is_written_and_its_failure_changes_no_verdict(
    room: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path, DIGITS)
    summary = tmp_path / "summary.md" if room else tmp_path
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    run = verify(tmp_path)

    said = "" if room else f"verify: $GITHUB_STEP_SUMMARY, {tmp_path}: cannot be written: Is a directory\n"
    assert (run.status, run.err) == (0, said)
    if room:
        assert summary.read_text() == "\n" + (run.report / "report.md").read_text()
