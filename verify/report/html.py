"""What a verification found, as one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from convert.frameworks import FRAMEWORKS
from convert.version import __version__
from convert.visible import printable, visible
from verify.accuracy.scores import Flip, PairedResult
from verify.gate import Verdict
from verify.report.document import class_name
from verify.report.phrases import LABELS, interval, note_lines, paired_lines, score, verdict, verdict_counts
from verify.report.thumbnails import thumbnail
from verify.result import Result
from verify.store.words import fact_words

GALLERY = 48  # flipped images with a picture; the others are named
NAMED = 500  # flips and problems in a list; report.json has all of them
CLASSES = 20  # that differ most
MARKS = {Verdict.PASSED: "good", Verdict.FAILED: "bad", Verdict.NOT_RUN: "idle"}
WORDS = {Verdict.PASSED: "passed", Verdict.FAILED: "failed", Verdict.NOT_RUN: "not run"}


@dataclass(frozen=True)
class ScoreRow:
    """A line of the table of scores, as text."""

    name: str
    top1: str
    top1_interval: str
    top5: str
    top5_interval: str
    images: str


@dataclass(frozen=True)
class Plot:
    """Inline SVG, and what it shows in words."""

    title: str
    svg: str
    words: str


def as_html(result: Result) -> str:
    """The result as a page: no script, no address, nothing loaded; the same result gives the same bytes."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here, for a terminal's result needs none of it

    environment = Environment(
        loader=PackageLoader("verify.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    paired = result.paired
    gallery = _gallery(result, paired) if paired else []
    page = environment.get_template("report.html.j2").render(
        result=result,
        verdict=verdict(result),
        counts=verdict_counts(result),
        arch=result.facts.identity.arch.name,
        facts=fact_words(result.facts),
        gates=result.gates,
        notes=note_lines(result.gates),
        marks=MARKS,
        words=WORDS,
        named=NAMED,
        scores=list(_scores(result, paired)) if paired else [],
        remarks=list(paired_lines(paired, intervals=False)) if paired else [],
        plots=list(_plots(result)),
        classes=_classes(paired, result.classes) if paired else [],
        gallery=gallery,
        without_picture=sum(not item["picture"] for item in gallery) if result.blobs else 0,
        unseen=_flips(paired)[GALLERY:] if paired else [],
        version=__version__,
    )
    return printable(page)


def _finalize(value: object) -> object:
    """Text out of files is made visible before it is escaped; what is marked as safe is ours."""
    return visible(value) if type(value) is str else value


def _scores(result: Result, paired: PairedResult) -> Iterator[ScoreRow]:
    for framework in FRAMEWORKS:
        accuracy = paired.accuracy[framework]
        between = interval(accuracy.top1_interval), interval(accuracy.top5_interval)
        images = f"{paired.read:,}"
        yield ScoreRow(LABELS[framework], score(accuracy.top1), between[0], score(accuracy.top5), between[1], images)
    torch, paddle = (paired.accuracy[framework] for framework in FRAMEWORKS)
    differences = [_difference(torch.top1, paddle.top1), _difference(torch.top5, paddle.top5)]
    yield ScoreRow("Paddle less torch", differences[0], "", differences[1], "", "")
    if recipe := result.recipe:
        top5 = "not published" if recipe.top5 is None else f"{recipe.top5:.{recipe.decimals}f}"
        yield ScoreRow(f"published, {recipe.name}", f"{recipe.top1:.{recipe.decimals}f}", "", top5, "", "")


def _difference(torch: float | None, paddle: float | None) -> str:
    return "" if torch is None or paddle is None else f"{paddle - torch:+.3f}"


def _plots(result: Result) -> Iterator[Plot]:
    from markupsafe import Markup

    from verify.report import plots  # matplotlib loads here

    drawn = {
        "Logit differences": plots.difference_plot(result.rows),
        "Agreement of confidence": plots.confidence_plot(result.rows),
        "Accuracy by class": plots.class_plot(result.paired.per_class) if result.paired else None,
        "Differences by unit": plots.unit_plot(result.units) if result.units else None,
    }
    for title, plot in drawn.items():
        if plot:
            # Our own drawing; ElementTree has escaped what text there is in it.
            yield Plot(title, Markup(plot[0]), plot[1])  # noqa: S704


def _classes(paired: PairedResult, names: Sequence[str]) -> list[Mapping[str, str]]:
    different = [row for row in paired.per_class if row.torch_right != row.paddle_right]
    different.sort(
        key=lambda row: (
            -abs(row.torch_right - row.paddle_right) / row.images,
            row.label,
        )
    )
    return [
        {
            "label": str(row.label),
            "name": class_name(row.label, names),
            "images": f"{row.images:,}",
            "torch": f"{100 * row.torch_right / row.images:.2f}",
            "paddle": f"{100 * row.paddle_right / row.images:.2f}",
        }
        for row in different[:CLASSES]
    ]


def _flips(paired: PairedResult) -> list[Flip]:
    """The flips, unexplained ones first, then by margin: whoever reads only the first has read the worst."""
    return sorted(paired.flips, key=lambda flip: (flip.explained, -min(flip.torch_margin, flip.paddle_margin)))


def _gallery(result: Result, paired: PairedResult) -> list[Mapping[str, object]]:
    rows = {row.name: row for row in result.rows}
    items: list[Mapping[str, object]] = []
    for flip in _flips(paired)[:GALLERY]:
        row = rows.get(flip.name)
        sure = {name: row.predictions[name].confidence for name in FRAMEWORKS} if row and row.read else {}
        items.append(
            {
                "flip": flip,
                "picture": thumbnail(result.blobs.get(flip.name)),
                "label": "" if flip.label is None else _class(flip.label, result.classes),
                "predictions": [
                    (LABELS[name], _class(best, result.classes), margin, sure.get(name))
                    for name, best, margin in (
                        ("torch", flip.torch, flip.torch_margin),
                        ("paddle", flip.paddle, flip.paddle_margin),
                    )
                ],
            }
        )
    return items


def _class(label: int, names: Sequence[str]) -> str:
    name = class_name(label, names)
    return f"{label} {name}" if name else str(label)
