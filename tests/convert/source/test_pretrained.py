"""The table of published checkpoints against timm's own, row by row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import timm
from timm.models import get_pretrained_cfg

from convert.errors import FerryError
from convert.source.locate import Located, locate
from convert.source.pretrained import PRETRAINED, ROWS, Pretrained, UnknownPretrained, find_pretrained, is_address

ISOTROPIC = {
    f"convnext_isotropic_{size}.fb_in1k": f"https://dl.fbaipublicfiles.com/convnext/convnext_iso_{size}_1k_224_ema.pth"
    for size in ("small", "base", "large")
}
RELATIVES = {"resnext26ts.ra2_in1k", "resnext50d_32x4d.bt_in1k"}  # other networks
OF_TIMM = sorted({*timm.list_models(["convnext*", "resnext*"], pretrained=True)} - RELATIVES)


def test_the_table_has_all_of_timm_and_the_isotropic_ones_once_and_sorted() -> None:
    names = [row.name for row in ROWS]

    assert names == sorted({*OF_TIMM, *ISOTROPIC})
    assert len({row.url for row in ROWS}) == len(ROWS) == 126
    assert list(PRETRAINED.values()) == list(ROWS)


@pytest.mark.parametrize("name", OF_TIMM)
def test_a_row_is_what_timm_has(name: str) -> None:
    cfg, row = get_pretrained_cfg(name), find_pretrained(name)

    assert (row.arch, row.num_classes) == (cfg.architecture, cfg.num_classes)
    if cfg.url:
        assert row.url == cfg.url
    else:
        file = cfg.hf_hub_filename or "model.safetensors"
        assert urlsplit(row.url)[:3] == ("https", "huggingface.co", f"/{cfg.hf_hub_id}/resolve/main/{file}")


@pytest.mark.parametrize("name", ISOTROPIC)
def test_a_row_is_the_official_isotropic_file(name: str) -> None:
    assert find_pretrained(name) == Pretrained(name, name.partition(".")[0], ISOTROPIC[name], 1000)


def test_every_architecture_of_timm_that_has_a_checkpoint_is_there() -> None:
    without = set(timm.list_models("convnext*")) - {row.arch for row in ROWS}

    assert without == {"convnext_atto_rms", "convnextv2_small"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "convnext_base.fb_in22k_ft_1k",
            "unknown checkpoint name 'convnext_base.fb_in22k_ft_1k'; did you mean convnext_base.fb_in22k_ft_in1k, "
            "convnext_base.fb_in22k_ft_in1k_384, convnext_large.fb_in22k_ft_in1k?",
        ),
        ("resnet", "unknown checkpoint name 'resnet'; a name is for example convnext_tiny.fb_in1k"),
        (
            "convnextv2_pico",
            "'convnextv2_pico' is an architecture; its published checkpoints are convnextv2_pico.fcmae, "
            "convnextv2_pico.fcmae_ft_in1k",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(name: str, message: str) -> None:
    with pytest.raises(FerryError) as caught:
        find_pretrained(name)

    assert str(caught.value) == message


@pytest.mark.parametrize("src", ["x.pth", "x.tar", "x.safetensors", "model.safetensors.index.json", "x.pdparams"])
def test_a_name_with_the_suffix_of_a_checkpoint_is_a_file_s(src: str) -> None:
    assert locate(src) == Located(Path(src))


@pytest.mark.parametrize("src", ["x.json", "convnext_tiny.fb_in1", "x.pickle"])
def test_a_name_with_another_suffix_is_a_published_checkpoint_s(src: str) -> None:
    with pytest.raises(UnknownPretrained):
        locate(src)


@pytest.mark.parametrize(
    ("src", "expected"),
    [
        ("https://host/x.pth", True),
        ("HTTP://host/x.pth", True),
        ("convnext_tiny.fb_in1k", False),
        ("folder/x.pth", False),
        ("file:///x.pth", False),
        ("https:x.pth", False),
    ],
)
def test_an_address_is_told_from_a_name_or_a_path(src: str, expected: bool) -> None:
    assert is_address(src) is expected


def test_the_script_that_writes_the_table_agrees_with_it() -> None:
    script = Path(__file__).parents[3] / "scripts/make_pretrained.py"

    child = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)

    assert (child.returncode, child.stdout) == (0, "0 differences in 126 checkpoints\n"), child.stderr
