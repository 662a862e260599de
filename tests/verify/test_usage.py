"""What `verify` says of wrong arguments and files, before any framework is loaded."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from made_up_images import listing, touch
from pairs import write_pair

from convert.archs import get_spec
from verify.cli import main

DIGITS = get_spec("convnext_digits")
PAIR = ["--arch", "convnext_digits", "--src", "x.pth", "--dst", "x.pdparams"]


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line of what argparse prints as it leaves with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


NEEDED = "verify: error: --src and --dst are needed, or --sample"
SAMPLE_ALONE = "verify: error: --sample brings its own pair and images, so leave {} out"
MERGE_ALONE = "verify: error: --merge takes run stores, in which stands what was verified, so leave {} out"
SELFTEST_ALONE = "verify: error: --selftest brings its own pairs and images, so leave {} out"
WITHOUT_LABELS = "verify: error: {} and --unlabelled contradict each other: leave one of them out"
USAGE = [
    ([], NEEDED),
    (PAIR[:4], "verify: error: --dst is needed, or --sample"),
    (["--data", "val"], NEEDED),
    (["--sample", "--data", "val"], SAMPLE_ALONE.format("--data")),
    (["--sample", *PAIR[:4], "--recipe", "x"], SAMPLE_ALONE.format("--arch, --src and --recipe")),
    (["--merge", "a.sqlite", "--batch-size", "32"], MERGE_ALONE.format("--batch-size")),
    (["--merge", "a.sqlite", "--shard", "1/1", "--sample"], MERGE_ALONE.format("--sample and --shard")),
    (["--selftest", "--size", "64", "--report", "out"], SELFTEST_ALONE.format("--size and --report")),
    (["--list-recipes", *PAIR[:2]], "verify: error: --list-recipes runs nothing, so leave --arch out"),
    ([*PAIR, "--class-map", "m.txt"], "verify: error: --class-map needs --data: give it, or leave it out"),
    (
        [*PAIR, "--layout", "tar", "--devkit", "kit", "--expect", "82"],
        "verify: error: --layout and --devkit need --data: give it, or leave them out. "
        "--expect needs --why: give it, or leave it out",
    ),
    ([*PAIR, "--shard", "1/1"], "verify: error: --shard needs --data and --report: give them, or leave it out"),
    (["--sample", "--shard", "1/2"], "verify: error: --shard needs --report: give it, or leave it out"),
    (["--sample", "--tf32"], "verify: error: --tf32 needs --device gpu: give it, or leave it out"),
    (["--sample", "--tf32", "--device", "cpu"], "verify: error: --tf32 needs --device gpu: give it, or leave it out"),
    ([*PAIR, "--data", "val", "--unlabelled", "--classes", "sorted"], WITHOUT_LABELS.format("--classes")),
    (
        [*PAIR, "--crop-pct", "0.9", "--resize", "256"],
        "verify: error: --crop-pct and --resize say the same thing: give one of them",
    ),
    ([*PAIR, "--crop-pct", "1.5"], "verify: error: --crop-pct 1.5: a fraction above 0, at most 1"),
    (
        [*PAIR, "--resize", "200"],
        "verify: error: --resize 200 is smaller than --size 224: there would be nothing to crop from",
    ),
    (
        [*PAIR, "--size", "96", "--resize", "95"],
        "verify: error: --resize 95 is smaller than --size 96: there would be nothing to crop from",
    ),
    (
        [*PAIR, "--crop-pct", "1e-320"],
        "verify: error: --crop-pct 9.99989e-321: the short edge would have more than 1,000,000,000 pixels",
    ),
    (
        [*PAIR, "--recipe", "convnext_base.fb_in22k_ft_in1k_384", "--resize", "256"],
        "verify: error: --resize 256 is smaller than --size 384: there would be nothing to crop from",
    ),
    (
        [*PAIR, "--interpolation", "nearest"],
        "verify: error: argument --interpolation: invalid choice: 'nearest' (choose from 'bicubic', 'bilinear')",
    ),
    ([*PAIR, "--mean", "nan", "0", "0"], "verify: error: --mean and --std take finite numbers"),
    ([*PAIR, "--std", "0", "1", "1"], "verify: error: --std: a value of 0 would divide by zero"),
    ([*PAIR, "--batch-size", "0"], "verify: error: argument --batch-size: 0 is not a whole number above 0"),
    ([*PAIR, "--workers", "-1"], "verify: error: argument --workers: -1 is not a whole number above 0"),
    ([*PAIR, "--size", "0"], "verify: error: argument --size: 0 is not a whole number above 0"),
    ([*PAIR, "--resize", "0"], "verify: error: argument --resize: 0 is not a whole number above 0"),
    ([*PAIR, "--mean", "1", "2"], "verify: error: argument --mean: expected 3 arguments"),
    ([*PAIR, "--why"], "verify: error: --why needs --data: give it, or leave it out"),
    ([*PAIR, "--data", "val", "--unlabelled", "--why"], WITHOUT_LABELS.format("--why")),
    (["--sample", "--expect", "82"], "verify: error: --expect needs --why: give it, or leave it out"),
    (["--sample", "--why-sample", "9"], "verify: error: --why-sample needs --why: give it, or leave it out"),
    *(
        (
            ["--sample", "--why", "--expect", text],
            f"verify: error: argument --expect: {text}: expected a top-1 in per cent, 0 to 100",
        )
        for text in ("820", "nan", "high")
    ),
    ([*PAIR, "--tolerance", "1"], "verify: error: unrecognized arguments: --tolerance 1"),
]


@pytest.mark.parametrize(("arguments", "error"), USAGE)
def test_wrong_usage(arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert usage_error(capsys, *arguments) == error


@pytest.mark.parametrize("option", ["--batch-size", "--workers", "--size", "--resize"])
def test_a_word_for_a_number_is_refused_in_words_of_the_user(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = usage_error(capsys, *PAIR, option, "many")

    assert error.startswith(f"verify: error: argument {option}: ")
    assert "_positive" not in error
    assert "_resize" not in error


def test_a_size_that_the_network_cannot_halve_so_often_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert usage_error(capsys, "--sample", "--size", "16").startswith("verify: error: ")


# The pair


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said on stderr as the status is 1 and stdout is empty."""
    assert main([str(argument) for argument in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_pair(folder, DIGITS)
    return folder


def pair(folder: Path, *, arch: str = "convnext_digits", src: str = "x.pth", dst: str = "x.pdparams") -> list[object]:
    return ["--arch", arch, "--src", folder / src, "--dst", folder / dst]


def test_exchanged_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files, src="x.pdparams", dst="x.pth")) == (
        f"verify: {files}/x.pdparams: is a Paddle checkpoint; --src takes the one of PyTorch\n"
    )


def test_pytorchs_file_twice(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files, dst="x.pth")) == (
        f"verify: {files}/x.pth: is a PyTorch checkpoint; --dst takes the one of Paddle\n"
    )


def test_a_file_that_is_missing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files, src="y.pth")) == (
        f"verify: {files}/y.pth: cannot be read: No such file or directory; check the path and its permissions\n"
    )


def test_a_state_dict_that_is_not_there(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files), "--weights", "model_ema") == (
        f"verify: {files}/x.pth: has no weights under 'model_ema'; it holds 'model'\n"
    )


def test_an_unknown_architecture(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files, arch="convnext_digit")) == (
        "verify: unknown architecture 'convnext_digit'; did you mean convnext_digits, convnext_tiny, convnext_pico?\n"
    )


def test_an_unknown_recipe(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files), "--recipe", "convnext_tiny.fb_1k") == (
        "verify: unknown recipe 'convnext_tiny.fb_1k'; did you mean convnext_tiny.fb_in1k, convnext_tiny.fb_in1k@288, "
        "convnext_tiny.fb_in22k_ft_in1k?\n"
    )


def test_a_recipe_of_another_checkpoint(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files), "--recipe", "convnext_tiny.fb_in1k") == (
        "verify: --recipe convnext_tiny.fb_in1k is of convnext_tiny with 1000 classes, and x.pth is convnext_digits "
        "with 10; name that one's recipe, or give its protocol by --size, --resize, --interpolation, --mean and --std\n"
    )


def test_another_architecture_fails_the_structure_gate_and_runs_no_other(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([str(argument) for argument in [*pair(files, arch="convnext_atto"), "--report", files / "out"]])
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("gate "))
    report = (files / "out" / "report.md").read_text()
    document = json.loads((files / "out" / "report.json").read_text())

    assert status == 1
    assert [line.split("  ")[0] for line in lines[start + 1 : start + 6]] == [
        "structure",
        "float64 oracle",
        "float32 logits",
        "preprocessing",
        "paired accuracy",
    ]
    assert [" not run " in line for line in lines[start + 1 : start + 6]] == [False, True, True, True, True]
    assert lines[-3] == "  ... and 246 more; --report writes them all"
    assert lines[-1] == "NOT VERIFIED: 1 FAILED, 4 not run"
    assert "<summary>structure: problems (254)</summary>" in report
    assert "... and 204 more in report.json" in report
    assert len(document["gates"][0]["problems"]) == 254


# The images


def test_a_folder_of_images_that_is_missing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files), "--data", files / "val") == (
        f"verify: {files}/val: no such folder; --data takes a folder of images, or ILSVRC2012_img_val.tar\n"
    )


def test_labels_that_do_not_fit(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing(touch(tmp_path, "x.png"), "x.png 10\n")

    assert failure(capsys, *pair(files), "--data", tmp_path) == (
        f"verify: {tmp_path}/val_list.txt, line 1: label 10, but the model's 10 classes are 0 to 9; "
        "--unlabelled compares predictions without labels\n"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--layout", "parquet", "{data}: --layout parquet does not lie there, but val-list"),
        ("--classes", "sorted", "{data}: --classes orders class names, and the layout val-list has labels of its own"),
        (
            "--devkit",
            "{data}",
            "{data}: has no ILSVRC2012_validation_ground_truth.txt; --devkit takes the folder of one "
            "devkit, or ILSVRC2012_devkit_t12.tar.gz",
        ),
    ],
)
def test_what_is_chosen_of_the_data_reaches_them(
    option: str, value: str, message: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing(touch(tmp_path, "x.png"), "x.png 0\n")
    arguments = [*pair(files), "--data", tmp_path, option, value.format(data=tmp_path)]

    assert failure(capsys, *arguments) == f"verify: {message.format(data=tmp_path)}\n"


def test_images_for_a_model_of_one_channel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(tmp_path, dataclasses.replace(DIGITS, in_chans=1))

    assert failure(capsys, *pair(tmp_path), "--data", tmp_path) == (
        "verify: --data: images have 3 channels, the model takes 1\n"
    )


def test_a_report_onto_a_file(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Path(shutil.copy(files / "x.pth", tmp_path / "report"))

    assert failure(capsys, *pair(files), "--report", report) == (
        f"verify: {report}: cannot be made into a folder for the report: File exists\n"
    )


def test_a_report_under_a_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, *pair(files), "--report", files / "x.pth" / "out") == (
        f"verify: {files}/x.pth/out: cannot be made into a folder for the report: Not a directory\n"
    )
