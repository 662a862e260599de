"""What stands in a state dict beside the model that is meant: another model, a single number, a vector."""

from __future__ import annotations

import numpy as np
import pytest
from library_keys import SMALL, stored

from convert.errors import WrongChoice
from convert.key_formats import name_officially
from verify.selftest.weights import distinct_weights

WEIGHTS = distinct_weights(SMALL["plain"].params())


def test_a_bare_model_beside_another_is_told_as_one() -> None:
    theirs = stored(SMALL["plain"], "timm", WEIGHTS)

    with pytest.raises(WrongChoice) as caught:
        name_officially({**theirs, **{f"ema.{key}": array for key, array in theirs.items()}})

    assert str(caught.value) == (
        "holds several models, one without a prefix and behind 'ema.'; "
        "choose with --strip-prefix . or --strip-prefix ema."
    )


def test_a_model_without_a_prefix_is_told_not_to_be_there() -> None:
    theirs = {f"ema.{key}": array for key, array in WEIGHTS.items()}

    with pytest.raises(WrongChoice, match=r"^no model stands there without a prefix; --strip-prefix ema\.$"):
        name_officially(theirs, strip_prefix=".")


@pytest.mark.parametrize("name", ["official", "timm", "torchvision", "transformers", "mmpretrain"])
@pytest.mark.parametrize("before", ["", "module."])
def test_a_single_number_among_the_weights_is_none(name: str, before: str) -> None:
    theirs = {before + key: array for key, array in stored(SMALL["plain"], name, WEIGHTS).items()}
    strays = {"best_acc1": np.float32(70.0).reshape(()), f"{before}logit_scale": np.array(4.6)}

    named = name_officially({**strays, **theirs})

    assert sorted([*named.numbers, *named.left_out]) == sorted(strays)
    assert list(named.tensors) == list(WEIGHTS)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (0,)])
def test_a_vector_among_the_weights_is_told_however_short(shape: tuple[int, ...]) -> None:
    named = name_officially({**WEIGHTS, "best_acc1": np.ones(shape)})

    assert "best_acc1" in named.tensors
    assert named.numbers == ()


def test_a_number_in_the_place_of_a_weight_stays_there() -> None:
    named = name_officially({**WEIGHTS, "norm.bias": np.array(1.0)})

    assert named.tensors["norm.bias"].shape == ()
    assert named.numbers == ()
