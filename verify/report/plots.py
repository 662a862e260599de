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
from convert.visible import visible
from verify.accuracy.scores import ClassScore
from verify.gates.layers import UnitReport
from verify.limits import FLOAT32_MAX_ABS, UNIT_MAX_REL
from verify.report.figures import class_points, confidence_grid, difference_histogram
from verify.report.phrases import departure
from verify.report.svg import ACCENT, BAD, GRID, INK, MUTED, SECOND, inline_svg, style
from verify.store.rows import ImageRow

WIDTH, HEIGHT = 4.1, 2.9  # inches of 72 px: about a telephone's width, so that text keeps its size there
UNIT_HEIGHT = 0.19
LIMIT_LINES = {"float64": "--", "float32": ":"}
SHADES = 6
LEAST = 1e-17  # where a unit without any difference stands on a logarithmic axis


def difference_plot(rows: Sequence[ImageRow]) -> tuple[str, str] | None:
    """The histogram of logit differences and what it shows in words; None without images."""
    histogram = difference_histogram(rows)
    if histogram is None:
        return None
    with style():
        figure, axes = _axes("largest logit difference of an image", "images")
        axes.set_xscale("log")
        _powers(axes.xaxis)
        axes.stairs(histogram.counts, histogram.edges, fill=True, color=ACCENT)
        axes.set_ylim(0, max(1, int(histogram.counts.max())) * 1.15)
        axes.set_xlim(histogram.edges[0], max(histogram.edges[-1], FLOAT32_MAX_ABS * 3))
        axes.axvline(FLOAT32_MAX_ABS, color=BAD, linewidth=1.2, linestyle="--")
        across = axes.get_xaxis_transform()  # x in logits, y in parts of the axes
        axes.text(FLOAT32_MAX_ABS * 0.85, 0.98, "limit", color=BAD, transform=across, ha="right", va="top")
        total = int(histogram.counts.sum()) + histogram.zeros
        words = f"Half of {total:,} images differ by no more than {histogram.median:.1e}."
        words += f" The limit is {FLOAT32_MAX_ABS:.0e}."
        if histogram.zeros:
            words += f" {histogram.zeros:,} are equal bit for bit and not drawn."
        if histogram.unknown:
            words += f" {histogram.unknown:,} have a logit that is not a number and are not drawn."
        return inline_svg(figure, "logit differences", words), words


def confidence_plot(rows: Sequence[ImageRow]) -> tuple[str, str] | None:
    """How far the frameworks' confidences lie apart, by confidence; None where it is not known."""
    grid = confidence_grid(rows)
    if grid is None:
        return None
    with style():
        figure, axes = _axes("torch's probability of its best class", "Paddle's differs by")
        axes.set_yscale("log")
        _powers(axes.yaxis)
        axes.set_xlim(0, 1)
        axes.set_ylim(grid.y_edges[0], grid.y_edges[-1])
        for level, cells in _shades(grid.counts):
            outline = _outline(grid.x_edges, grid.y_edges, cells)
            shade = PathCollection([outline], facecolor=ACCENT, alpha=level, linewidth=0)
            axes.add_collection(shade, autolim=False)
        words = f"Stronger cells hold more images, by factors of {_base(grid.counts):.2g}. "
        words += f"No probability of a best class differs by more than {grid.largest:.1e}."
        return inline_svg(figure, "agreement of confidence", words), words


def class_plot(classes: Sequence[ClassScore]) -> tuple[str, str] | None:
    """Each class's accuracy in both frameworks; None without labels."""
    points = class_points(classes)
    if points is None:
        return None
    with style():
        figure, axes = _axes("torch's top-1 in the class, %", "Paddle's, %")
        low = min(float(points.torch.min()), float(points.paddle.min()))
        low = max(0.0, np.floor(low / 10 - 0.5) * 10)
        axes.set_xlim(low, 102)
        axes.set_ylim(low, 102)
        axes.plot([low, 100], [low, 100], color=MUTED, linewidth=0.8)
        for same, colour, marker in ((True, ACCENT, "o"), (False, BAD, "D")):
            chosen = (points.torch == points.paddle) == same
            sizes = 24 + 12 * np.log2(points.counts[chosen])
            positions = points.torch[chosen], points.paddle[chosen]
            axes.scatter(*positions, s=sizes, color=colour, marker=marker, alpha=0.8, linewidth=0)
        total = int(points.counts.sum())
        words = f"{total - points.different:,} of {total:,} classes have the same accuracy in both. "
        words += "Larger points are several classes; a diamond is one that differs."
        return inline_svg(figure, "accuracy by class", words), words


def unit_plot(report: UnitReport) -> tuple[str, str]:
    """Each unit's largest relative difference, cumulative and alone, in each data type, beside the limits."""
    words = f"{departure(report)}. "
    words += "Cumulative: each framework fed by its own units; alone: Paddle's unit fed torch's input."
    with style():
        return inline_svg(unit_figure(report), "differences by unit", words), words


def unit_figure(report: UnitReport) -> Figure:
    """The drawing of `unit_plot`; a limit is that of a unit alone in its data type."""
    names = list(dict.fromkeys(unit.name for unit in report.units))
    with style():
        figure, axes = _axes("max rel", "", height=1.2 + UNIT_HEIGHT * len(names))
        axes.set_xscale("log")
        _powers(axes.xaxis)
        for dtype, colour in (("float64", ACCENT), ("float32", SECOND)):
            units = [unit for unit in report.units if unit.dtype == dtype]
            places = [names.index(unit.name) for unit in units]
            cumulative = np.maximum([unit.cumulative.max_rel for unit in units], LEAST)
            alone = np.maximum([unit.alone.max_rel for unit in units], LEAST)
            if units:
                axes.plot(cumulative, places, color=colour, marker="o", markersize=4, label=f"{dtype}, cumulative")
                axes.plot(alone, places, "D", color=colour, mfc="none", markersize=4, label=f"{dtype}, alone")
        for dtype, line in LIMIT_LINES.items():
            limit = UNIT_MAX_REL[dtype]
            axes.axvline(limit, color=BAD, linewidth=1.2, linestyle=line, label=f"{dtype} limit")
        axes.set_yticks(range(len(names)), [visible(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, labelcolor=INK, fontsize=8.5)
        return figure


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
