"""Which protocol a run gets from a recipe's name, the checkpoint's name and single values, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_images import listing, write_images
from pairs import write_pair

from convert.archs import get_spec
from convert.errors import FerryError
from verify.cli import main
from verify.recipes.choose import ChosenRecipe, Overrides, WrongProtocol, choose_recipe
from verify.recipes.protocol import SQUASH, Protocol
from verify.recipes.recipe import Recipe, get_recipe, known_recipes
from verify.recipes.table import SOURCES

BASE = get_spec("convnext_base")
OFFICIAL = Path("convnext_base_22k_1k_384.pth")
NAME = "convnext_base.fb_in22k_ft_in1k_384"
ZEPTO = get_recipe("convnext_zepto_rms.ra4_e3600_r224_in1k")  # the smallest; its mean is not the default


def choose(named: str = "", *, checkpoint: Path = Path("x.pth"), **values: Any) -> ChosenRecipe:
    return choose_recipe(named, Overrides(**values), checkpoint=checkpoint, spec=BASE)


def test_a_named_recipe_is_taken_as_it_stands() -> None:
    chosen = choose(NAME)

    assert (chosen.protocol, chosen.recipe, chosen.overridden) == (get_recipe(NAME).protocol, get_recipe(NAME), ())
    assert chosen.how == "named"


def test_a_checkpoint_with_its_published_name_is_recognised_and_that_is_said() -> None:
    chosen = choose(checkpoint=OFFICIAL)

    assert (chosen.protocol, chosen.recipe, chosen.overridden) == (get_recipe(NAME).protocol, get_recipe(NAME), ())
    assert chosen.how == "recognised"


def test_a_named_recipe_goes_before_the_files_name() -> None:
    assert choose("convnext_base.fb_in1k@288", checkpoint=OFFICIAL).protocol.size == 288


def test_without_a_name_it_is_the_authors_protocol_and_nothing_published() -> None:
    chosen = choose()

    assert (chosen.protocol, chosen.recipe, chosen.how) == (Protocol(), None, "neither")


def test_values_without_a_recipe_are_a_protocol_of_their_own() -> None:
    chosen = choose(checkpoint=OFFICIAL, size=384)

    assert (chosen.protocol, chosen.recipe) == (Protocol(size=384, resize=SQUASH), None)
    assert chosen.how == "own values"


def test_a_default_is_what_values_change_where_no_recipe_is_named() -> None:
    default = Protocol(size=64, resize=72, mean=(0.5, 0.5, 0.5))
    chosen = choose_recipe("", Overrides(resize=70), checkpoint=OFFICIAL, spec=BASE, default=default)

    assert chosen.protocol == replace(default, resize=70)


@pytest.mark.parametrize(
    ("named", "values", "overridden"),
    [
        ("convnext_base.fb_in1k", {"size": 288}, ("size 288 instead of 224", "short edge 329 instead of 256")),
        ("convnext_base.fb_in1k", {"size": 224}, ()),
        ("convnext_base.fb_in1k", {"resize": 233}, ("short edge 233 instead of 256",)),
        ("convnext_base.fb_in1k", {"resize": SQUASH}, ("squash instead of short edge 256",)),
        ("convnext_base.fb_in1k", {"crop_pct": 1.0}, ("short edge 224 instead of 256",)),
        ("convnext_base.fb_in1k", {"crop_pct": 0.875}, ()),
        ("convnext_base.fb_in1k", {"interpolation": "bilinear"}, ("bilinear instead of bicubic",)),
        (
            "convnext_base.fb_in1k",
            {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
            (
                "mean (0.5, 0.5, 0.5) instead of (0.485, 0.456, 0.406)",
                "std (0.5, 0.5, 0.5) instead of (0.229, 0.224, 0.225)",
            ),
        ),
        (NAME, {"size": 320}, ("size 320 instead of 384",)),
        (NAME, {"crop_pct": 1.0}, ("short edge 384 instead of squash",)),
        (
            "torchvision/ConvNeXt_Base_Weights.IMAGENET1K_V1",
            {"size": 288, "resize": 288},
            ("size 288 instead of 224", "short edge 288 instead of 232"),
        ),
    ],
)
def test_what_is_overridden_is_said(named: str, values: dict[str, Any], overridden: tuple[str, ...]) -> None:
    chosen = choose(named, **values)

    assert chosen.overridden == overridden


@pytest.mark.parametrize(
    ("values", "resize"),
    [({}, 256), ({"crop_pct": 0.96}, 233), ({"crop_pct": 1.0}, 224), ({"size": 288, "crop_pct": 1.0}, 288)],
)
def test_the_crop_as_a_fraction_is_the_short_edge(values: dict[str, Any], resize: int) -> None:
    assert choose(**values).protocol.resize == resize


@pytest.mark.parametrize("row", known_recipes(), ids=lambda row: row.name)
def test_stating_a_recipes_own_values_overrides_nothing(row: Recipe) -> None:
    protocol = row.protocol
    overrides = Overrides(
        size=protocol.size,
        resize=protocol.resize,
        interpolation=protocol.interpolation,
        mean=protocol.mean,
        std=protocol.std,
    )
    chosen = choose_recipe(row.name, overrides, checkpoint=Path("x.pth"), spec=get_spec(row.arch))

    assert (chosen.protocol, chosen.overridden) == (protocol, ())


def test_a_recipe_of_another_number_of_classes_is_refused() -> None:
    with pytest.raises(FerryError) as caught:
        choose_recipe(NAME, Overrides(), checkpoint=OFFICIAL, spec=replace(BASE, num_classes=10))

    assert str(caught.value) == (
        f"--recipe {NAME} is of convnext_base with 1000 classes, and {OFFICIAL} is convnext_base with 10; "
        "name that one's recipe, or give its protocol by --size, --resize, --interpolation, --mean and --std"
    )


def test_values_that_cannot_be_are_refused_with_a_recipe_too() -> None:
    with pytest.raises(WrongProtocol, match="--resize 380 is smaller than --size 384"):
        choose(NAME, resize=380)


# Through the command and through a whole run


def test_the_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 1 + len(known_recipes()) + 1 + len(SOURCES)
    rows = [" ".join(line.split()) for line in lines]
    assert rows[0] == "recipe architecture size resize top-1 top-5 source"
    assert "convnext_nano.in12k_ft_in1k@288 convnext_nano 288 288 bicubic 82.882 96.562 timm" in rows
    assert "convnext_isotropic_base.fb_in1k convnext_isotropic_base 224 256 bicubic 82.0 fb" in rows


def test_the_recipes_are_listed_for_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-recipes", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    assert list(rows) == [recipe.name for recipe in known_recipes()]
    assert rows["convnext_base.fb_in1k@288"] == {
        "name": "convnext_base.fb_in1k@288",
        "arch": "convnext_base",
        "num_classes": 1000,
        "protocol": {
            "size": 288,
            "resize": 288,
            "interpolation": "bicubic",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "top1": 84.466,
        "top5": 96.982,
        "decimals": 3,
        "source": get_recipe("convnext_base.fb_in1k@288").source,
        "images": 50_000,
        "files": ["convnext_base_1k_224_ema.pth"],
        "url": "https://dl.fbaipublicfiles.com/convnext/convnext_base_1k_224_ema.pth",
    }
    assert all(row["files"] for row in rows.values())
    assert rows["torchvision/ConvNeXt_Tiny_Weights.IMAGENET1K_V1"]["url"] is None
    assert rows["convnext_base.fb_in1k_384"]["top5"] is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair whose source has a published checkpoint's name, and four images with labels."""
    folder = tmp_path_factory.mktemp("published")
    write_pair(folder, get_spec(ZEPTO.arch))
    (folder / "x.pth").rename(folder / f"{ZEPTO.name}.pth")
    images = sorted(write_images(folder / "val", count=4).glob("*/*"))
    listing(folder / "val", "".join(f"{image.relative_to(folder / 'val').as_posix()} 7\n" for image in images))
    return folder


def verified(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON of a whole run over the images."""
    pair = ["--arch", ZEPTO.arch, "--src", f"{folder / ZEPTO.name}.pth", "--dst", str(folder / "x.pdparams")]
    assert main([*pair, "--data", str(folder / "val"), "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_recognises_its_checkpoint_before_any_model_is_loaded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path, get_spec(ZEPTO.arch), lambda weights: weights.__delitem__("head.bias"))
    pair = ["--arch", ZEPTO.arch, "--src", f"{folder / ZEPTO.name}.pth", "--dst", str(tmp_path / "x.pdparams")]
    assert main([*pair, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)

    assert document["facts"]["recipe"] == {"name": ZEPTO.name, "how": "recognised", "overridden": {}}
    assert document["facts"]["protocol"]["mean"] == list(ZEPTO.protocol.mean)
    assert [(gate["name"], gate["verdict"]) for gate in document["gates"]][-1] == ("published accuracy", "not run")
    assert document["gates"][-1]["limit"] == "each top-1 within 0.05 of 72.820, every image read"


def test_a_run_with_a_value_overridden_is_not_the_published_protocol(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = verified(folder, capsys, "--recipe", ZEPTO.name, "--size", "64", "--interpolation", "bilinear")

    said = (
        "not the published protocol: size 64 instead of 224, short edge 73 instead of 256, bilinear instead of bicubic"
    )
    assert document["facts"]["recipe"] == {
        "name": ZEPTO.name,
        "how": "named",
        "overridden": {"size": 224, "resize": 256, "interpolation": "bicubic"},
    }
    assert document["facts"]["protocol"] == {
        "size": 64,
        "resize": 73,
        "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "crop": 64,
    }
    assert (document["gates"][-1]["verdict"], document["gates"][-1]["measured"]) == ("not run", said)
