"""matplotlib's SVG, made fit to stand in a page: small, the same every time, coloured by the page's own variables."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context, rcParamsDefault
from matplotlib.figure import Figure

# matplotlib takes no CSS variable for a colour. These stand for one each, and are exchanged in the finished SVG.
INK, MUTED, GRID, ACCENT, SECOND, BAD = (f"#0000{number:02x}" for number in range(1, 7))
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    ACCENT: "var(--paddle)",
    SECOND: "var(--torch)",
    BAD: "var(--bad)",
}
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, and takes the page's font
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "path.simplify": True,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
REFERENCE = re.compile(r"url\(#([^)]+)\)")


def style() -> AbstractContextManager[None]:
    """matplotlib's settings for one plot, whatever the user's own configuration says."""
    settings: dict[Any, Any] = {**rcParamsDefault, "backend": "svg", **SETTINGS}
    return rc_context(settings)


def inline_svg(figure: Figure, title: str, words: str) -> str:
    """The figure as an `<svg>` element without a namespace, an address, a date or a fixed size.

    Args:
        figure: drawn under `style()` with the colours above.
        title: its name; also keeps the ids of several plots on one page apart.
        words: what it shows, for those who do not see it.
    """
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # Our own output of a moment ago, so the parser's weakness against hostile XML does not matter.
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314
    _strip(root)
    prefix = re.sub(r"\W+", "-", title)
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        _rewrite(element, prefix, used)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": f"{title}: {words}", "class": "plot"})
    return ElementTree.tostring(root, encoding="unicode")


def _strip(root: ElementTree.Element) -> None:
    """Removes metadata, which holds addresses, and styles, which would apply to the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("metadata", "style")):
                parent.remove(child)


def _references(element: ElementTree.Element) -> list[str]:
    names = [name for value in element.attrib.values() for name in REFERENCE.findall(value)]
    target = element.attrib.get(f"{XLINK}href", "")
    return [*names, target.lstrip("#")]


def _rewrite(element: ElementTree.Element, prefix: str, used: set[str]) -> None:
    element.tag = element.tag.removeprefix(SVG)
    if (name := element.attrib.pop("id", None)) in used:
        element.attrib["id"] = f"{prefix}-{name}"
    if target := element.attrib.pop(f"{XLINK}href", None):
        element.attrib["href"] = f"#{prefix}-{target.lstrip('#')}"
    for key, value in element.attrib.items():
        text = REFERENCE.sub(rf"url(#{prefix}-\1)", value)
        text = re.sub(r" ?font-family: [^;]+;?", "", text)
        element.attrib[key] = re.sub(r"#0000\d\d", lambda match: VARIABLES.get(match[0], match[0]), text)
