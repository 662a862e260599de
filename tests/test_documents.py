"""What the documents name is there, and what they show as Python runs."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import convert
import verify
from verify import sample

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("convert", "verify", "models_torch", "models_paddle", "scripts", "tests")
DOCUMENTS = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *sorted(ROOT.glob("README*.md")),
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("README*.md")),
]
AT_THE_ROOT = re.compile(r"[A-Z]+(\.\w\w)?\.md|LICENSE|pyproject\.toml|constraints\.txt|\.pre-commit-config\.yaml")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def prose(text: str) -> str:
    """The text without its fenced blocks, which show a user's own files."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def paths_in(text: str, folder: Path) -> Iterator[Path]:
    """Where each path in backticks that looks like one of the repository must lie, for a document of that folder.

    A `<part>` stands for a name to be chosen; there the folder above it counts. A bare `name.py` is the folder's own,
    but on a page at the root, which has none, it is the user's.
    """
    for word in re.findall(r"(?<!`)`([^`\s]+)`(?!`)", prose(text)):
        if word.split("/")[0] in FOLDERS and "/" in word:
            yield ROOT / word.partition("<")[0]
        elif AT_THE_ROOT.fullmatch(word):
            yield ROOT / word
        elif folder != ROOT and re.fullmatch(r"\w+\.py", word):
            yield folder / word


def links_in(text: str, folder: Path) -> Iterator[Path]:
    """Where each link to another file must lead, for a document of that folder."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if "://" not in target and not target.startswith("#"):
            yield folder / target.partition("#")[0]


def missing_in(text: str, folder: Path) -> list[str]:
    return [name_of(path) for path in (*paths_in(text, folder), *links_in(text, folder)) if not path.exists()]


@every_document
def test_every_path_is_there_that_is_named_in(document: Path) -> None:
    assert missing_in(document.read_text(encoding="utf-8"), document.parent) == []


def test_a_path_that_is_not_there_is_seen() -> None:
    text = (
        "`convert/cli.py`, `verify/nowhere.py`, `convert/nowhere/<family>.py`, `convert/archs/<family>.py`, "
        "`NOTICE.md`, `x.pth`, `imagenet/val`, `verify --data x`, [a](convert/README.txt), [b](https://example.org/verify/x.py)\n"
        "```\n`verify/fenced.py`\n```\n"
    )

    assert missing_in(text, ROOT) == ["verify/nowhere.py", "convert/nowhere", "NOTICE.md", "convert/README.txt"]


def test_a_module_that_is_not_in_its_folder_is_seen() -> None:
    text = "`errors.py`, `nowhere.py`"

    assert missing_in(text, ROOT / "convert") == ["convert/nowhere.py"]
    assert missing_in(text, ROOT) == []


def test_contributing_and_security_name_dozens_of_paths() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "SECURITY.md")]

    assert sum(1 for text in texts for _ in paths_in(text, ROOT)) >= 40


def test_contributing_has_the_one_command_and_the_six_edits() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## A new family in six edits") : text.index("## A new gate")]

    assert "python3 scripts/check.py" in text
    assert re.findall(r"^(\d)\. ", section, re.MULTILINE) == list("123456")


def blocks_of(docstring: str) -> list[str]:
    """The indented blocks of a docstring."""
    text = textwrap.dedent(docstring.partition("\n")[2])
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]


def run_example(code: str, folder: Path) -> str:
    """What the code prints as a program of its own, in a folder where x.pth is the bundled sample."""
    (folder / "x.pth").write_bytes(sample.CHECKPOINT.read_bytes())
    program = folder / "example.py"
    program.write_text(code.replace("convnext_tiny", sample.ARCH), encoding="utf-8")
    unsaid = "ignore:No ccache found:UserWarning"  # paddle says so wherever no C++ extension was ever built
    command = [sys.executable, "-W", "error", "-W", unsaid, str(program)]
    child = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_convert_s_examples_run(tmp_path: Path) -> None:
    first, second = blocks_of(convert.__doc__ or "")

    run_example(first + second + "\nassert len(paddle_arrays) == len(torch_arrays) == 74\n", tmp_path)

    assert (tmp_path / "x.pdparams").stat().st_size > 1_800_000


def test_verify_s_example_runs(tmp_path: Path) -> None:
    (code,) = blocks_of(verify.__doc__ or "")

    printed = run_example(code, tmp_path).splitlines()

    assert "VERIFIED: 5 passed" in printed
    assert printed[-3:] == ["holds: True", "failed: []", "top-1: 99.17582417582418 99.17582417582418"]


EXAMPLES = [
    pytest.param(code, id=f"{name_of(document)}-{number}")
    for document in DOCUMENTS
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL), start=1
    )
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_of(code: str, tmp_path: Path) -> None:
    run_example(code, tmp_path)


def test_the_front_page_has_an_example() -> None:
    assert any(str(example.id).startswith("README.md-") for example in EXAMPLES)


def test_an_example_that_fails_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="NameError"):
        run_example("print(no_such_name)\n", tmp_path)
