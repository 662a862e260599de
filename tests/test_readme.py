"""The front page and the folders' manuals state facts that the code states too; here they are compared."""

from __future__ import annotations

import argparse
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convert.archs import ARCHS
from convert.cli import DTYPES
from convert.cli import make_parser as make_convert_parser
from convert.params import parameter_count
from convert.targets import TARGET_NAMES
from verify.datasets.layouts.names import LAYOUTS
from verify.program.commands import make_parser as make_program_parser
from verify.usage import make_parser as make_verify_parser

ROOT = Path(__file__).parent.parent
PACKAGES = ("convert", "verify", "models_torch", "models_paddle")
LINES = 160  # of the front page, in either language
PICTURE = 60_000  # bytes
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


README, TWIN = read("README.md"), read("README.zh.md")
MANUALS = sorted(
    str(path.relative_to(ROOT))
    for folder in (*PACKAGES, "scripts", "tests")
    for path in (ROOT / folder).rglob("README.md")
)
every_page = pytest.mark.parametrize("page", ["README.md", *MANUALS])


def manuals_of(folder: str) -> list[str]:
    return [name for name in MANUALS if name.startswith(f"{folder}/")]


def tables_of(text: str) -> list[list[list[str]]]:
    """Every table as its rows' cells, without the line under the head."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", FENCED.sub("", text), re.MULTILINE)
    return [[row[2:-2].split(" | ") for row in block.splitlines() if "---" not in row] for block in blocks]


def table_of(text: str, head: list[str]) -> list[list[str]]:
    (table,) = (rows[1:] for rows in tables_of(text) if rows[0] == head)
    return table


# The front page


def test_it_opens_with_three_lines_a_run_and_the_two_commands() -> None:
    lines = README.splitlines()

    assert lines[0] == "# paddleferry"
    assert all(lines[2:5])
    assert lines[5:7] == ["", "```"]
    assert "VERIFIED: 5 passed" in README[: README.index("## Two commands")]
    assert README.index("scripts/demo.py") < README.index("scripts/check.py") < README.index("## Installing")


def test_ci_runs_exactly_the_two_commands() -> None:
    commands = re.findall(r"^python3 scripts/\w+\.py", read(".ci/run"), re.MULTILINE)

    assert commands == ["python3 scripts/check.py", "python3 scripts/demo.py"]
    assert sorted(commands) == sorted(re.findall(r"^python3 scripts/\w+\.py", README, re.MULTILINE))


@pytest.mark.parametrize("text", [README, TWIN], ids=["en", "zh"])
def test_it_is_read_in_two_minutes(text: str) -> None:
    assert len(text.splitlines()) <= LINES


def test_its_picture_is_small() -> None:
    (picture,) = re.findall(r"^!\[[^\]]+\]\(([^)]+)\)$", README, re.MULTILINE)

    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")
    assert (ROOT / picture).stat().st_size <= PICTURE


@pytest.mark.parametrize(
    ("head", "manual", "count"),
    [
        (["gate", "input", "holds when"], "verify/README.md", 8),
        (["file", "for"], "verify/report/README.md", 5),
    ],
)
def test_a_table_of_it_is_the_one_in_the_manual(head: list[str], manual: str, count: int) -> None:
    rows = table_of(README, head)

    assert rows == table_of(read(manual), head)
    assert len(rows) == count


# Its twin in Chinese


def test_the_twin_has_the_same_blocks() -> None:
    assert FENCED.findall(TWIN) == FENCED.findall(README)


def sections_of(text: str) -> list[str]:
    return re.split(r"^#+ .*$", FENCED.sub("", text), flags=re.MULTILINE)


def headings_of(text: str) -> list[str]:
    return re.findall(r"^#+(?= )", FENCED.sub("", text), re.MULTILINE)


def test_the_twin_has_the_same_headings() -> None:
    assert headings_of(TWIN) == headings_of(README)


def test_the_twin_has_the_same_numbers_in_every_section() -> None:
    numbers, twin_s = (
        [sorted(re.findall(r"\d+(?:[.,]\d+)*(?:e-\d+)?", section)) for section in sections_of(text)]
        for text in (README, TWIN)
    )

    assert twin_s == numbers
    assert sum(map(len, numbers)) > 25


def test_the_twin_has_the_same_code_and_links() -> None:
    """But for the link from each to the other."""
    words, twin_s = (
        [Counter(re.findall(r"`[^`]+`|\]\([^)]+\)", section)) for section in sections_of(text)]
        for text in (README.replace("(README.zh.md)", ""), TWIN.replace("(README.md)", ""))
    )

    assert twin_s == words


# The manuals


def test_every_folder_of_code_has_a_manual() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")}

    assert {str(folder.relative_to(ROOT) / "README.md") for folder in folders} <= set(MANUALS)
    assert {"scripts/README.md", "tests/README.md"} <= set(MANUALS)


def pages_linked_from(page: str) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)#]*README\.md)(?:#[^)]*)?\)", read(page)):
        yield str(((ROOT / page).parent / link).resolve().relative_to(ROOT.resolve()))


def test_every_manual_is_reached_from_the_front_page() -> None:
    reached: set[str] = set()
    new = {"README.md"}
    while new:
        reached |= new
        new = {link for page in new for link in pages_linked_from(page)} - reached

    assert set(MANUALS) - reached == set()


@every_page
def test_every_section_is_there_that_is_linked_from(page: str) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", read(page)):
        text = ((ROOT / page).parent / link).read_text(encoding="utf-8") if link else read(page)

        titles = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


# Commands and options

PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "convert": make_convert_parser,
    "verify": make_verify_parser,
    "paddleferry": lambda: make_program_parser(whole=True),
}


def commands_in(text: str) -> list[list[str]]:
    """The words of every line in a fenced block that calls one of the commands."""
    lines = (line.removeprefix("$ ") for block in FENCED.findall(text) for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line.partition(" ")[0] in PARSERS]


@every_page
def test_every_command_is_one_that_its_program_takes(page: str) -> None:
    for command, *words in commands_in(read(page)):
        PARSERS[command]().parse_args(words)  # leaves where it does not


def test_there_are_dozens_of_commands() -> None:
    assert sum(len(commands_in(read(page))) for page in ["README.md", *MANUALS]) > 50


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The long options that its help names, and its subcommands' help."""
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", parser.format_help()))
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return options.union(*(options_of(each) for action in inner for each in action.choices.values()))


@pytest.mark.parametrize("command", ["convert", "verify"])
def test_every_option_is_explained_in_one_manual(command: str) -> None:
    explained = [
        option
        for manual in manuals_of(command)
        if manual != "convert/inspect/README.md"  # of a command of its own, whose tests look at it
        for head, *rows in tables_of(read(manual))
        if head == ["option", "what it does"]
        for option in re.findall(r"^`(--[\w-]+)", "\n".join(row[0] for row in rows), re.MULTILINE)
    ]

    assert sorted(explained) == sorted(options_of(PARSERS[command]()) - {"--help"})


@pytest.mark.parametrize(
    ("page", "head"),
    [
        ("convert/README.md", ["folder", "its options", "subject"]),
        ("verify/README.md", ["folder", "its options", "subject"]),
    ],
)
def test_a_manual_names_the_folders_that_explain_the_other_options(page: str, head: list[str]) -> None:
    for folder, options, _ in table_of(read(page), head):
        (link,) = re.findall(r"\]\(([^)]+)\)", folder)
        manual = str(Path(page).parent / link)

        rows = table_of(read(manual), ["option", "what it does"])
        named = re.findall(r"--[\w-]+", options)
        assert named == [re.findall(r"--[\w-]+", row[0])[0] for row in rows], manual


def test_every_option_that_a_page_names_is_in_a_help() -> None:
    known = set().union(*(options_of(make()) for make in PARSERS.values()))
    for page in ["README.md", *manuals_of("convert"), *manuals_of("verify")]:
        named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", FENCED.sub("", read(page))))

        assert named - known == set(), page


def test_every_option_of_a_script_that_its_manual_names_is_there() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("*.py"))
    named = set(re.findall(r"`(--[\w-]+)", read("scripts/README.md"))) - {"--help"}

    assert named
    assert all(f'"{option}"' in text for option in named)


# Tables of facts


def test_the_architecture_table_is_the_code_s() -> None:
    rows = re.findall(
        r"^\| ((?:test_)?(?:convnext|resnext|replknet)\w*) \| ([\d, ]+) \| ([\d, ]+) \| ([\d,]+) \|(?: [^|]+)? \|$",
        read("convert/archs/README.md"),
        re.MULTILINE,
    )

    expected = [
        (spec.name, *map(listed, zip(*spec.stages, strict=True)), f"{parameter_count(spec.params()):,}")
        for spec in ARCHS.values()
    ]
    assert rows == expected


def listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def test_every_architecture_is_counted() -> None:
    assert all(f"the {len(ARCHS)} " in read(page) for page in ("README.md", "convert/README.md"))


def test_every_key_format_dtype_and_layout_is_named() -> None:
    assert all(f"`{name}`" in read("convert/key_formats/README.md") for name in TARGET_NAMES)
    assert all(f"`{name}`" in read("convert/README.md") for name in DTYPES)
    assert all(f"`{name}`" in read("verify/datasets/README.md") for name in LAYOUTS)


def test_every_script_has_its_line() -> None:
    text = read("scripts/README.md")

    assert [path.name for path in sorted((ROOT / "scripts").glob("*.py")) if path.name not in text] == []


def test_the_changelog_has_the_version() -> None:
    from convert.version import __version__

    assert f"## {__version__}" in read("CHANGELOG.md")
