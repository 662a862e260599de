"""No architecture's table is another's, in whatever layout."""

from __future__ import annotations

import dataclasses

import pytest

from convert.archs import ARCHS
from convert.archs.convnext import Stem
from convert.archs.spec import Norm
from convert.source.recognise import distance
from convert.state_dict import expected_shapes


def test_no_table_is_anothers_in_either_layout() -> None:
    tables = [tuple(sorted(expected_shapes(spec, f).items())) for spec in ARCHS.values() for f in ("torch", "paddle")]

    assert len(set(tables)) == 2 * len(ARCHS)


@pytest.mark.parametrize("classes", [1, 10, 1000])
@pytest.mark.parametrize("arch", ARCHS)
def test_no_tensors_fit_both_frameworks_layouts(arch: str, classes: int) -> None:
    spec = dataclasses.replace(ARCHS[arch], num_classes=classes)

    assert distance(spec, expected_shapes(spec, "torch"), "paddle") >= 2 * spec.blocks


def test_the_words_of_stems_and_norms_are_timms() -> None:
    assert [stem.value for stem in Stem] == ["patch", "overlap", "overlap_tiered", "overlap_act"]
    assert [norm.value for norm in Norm] == ["layernorm", "rmsnorm", "simplenorm", "batchnorm"]
