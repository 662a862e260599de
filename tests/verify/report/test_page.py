"""The report's page as text: what stands in it, what cannot, and that it is small and the same every time."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up_gates import failed, passed
from PIL import Image
from results import (
    FACTS,
    NASTY,
    album,
    departing_in_float32,
    full_result,
    nasty_facts,
    some_result,
    some_rows,
    some_units,
)

from verify.gates.compare import Comparison
from verify.gates.layers import UnitDifference, UnitReport
from verify.limits import UNIT_MAX_REL
from verify.report import as_html
from verify.report.figures import class_points, confidence_grid, difference_histogram
from verify.report.html import GALLERY
from verify.report.plots import unit_figure
from verify.report.thumbnails import SIDE, data_uri
from verify.result import Result
from verify.store.rows import Prediction


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] != "style":
            self.words.append(data)

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def nasty() -> Result:
    rows = some_rows(flips=3)
    rows[0] = replace(rows[0], name=NASTY)
    gates = (failed(NASTY, NASTY, NASTY, problems=(NASTY,)),)
    units = replace(some_units(depart=True), hint=NASTY)
    return some_result(rows, gates=gates, facts=nasty_facts(), classes=[NASTY] * 20, command=NASTY, units=units)


def test_the_page_says_verdict_scores_gates_and_how_to_repeat_it() -> None:
    text = Page(as_html(full_result())).text

    for words in (
        "NOT VERIFIED Gates: 3 passed, 1 FAILED, 1 not run",
        "torch 79.000 78.00 to 80.00 79.000",
        "Paddle less torch -0.750 +0.000",
        "published, convnext_tiny.fb_in1k 82.1 95.9",
        "float64 oracle passed max rel 1.2e-14 max rel <= 1e-09",
        "published accuracy not run no --recipe",
        "The first unit that departs is stages.1.2 : an eps of 1e-5 in place of 1e-6",
        "centre crop at 384 81.200 -0.900 0.003 --resize squash",
        "not read n00000003/broken.JPEG: image file is truncated",
        f"data fingerprint {'3d' * 32}",
        "--data 'imagenet/my val' --report out",
    ):
        assert words in text


def test_nothing_in_the_page_runs_or_leads_out_of_it() -> None:
    page = Page(as_html(album(full_result())))

    assert {"script", "link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.elements)
    values = [(name, value or "") for _, attributes in page.elements for name, value in attributes.items()]
    addresses = [value for name, value in values if name in {"src", "href", "xlink:href", "action"}]
    assert {value.partition(",")[0] for value in addresses if value[0] != "#"} == {"data:image/jpeg;base64"}
    assert not [name for name, _ in values if name.startswith(("on", "xmlns"))]
    assert "://" not in as_html(album(full_result()))


def test_every_reference_in_the_plots_has_its_one_target() -> None:
    text = as_html(full_result())
    targets = re.findall(r' id="([^"]+)"', text)

    assert len(targets) == len(set(targets))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(targets)


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    page = Page(as_html(album(nasty())))

    assert page.tags("script") == []
    assert "\\x0a\\x1b[31m\\x202e&amp; \\xdcff.png" in page.text
    assert {"\x1b", "\u202e", "\udcff"}.isdisjoint(as_html(nasty()))
    (alternative,) = [image["alt"] for image in page.tags("img") if "script" in str(image["alt"])]
    assert str(alternative).startswith("<script>alert(1)</script>|`_x_`")


def test_the_same_result_gives_the_same_page() -> None:
    assert as_html(album(full_result())) == as_html(album(full_result()))


def test_fifty_thousand_images_make_a_small_page() -> None:
    rows = some_rows(2000, classes=1000)
    sure = np.random.default_rng(3).beta(4, 1, 50_000)
    scattered = [
        replace(
            rows[number % 2000],
            name=str(number),
            max_abs=float(1e-7 + 1e-5 * p),
            predictions={
                name: replace(prediction, confidence=float(p) + offset)
                for (name, prediction), offset in zip(
                    rows[number % 2000].predictions.items(), (0.0, float(1e-6 * p**9)), strict=True
                )
            },
        )
        for number, p in enumerate(sure)
    ]

    assert len(as_html(some_result(scattered))) < 3_000_000 / 8


def test_the_gallery_has_the_unexplained_first_and_names_what_is_beyond_it() -> None:
    result = some_result(some_rows(flips=GALLERY + 5))
    page = Page(as_html(album(result)))

    assert len(page.tags("img")) == GALLERY
    assert str(page.tags("img")[0]["alt"]).endswith("_00000001.JPEG")  # the one of a wide margin
    assert "5 more without a picture" in page.text


def test_an_image_that_cannot_be_read_again_has_a_box_in_its_place() -> None:
    result = some_result(some_rows(flips=3))
    page = Page(as_html(album(result, result.rows[2].name)))

    assert len(page.tags("img")) == 2
    assert "1 could not be read again and has no picture." in page.text


def test_the_page_names_a_unit_that_departs_in_float32_alone_wherever_it_speaks_of_units() -> None:
    text = Page(as_html(some_result(units=departing_in_float32()))).text

    assert "The first unit that departs, in float32 alone, is stages.1.2" in text
    assert "The first unit that departs is stages.1.2, in float32 alone. Cumulative: " in text
    assert "No unit departs" not in text


def test_the_page_says_where_no_unit_departs() -> None:
    assert Page(as_html(some_result(units=some_units()))).text.count("No unit departs.") == 2


@pytest.mark.parametrize("dtype", UNIT_MAX_REL)
@pytest.mark.parametrize(("times", "outside"), [(5.0, True), (0.5, False)])
def test_a_unit_that_departs_stands_outside_its_drawn_limit(dtype: str, times: float, outside: bool) -> None:
    alone = Comparison(1.0, times * UNIT_MAX_REL[dtype], (0,))
    unit = UnitDifference("stages.0.0", dtype, Comparison(0.0, 1e-15, (0,)), alone)
    lines = {line.get_label(): line for line in unit_figure(UnitReport((unit,))).axes[0].lines}
    drawn, limit = (np.array(lines[f"{dtype}{kind}"].get_xdata(), float)[0] for kind in (", alone", " limit"))

    assert limit == UNIT_MAX_REL[dtype]
    assert unit.departs is bool(drawn > limit) is outside


def test_no_flip_is_said() -> None:
    assert "None: both frameworks have the same best class" in Page(as_html(some_result())).text


def test_a_result_without_images_has_no_plots_and_no_scores() -> None:
    page = Page(as_html(Result(FACTS, (passed("structure", "fine", "same"),))))

    assert page.tags("svg") == []
    assert [heading["id"] for heading in page.tags("h2")] == ["gates", "what"]


def test_every_plot_and_table_says_what_it_is() -> None:
    page = Page(as_html(full_result()))

    plots = page.tags("svg")
    assert [str(plot["aria-label"]).partition(":")[0] for plot in plots] == [
        "logit differences",
        "agreement of confidence",
        "accuracy by class",
        "differences by unit",
    ]
    assert {plot["role"] for plot in plots} == {"img"}
    assert len(page.tags("caption")) == len(page.tags("table")) == 4


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_image_has_no_picture(content: bytes | None) -> None:
    assert data_uri(content) == ""  # type: ignore[arg-type]  # None is no blob's content, and no image either


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "P", "RGBA", "I;16"])
def test_a_picture_is_a_small_jpeg_of_any_mode(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (400, 300)).save(buffer, "TIFF")

    with Image.open(io.BytesIO(base64.b64decode(data_uri(buffer.getvalue()).partition(",")[2]))) as small:
        assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (SIDE, SIDE * 3 // 4))


def test_the_histogram_counts_every_image_once() -> None:
    rows = some_rows(300)
    rows[:3] = [replace(row, max_abs=value) for row, value in zip(rows, (0.0, np.nan, np.inf), strict=False)]
    histogram = difference_histogram(rows)

    assert histogram is not None
    assert (histogram.zeros, histogram.unknown, int(histogram.counts.sum())) == (1, 2, 297)
    inside = [row.max_abs for row in rows[3:]]
    assert histogram.median == np.median([0.0, *inside])
    assert histogram.counts.tolist() == np.histogram(inside, histogram.edges)[0].tolist()


@pytest.mark.parametrize("value", [1e-12, 1e-7, 1e-4, 1e-3, 1.0, 37.0])
def test_no_difference_falls_outside_the_histogram(value: float) -> None:
    histogram = difference_histogram([replace(some_rows(1)[0], max_abs=value)])

    assert histogram is not None
    assert int(histogram.counts.sum()) == 1


def test_the_grid_of_confidence_counts_every_image_once() -> None:
    rows = some_rows(300)
    rows[0] = replace(rows[0], predictions={name: Prediction((0,), (1.0,), 1.0) for name in ("torch", "paddle")})
    rows[1] = replace(rows[1], predictions={name: Prediction((0,), (1.0,)) for name in ("torch", "paddle")})
    grid = confidence_grid(rows)

    assert grid is not None
    assert int(grid.counts.sum()) == 299


def test_classes_of_one_accuracy_are_one_point() -> None:
    paired = some_result().paired
    assert paired is not None
    points = class_points([*paired.per_class, *paired.per_class])

    assert points is not None
    assert int(points.counts.sum()) == 2 * len(paired.per_class)
    assert (points.counts % 2 == 0).all()
    assert points.different == 0


def test_a_terminal_s_result_loads_neither_plots_nor_templates() -> None:
    probe = "import verify.report, sys; sys.exit('matplotlib' in sys.modules or 'jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
