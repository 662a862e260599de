"""What is concluded from scores made by hand, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from verify.why.conclusion import Score, Truths, conclude_why, detectable

BASE = np.arange(1000) < 500  # the run has the first half right: 50 %


def right(count: int, *, seen: int = 1000, name: str = "a mistake") -> Score:
    """The first `count` images right, of which `seen` spread evenly were looked at."""
    looked: Truths = np.zeros(1000, np.bool_)
    looked[:: 1000 // seen] = True
    return Score(name, (np.arange(1000) < count) & looked, looked, f"mend {name}")


def test_the_nearest_to_the_expected_is_named_with_its_remedy() -> None:
    scores = [right(560, name="small"), right(820, name="great"), right(990, name="too much")]

    assert conclude_why(scores, BASE, expected=82.0, sample_size=500) == (
        "great explains it best: top-1 50.00 becomes 82.00 of the expected 82.00 (+32.00 points on 1,000 images, "
        "p = 9e-97). Remedy: mend great."
    )


def test_without_an_expected_accuracy_the_highest_is_named() -> None:
    text = conclude_why([right(560), right(820), right(990, name="highest")], BASE, expected=None, sample_size=500)

    assert text.startswith("highest explains it best: top-1 50.00 becomes 99.00 (+49.00 points on 1,000 images, p = ")


def test_an_accuracy_that_is_too_high_is_explained_as_well() -> None:
    text = conclude_why([right(820), right(310, name="worse")], BASE, expected=30.0, sample_size=500)

    assert text.startswith("worse explains it best: top-1 50.00 becomes 31.00 of the expected 30.00 (-19.00 points")


def test_what_the_images_cannot_tell_apart_is_said() -> None:
    scores = [right(820, name="one"), right(818, name="two"), right(700, name="three")]

    assert "These images cannot tell it from: two." in conclude_why(scores, BASE, expected=82.0, sample_size=500)


def test_what_remains_is_said() -> None:
    text = conclude_why([right(750)], BASE, expected=82.0, sample_size=500)

    assert text.endswith(" +7.00 points remain: set this right and ask again.")


def test_a_mistake_that_explains_less_than_half_is_not_called_the_cause() -> None:
    assert conclude_why([right(600)], BASE, expected=82.0, sample_size=500) == (
        "no usual mistake explains the +32.00 points: the most is a mistake with +10.00 points on 1,000 images, "
        "p = 2e-30. It may be one of several; its remedy: mend a mistake"
    )


def test_a_difference_of_few_images_concludes_nothing() -> None:
    text = conclude_why([right(550, seen=100)], BASE, expected=55.0, sample_size=100)

    assert text == (
        "on 100 images no usual mistake differs significantly in the right direction; nothing is concluded. "
        "The nearest is a mistake (+5.00 points, p = 0.06; mend a mistake); differences from 6.3 points on would show, "
        "with --why-sample 1000 from 2.0"
    )


def test_an_expected_accuracy_within_the_interval_may_be_chance() -> None:
    text = conclude_why([right(500)], BASE, expected=52.0, sample_size=1000)

    assert text.endswith(
        ". 52.00 lies within 46.91 to 53.09, the 95 % interval of 1,000 images: "
        "if it was measured on others, chance may be all"
    )


def test_where_every_image_was_looked_at_no_larger_sample_is_advised() -> None:
    assert conclude_why([right(500)], BASE, expected=55.0, sample_size=1000).endswith(
        "differences from 0.3 points on would show"
    )


def test_many_mistakes_are_held_to_a_stricter_level() -> None:
    one = right(507, name="by chance")  # 7 images against none: p = 0.016

    assert conclude_why([one], BASE, expected=50.7, sample_size=500).startswith("by chance explains it best")
    assert "nothing is concluded" in conclude_why([one, *[right(500)] * 9], BASE, expected=50.7, sample_size=500)


def test_a_difference_in_the_wrong_direction_explains_nothing() -> None:
    assert "nothing is concluded" in conclude_why([right(300)], BASE, expected=82.0, sample_size=500)


def test_labels_and_pixels_are_compared_on_the_images_that_both_have_seen() -> None:
    assert right(820).tied(right(830, seen=20))
    assert not right(820).tied(right(500, seen=100))


@pytest.mark.parametrize("images", [500, 5000, 50_000])
def test_the_detectable_difference_is_seen_as_often_as_promised(images: int) -> None:
    rng = np.random.default_rng(0)
    score, tests = right(530, seen=1000), 20
    moving = 0.03
    points = detectable(score, BASE, images, tests)
    gained = rng.binomial(images, (moving + points / 100) / 2, 400)
    lost = rng.binomial(images, max(moving - points / 100, 0) / 2, 400)
    z = (gained - lost) / np.sqrt(np.maximum(gained + lost, 1))

    assert 0.7 < np.mean(z > 3.02) <= 1.0  # the two-sided 5 % over 20 tests
