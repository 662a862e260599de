"""`--why` names mistakes planted in the sample's labels, protocol and weights, and nothing where there is none."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convert.arrays import Array
from convert.errors import FerryError
from convert.source.read import read_source
from verify import sample
from verify.cli import main
from verify.datasets import FileBlob, Item, read_dataset
from verify.images.decode import decode_item
from verify.recipes.protocol import Protocol
from verify.run import convert_sample
from verify.store.rows import ImageRow, Prediction
from verify.why.explain import WhyReport, choose_sample, explain_accuracy
from verify.why.question import Question
from verify.workers.batches import SharedBatch
from verify.workers.compute import Compute
from verify.workers.held import hold_file
from verify.workers.messages import LoadJob
from verify.workers.worker import Worker

pytestmark = pytest.mark.long

STEM = "downsample_layers.0.0"
SAMPLE = 30
MEAN, STD = (0.3, 0.4, 0.5), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker("torch", Compute(threads=1)) as started:
        yield started


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """Six images of each digit."""
    every = read_dataset(sample.IMAGES, 10).items
    return [every[position] for position in choose_sample([item.label or 0 for item in every], 60)]


def load(worker: Worker, folder: Path, edit: object = None) -> None:
    """The sample's checkpoint in the worker, its stem's weight and bias changed."""
    checkpoint = torch.load(sample.CHECKPOINT, weights_only=True)
    weights = checkpoint["model"]
    if callable(edit):
        weights[f"{STEM}.weight"], weights[f"{STEM}.bias"] = edit(weights[f"{STEM}.weight"], weights[f"{STEM}.bias"])
    torch.save(checkpoint, folder / "x.pth")
    file = hold_file(folder / "x.pth")
    source = read_source(file, arch=sample.ARCH)
    checkpoint = source.checkpoint
    worker.load(LoadJob(source.spec, (file,), checkpoint.container, checkpoint.steps, source.named.keys))


def normalised_otherwise(weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same stem for inputs of MEAN and STD in place of 0.5 and 0.5."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return weight * std / 0.5, bias + (weight * (mean - 0.5) / 0.5).sum(dim=(1, 2, 3))


def blue_only(weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A stem that sees all it needs in the last channel."""
    summed = weight.sum(dim=1)
    return torch.stack([0 * summed, 0 * summed, summed], dim=1), bias


def run(worker: Worker, items: Sequence[Item], protocol: Protocol) -> list[ImageRow]:
    """The rows of a run of PyTorch alone."""
    pixels = np.stack([pixels_of(item, protocol) for item in items])
    with SharedBatch(pixels.nbytes) as shared:
        logits = worker.forward(shared.put(pixels))
    order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    best = [Prediction(tuple(row), (2.0, 1.0, 0.0, 0.0, 0.0)) for row in order.tolist()]
    return [
        ImageRow(item.name, item.label, None, 0.0, {"torch": prediction, "paddle": prediction})
        for item, prediction in zip(items, best, strict=True)
    ]


def pixels_of(item: Item, protocol: Protocol) -> Array:
    pixels = decode_item(item, protocol).pixels
    assert pixels is not None
    return pixels


def ask(
    worker: Worker,
    items: Sequence[Item],
    protocol: Protocol,
    *,
    expected: float | None = 99.0,
    rows: Sequence[ImageRow] = (),
    count: int = SAMPLE,
) -> WhyReport:
    question = Question(protocol=protocol, expected=expected, sample_size=count, batch_size=20)
    return explain_accuracy(worker, items, rows=rows or run(worker, items, protocol), question=question)


def relabelled(rows: Sequence[ImageRow], labels: Sequence[int]) -> list[ImageRow]:
    return [dataclasses.replace(row, label=label) for row, label in zip(rows, labels, strict=True)]


# Nothing planted


def test_the_right_protocol_concludes_nothing(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    report = ask(worker, items, sample.PROTOCOL, expected=None)

    assert report.top1 > 96
    assert report.verdict.startswith(
        "on 30 images no usual mistake differs significantly in the right direction; nothing is concluded. "
    )
    assert ", with --why-sample 60 from " in report.verdict
    assert len(report.rows) == 23


def test_the_expected_accuracy_needs_no_explanation(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    rows = run(worker, items, sample.PROTOCOL)
    top1 = 100 * float(np.mean([row.label == row.predictions["torch"].classes[0] for row in rows]))
    report = ask(worker, items, sample.PROTOCOL, expected=round(top1, 2), rows=rows)

    assert (report.rows, report.verdict) == (
        (),
        f"top-1 {top1:.2f} is the expected {top1:.2f}: there is nothing to explain",
    )


# Planted in the protocol or the weights


def test_a_wrong_normalisation_is_named_with_the_options_to_pass(
    worker: Worker, items: list[Item], tmp_path: Path
) -> None:
    load(worker, tmp_path)
    wrong = dataclasses.replace(sample.PROTOCOL, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    report = ask(worker, items, wrong)

    assert report.top1 < 50
    best = next(row for row in report.rows if row.name == "mean and std 0.5")
    assert (best.images, best.advice) == (SAMPLE, "--mean 0.5 0.5 0.5 --std 0.5 0.5 0.5")
    assert best.difference > 40
    assert best.p < 1e-3
    assert "explains it best" in report.verdict
    assert best.name in report.verdict  # ImageNet's mean and std may do as well on 30 images


def test_mean_and_std_exchanged_are_named(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path, normalised_otherwise)
    report = ask(worker, items, dataclasses.replace(sample.PROTOCOL, mean=STD, std=MEAN))

    row = next(row for row in report.rows if row.name == "mean and std exchanged")
    assert row.top1 - report.top1 == pytest.approx(row.difference)
    assert row.top1 > 90


def test_reversed_channels_of_the_stem_are_named(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path, blue_only)
    red = [coloured(item, tmp_path / f"{number}.png") for number, item in enumerate(items)]
    report = ask(worker, red, sample.PROTOCOL)

    assert report.top1 < 30
    assert report.verdict.startswith("channels in the order BGR explains it best: top-1 ")
    assert "reverse the input channels of the first convolution in --src" in report.verdict
    assert report.rows[0].name == "channels in the order BGR"


def coloured(item: Item, path: Path) -> Item:
    """The digit in red alone."""
    with Image.open(io.BytesIO(item.blob.read())) as image:
        gray = image.convert("L")
    Image.merge("RGB", (gray, gray.point(lambda _: 90), gray.point(lambda _: 90))).save(path)
    return Item(path.name, item.label, path.stat().st_size, FileBlob(path))


def test_a_resize_that_cuts_the_digit_is_named(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    report = ask(worker, items, dataclasses.replace(sample.PROTOCOL, resize=150))

    assert report.top1 < 60
    assert report.rows[0].top1 > 80
    assert report.verdict.startswith(report.rows[0].name)
    assert "Remedy: --resize " in report.verdict


# Planted in the labels: no forward pass is needed, so one image is sample enough


@pytest.mark.parametrize(("shift", "name"), [(1, "every label one too high"), (9, "every label one too low")])
def test_labels_off_by_one_are_named(shift: int, name: str, worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    rows = run(worker, items, sample.PROTOCOL)
    rows = relabelled(rows, [(row.label or 0) + shift - (10 if (row.label or 0) + shift > 9 else 0) for row in rows])
    report = ask(worker, items, sample.PROTOCOL, rows=rows, count=1)

    assert report.top1 < 5
    assert report.verdict.startswith(f"{name} explains it best: top-1 ")
    assert report.rows[0].images == 60


def test_labels_in_another_order_are_named_with_the_order(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    flat = [dataclasses.replace(item, name=item.name.replace("/", "_")) for item in items]
    order = [3, 7, 0, 9, 1, 8, 2, 5, 4, 6]
    rows = run(worker, flat, sample.PROTOCOL)
    report = ask(worker, flat, sample.PROTOCOL, rows=relabelled(rows, [order[row.label or 0] for row in rows]), count=1)

    assert report.verdict.startswith("labels in another order explains it best: top-1 ")
    assert "(label 0 is 2, 1 is 4, 2 is 6, 3 is 0 and 6 more)" in report.verdict


# The sample, and what cannot be asked


def test_the_sample_is_spread_over_the_classes_and_always_the_same() -> None:
    labels = [0] * 100 + [1] * 100 + [2] * 3
    chosen = choose_sample(labels, 21)

    assert chosen == choose_sample(labels, 21) == sorted(set(chosen))
    assert [sum(labels[position] == label for position in chosen) for label in (0, 1, 2)] == [9, 9, 3]


def test_a_sample_of_fewer_images_than_classes_takes_no_class_twice() -> None:
    chosen = choose_sample([number // 50 for number in range(50_000)], 500)

    assert len({position // 50 for position in chosen}) == 500


def test_a_sample_larger_than_the_set_is_the_set() -> None:
    assert choose_sample([1, 0, 1], 10) == [0, 1, 2]


def test_without_labels_there_is_nothing_to_ask(worker: Worker, items: list[Item]) -> None:
    rows = [ImageRow(item.name, None, None, 0.0, {}) for item in items]

    with pytest.raises(FerryError, match="--why: compares accuracies, and there is none"):
        ask(worker, items, sample.PROTOCOL, rows=rows)


def test_rows_of_other_images_are_refused(worker: Worker, items: list[Item]) -> None:
    rows = [ImageRow(item.name, 0, None, 0.0, {}) for item in items[::-1]]

    with pytest.raises(ValueError, match="the rows are of other images than the items"):
        ask(worker, items, sample.PROTOCOL, rows=rows)


def test_an_image_that_has_gone_since_the_run_is_named(worker: Worker, items: list[Item], tmp_path: Path) -> None:
    load(worker, tmp_path)
    rows = run(worker, items, sample.PROTOCOL)
    gone = [dataclasses.replace(item, blob=FileBlob(tmp_path / "gone.png")) for item in items]

    with pytest.raises(FerryError, match=r"0/digit_\d+\.png: could be read in the run, and no longer: "):
        ask(worker, gone, sample.PROTOCOL, expected=50.0, rows=rows)


def test_the_command_names_labels_off_by_one(
    items: list[Item], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for number, item in enumerate(items[::4]):
        (tmp_path / f"{number}.png").write_bytes(item.blob.read())
        lines.append(f"{number}.png {((item.label or 0) + 1) % 10}\n")
    (tmp_path / "val_list.txt").write_text("".join(lines))
    pair = ["--arch", sample.ARCH, "--src", str(sample.CHECKPOINT), "--dst", str(convert_sample(tmp_path))]
    protocol = ["--size", "64", "--resize", "72", "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"]
    ask = ["--why", "--expect", "99.2", "--why-sample", "1"]

    assert main([*pair, "--data", str(tmp_path), *protocol, *ask]) == 0
    assert "why: every label one too high explains it best: top-1 0.00 becomes " in capsys.readouterr().out
