"""The page's plots, drawn by matplotlib without a screen; each is a string of inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from convert.arrays import Array
from verify.accuracy.scores import ClassScore
from verify.gates.layers import LayerReport
from verify.limits import FLOAT32_MAX_ABS, FLOAT64_MAX_REL
from verify.report.figures import class_points, confidence_grid, difference_histogram
from verify.report.phrases import visible
from verify.report.svg import ACCENT, BAD, GRID, INK, MUTED, SECOND, inline_svg, style
from verify.store.rows import ImageRow

WIDTH, HEIGHT = 4.1, 2.9  # inches of 72 px: about a telephone's width, so that text keeps its size there
LAYER_HEIGHT = 0.19
SHADES = 6
LEAST = 1e-17  # where a layer without any difference stands on a logarithmic axis


def difference_plot(rows: Sequence[ImageRow]) -> tuple[str, str] | None:
    """The histogram of logit differences and what it shows in words; None without images."""
    found = difference_histogram(rows)
    if found is None:
        return None
    with style():
        figure, axes = _axes("largest logit difference of an image", "images")
        axes.set_xscale("log")
        _powers(axes.xaxis)
        axes.stairs(found.counts, found.edges, fill=True, color=ACCENT)
        axes.set_ylim(0, max(1, int(found.counts.max())) * 1.15)
        axes.set_xlim(found.edges[0], max(found.edges[-1], FLOAT32_MAX_ABS * 3))
        axes.axvline(FLOAT32_MAX_ABS, color=BAD, linewidth=1.2, linestyle="--")
        across = axes.get_xaxis_transform()  # x in logits, y in parts of the axes
        axes.text(FLOAT32_MAX_ABS * 0.85, 0.98, "limit", color=BAD, transform=across, ha="right", va="top")
        total = int(found.counts.sum()) + found.zeros
        words = f"Half of {total:,} images differ by no more than {found.median:.1e}."
        words += f" The limit is {FLOAT32_MAX_ABS:.0e}."
        if found.zeros:
            words += f" {found.zeros:,} are equal bit for bit and not drawn."
        if found.unknown:
            words += f" {found.unknown:,} have a logit that is not a number and are not drawn."
        return inline_svg(figure, "logit differences", words), words


def confidence_plot(rows: Sequence[ImageRow]) -> tuple[str, str] | None:
    """How far the frameworks' confidences lie apart, by confidence; None where it is not known."""
    found = confidence_grid(rows)
    if found is None:
        return None
    with style():
        figure, axes = _axes("torch's probability of its best class", "Paddle's differs by")
        axes.set_yscale("log")
        _powers(axes.yaxis)
        axes.set_xlim(0, 1)
        axes.set_ylim(found.y_edges[0], found.y_edges[-1])
        for level, cells in _shades(found.counts):
            outline = _outline(found.x_edges, found.y_edges, cells)
            shade = PathCollection([outline], facecolor=ACCENT, alpha=level, linewidth=0)
            axes.add_collection(shade, autolim=False)
        words = f"Stronger cells hold more images, by factors of {_base(found.counts):.2g}. "
        words += f"No probability of a best class differs by more than {found.largest:.1e}."
        return inline_svg(figure, "agreement of confidence", words), words


def class_plot(classes: Sequence[ClassScore]) -> tuple[str, str] | None:
    """Each class's accuracy in both frameworks; None without labels."""
    found = class_points(classes)
    if found is None:
        return None
    with style():
        figure, axes = _axes("torch's top-1 in the class, %", "Paddle's, %")
        low = min(float(found.torch.min()), float(found.paddle.min()))
        low = max(0.0, np.floor(low / 10 - 0.5) * 10)
        axes.set_xlim(low, 102)
        axes.set_ylim(low, 102)
        axes.plot([low, 100], [low, 100], color=MUTED, linewidth=0.8)
        for same, colour, marker in ((True, ACCENT, "o"), (False, BAD, "D")):
            chosen = (found.torch == found.paddle) == same
            sizes = 24 + 12 * np.log2(found.counts[chosen])
            points = found.torch[chosen], found.paddle[chosen]
            axes.scatter(*points, s=sizes, color=colour, marker=marker, alpha=0.8, linewidth=0)
        total = int(found.counts.sum())
        words = f"{total - found.different:,} of {total:,} classes have the same accuracy in both. "
        words += "Larger points are several classes; a diamond is one that differs."
        return inline_svg(figure, "accuracy by class", words), words


def layer_plot(found: LayerReport) -> tuple[str, str]:
    """Each layer's largest relative difference, cumulative and forced, in each data type."""
    names = list(dict.fromkeys(layer.name for layer in found.layers))
    with style():
        figure, axes = _axes("max rel", "", height=1.2 + LAYER_HEIGHT * len(names))
        axes.set_xscale("log")
        _powers(axes.xaxis)
        for dtype, colour in (("float64", ACCENT), ("float32", SECOND)):
            layers = [layer for layer in found.layers if layer.dtype == dtype]
            places = [names.index(layer.name) for layer in layers]
            cumulative = np.maximum([layer.cumulative.max_rel for layer in layers], LEAST)
            forced = np.maximum([layer.forced.max_rel for layer in layers], LEAST)
            if layers:
                axes.plot(cumulative, places, color=colour, marker="o", markersize=4, label=f"{dtype}, cumulative")
                axes.plot(forced, places, "D", color=colour, mfc="none", markersize=4, label=f"{dtype}, forced")
        axes.axvline(FLOAT64_MAX_REL, color=BAD, linewidth=1.2, linestyle="--", label="float64 limit")
        axes.set_yticks(range(len(names)), [visible(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, labelcolor=INK, fontsize=8.5)
        words = f"The first layer that departs is {visible(found.first)}. " if found.first else "No layer departs. "
        words += "Cumulative: each framework fed by its own layers; forced: Paddle's layer fed torch's input."
        return inline_svg(figure, "differences by layer", words), words


def _axes(x: str, y: str, *, height: float = HEIGHT) -> tuple[Figure, Axes]:
    figure = Figure((WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _powers(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))  # as the gates write their numbers


def _base(counts: Array) -> float:
    return float(max(int(counts.max()), 2) ** (1 / SHADES))


def _shades(counts: Array) -> list[tuple[float, Array]]:
    """Opacity, and the cells (N, M) of bool that get it, in steps of equal factors."""
    filled = counts > 0
    step = np.minimum(np.log(np.maximum(counts, 1)) / np.log(_base(counts)), SHADES - 1).astype(int)
    return [(0.3 + 0.7 * k / (SHADES - 1), filled & (step == k)) for k in range(SHADES) if (filled & (step == k)).any()]


def _outline(x_edges: Array, y_edges: Array, cells: Array) -> Outline:
    """All those cells as one path: thousands of separate rectangles would be a page of megabytes."""
    columns, rows = np.nonzero(cells)
    left, right = x_edges[columns], x_edges[columns + 1]
    low, high = y_edges[rows], y_edges[rows + 1]
    corners = np.stack([[left, low], [right, low], [right, high], [left, high], [left, low]]).transpose(2, 0, 1)
    codes = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
    return Outline(corners.reshape(-1, 2), codes * len(columns))
