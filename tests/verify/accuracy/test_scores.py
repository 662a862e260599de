"""Accuracy and flips, on logits made by hand."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pairs import CALM, flip_by, scored

from convert.arrays import Array
from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import Accuracy, ClassScore, McNemar, PairedResult, summarise
from verify.accuracy.statistics import mcnemar_exact, wilson_interval
from verify.gate import Verdict
from verify.gates.paired import paired_gate
from verify.store.rows import ImageRow, Prediction


def scores(result: PairedResult, framework: str) -> tuple[float | None, float | None]:
    return result.accuracy[framework].top1, result.accuracy[framework].top5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[PairedResult, Path, Array]:
    """40 images of 8 classes, on which the frameworks agree to 1e-6; the store's file and torch's logits."""
    rng = np.random.default_rng(0)
    torch = rng.normal(size=(40, 8))
    path = tmp_path_factory.mktemp("run") / "run.sqlite"
    labels = [int(label) for label in rng.integers(0, 8, 40)]
    return scored(torch, torch + 1e-6 * rng.normal(size=torch.shape), labels, path=path), path, torch


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_accuracy_is_what_plain_python_counts_in_the_store(
    framework: str, run: tuple[PairedResult, Path, Array]
) -> None:
    result, path, _ = run
    query = "SELECT label, class1, class2, class3, class4, class5 FROM images JOIN predictions ON image = id"
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(f"{query} WHERE framework = ?", (framework,)).fetchall()
    top1 = 100 * len([row for row in rows if row[0] == row[1]]) / 40
    top5 = 100 * len([row for row in rows if row[0] in row[1:]]) / 40

    assert len(rows) == 40
    assert 0 < top1 < top5 < 100
    assert scores(result, framework) == (top1, top5)


def test_accuracy_is_what_plain_python_counts_in_the_logits(run: tuple[PairedResult, Path, Array]) -> None:
    result, path, logits = run
    with closing(sqlite3.connect(path)) as database:
        labels = [label for (label,) in database.execute("SELECT label FROM images ORDER BY id")]
    ranked = [sorted(range(8), key=[-logit for logit in row].__getitem__) for row in logits.tolist()]
    top1 = sum(best[0] == label for best, label in zip(ranked, labels, strict=True))
    top5 = sum(label in best[:5] for best, label in zip(ranked, labels, strict=True))

    assert scores(result, "torch") == (100 * top1 / 40, 100 * top5 / 40)


def test_a_run_that_agrees_passes(run: tuple[PairedResult, Path, Array]) -> None:
    result, _, _ = run
    gate = paired_gate(result)

    assert (gate.verdict, gate.problems) == (Verdict.PASSED, ())
    assert gate.measured == "0 flips, 0 unexplained, 40 of 40 images, top-1 differs by 0.000"
    assert (result.agreement, result.flips, result.top1_difference) == (100.0, (), 0.0)


def test_a_tie_goes_to_the_lower_class_in_both_frameworks() -> None:
    result = scored(np.array([[0.0, 2.0, 2.0]]), np.array([[0.0, 2.0, 2.0]]), [1])

    assert result.accuracy["torch"].top1 == result.accuracy["paddle"].top1 == 100.0
    assert result.flips == ()


def test_with_fewer_than_five_classes_every_label_is_among_the_best_five() -> None:
    result = scored(np.array([[3.0, 2.0, 1.0]] * 4), np.array([[3.0, 2.0, 1.0]] * 4), [0, 1, 2, 2])

    assert scores(result, "paddle") == (25.0, 100.0)


def test_a_model_of_one_class_is_always_right() -> None:
    result = scored(np.array([[3.0]]), np.array([[3.0]]), [0])

    assert scores(result, "torch") == (100.0, 100.0)
    assert paired_gate(result).verdict is Verdict.PASSED


def test_without_labels_there_is_no_accuracy_and_the_flips_decide() -> None:
    result = scored(np.array([CALM, CALM]), np.array([CALM, CALM]), [None, None])
    gate = paired_gate(result)

    assert result.accuracy == {"torch": Accuracy(None, None), "paddle": Accuracy(None, None)}
    assert (result.top1_difference, gate.verdict) == (None, Verdict.PASSED)
    assert gate.measured == "0 flips, 0 unexplained, 2 of 2 images"


def test_without_labels_an_unexplained_flip_fails() -> None:
    result = scored(np.array([CALM, CALM]), np.array([CALM, CALM[::-1]]), [None, None])

    assert paired_gate(result).verdict is Verdict.FAILED


def test_the_difference_of_top_1_is_paddles_less_torchs() -> None:
    torch = np.array([CALM, CALM[::-1], CALM, CALM])
    result = scored(torch, np.array([CALM] * 4), [0] * 4)

    assert result.top1_difference == 25.0
    assert result.agreement == 75.0


# Intervals, McNemar, classes

RIGHT, WRONG = [2.0, 1.0, 0.0], [1.0, 2.0, 0.0]


def test_an_accuracy_has_wilsons_interval() -> None:
    result = scored(np.array([RIGHT] * 9 + [WRONG]), np.array([RIGHT] * 10), [0] * 10)
    low, high = wilson_interval(9, 10)

    assert result.accuracy["torch"].top1_interval == (100 * low, 100 * high)
    assert result.accuracy["paddle"].top1_interval == pytest.approx((72.2467, 100.0), abs=1e-4)
    assert result.accuracy["torch"].top5_interval == result.accuracy["paddle"].top1_interval


def test_images_that_one_framework_alone_has_right_are_counted() -> None:
    torch = np.array([RIGHT] * 7 + [WRONG] * 3)
    paddle = np.array([RIGHT] + [WRONG] * 6 + [RIGHT] + [WRONG] * 2)

    assert scored(torch, paddle, [0] * 10).mcnemar == McNemar(6, 1, mcnemar_exact(6, 1))


def test_every_class_is_scored_by_its_label() -> None:
    torch = np.array([RIGHT, RIGHT, WRONG, WRONG, RIGHT])
    paddle = np.array([RIGHT, WRONG, WRONG, WRONG, RIGHT])

    assert scored(torch, paddle, [0, 0, 1, 2, 0], broken=["z.png"]).per_class == (
        ClassScore(0, 3, 3, 2),
        ClassScore(1, 1, 1, 1),
        ClassScore(2, 1, 0, 0),
    )


def test_the_classes_add_up_to_the_accuracy(run: tuple[PairedResult, Path, Array]) -> None:
    result, _, _ = run

    assert sum(score.images for score in result.per_class) == 40
    assert 100 * sum(score.torch_right for score in result.per_class) / 40 == result.accuracy["torch"].top1


@pytest.mark.parametrize("labels", [[None, None], [0, None]])
def test_without_a_label_for_each_image_there_are_no_statistics(labels: list[int | None]) -> None:
    result = scored(np.array([RIGHT] * 2), np.array([RIGHT] * 2), labels)

    assert (result.mcnemar, result.per_class, result.accuracy["torch"].top1_interval) == (None, (), None)


def test_a_whole_validation_set_is_summarised_in_one_pass_and_little_time() -> None:
    def rows() -> Iterator[ImageRow]:
        for number in range(50_000):
            best = Prediction(((number % 1000), 7, 8, 9, 10), (5.0, 1.0, 0.0, 0.0, 0.0))
            yield ImageRow(f"{number}.JPEG", number // 50, None, 1e-6, {"torch": best, "paddle": best})

    start = time.monotonic()
    result = summarise(rows())

    assert time.monotonic() - start < 5  # 0.3 s alone on a machine
    assert (result.images, len(result.per_class), result.accuracy["torch"].top1) == (50_000, 1000, 0.1)


# Flips


def test_a_flip_of_a_margin_under_twice_the_noise_is_explained() -> None:
    (flip,) = flip_by(margin=1.9e-5, noise=1e-5).flips

    assert flip.explained
    assert (flip.name, flip.label, flip.torch, flip.paddle) == ("0.png", 0, 0, 1)
    assert (flip.torch_margin, flip.paddle_margin, flip.max_abs) == (1.9e-5, 1.9e-5, 1.9e-5)


def test_a_flip_of_a_larger_margin_is_not_explained() -> None:
    result = flip_by(margin=2.1e-5, noise=1e-5)

    assert (result.flips[0].explained, result.unexplained) == (False, 1)
    assert paired_gate(result).problems == (
        "unexplained flip  0.png: torch 0 (margin 2.10e-05), paddle 1 (margin 2.10e-05)",
    )


def test_the_smaller_of_both_margins_counts() -> None:
    torch = np.array([[5e-5, 0.0, -1.0], [5.0, 1.0, 0.0]])
    paddle = np.array([[0.0, 1e-6, -1.0], [5.0, 1.0, 1e-6]])

    assert scored(torch, paddle, [0, 0]).flips[0].explained


def test_a_flip_does_not_excuse_itself() -> None:
    result = flip_by(margin=5e-5, noise=1e-7)

    assert result.max_abs == 5e-5
    assert result.noise == pytest.approx(1e-7)
    assert not result.flips[0].explained


def test_a_flip_does_not_excuse_another() -> None:
    torch = np.array([[8e-5, 0.0], [1e-5, 0.0], [5.0, 1.0]])
    result = scored(torch, np.array([[0.0, 8e-5], [0.0, 1e-5], [5.0, 1.0]]), [0, 0, 0])

    assert (result.noise, result.unexplained) == (0.0, 2)


def test_the_noise_is_no_more_than_the_float32_gate_allows() -> None:
    result = flip_by(margin=5e-4, noise=0.5)

    assert (result.noise, result.flips[0].explained) == (1e-4, False)


def test_a_flip_whose_logits_differ_by_more_than_the_float32_gate_allows_is_not_explained() -> None:
    torch = np.array([[0.0, 1e-6, -1.0], [5.0, 1.0, 0.0]])
    paddle = np.array([[0.0, -1e-6, -2.0], [5.0, 1.0, 1e-5]])

    assert not scored(torch, paddle, [0, 0]).flips[0].explained


def test_a_set_of_nothing_but_flips_explains_none() -> None:
    assert not flip_by(margin=1e-9, noise=0.0, calm=0).flips[0].explained
