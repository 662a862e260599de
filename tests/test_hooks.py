"""The hooks before a commit run what scripts/check.py runs, word for word, and pin no version of their own."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def test_each_hook_runs_the_step_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    steps = runpy.run_path(str(ROOT / "scripts" / "check.py"))["STEPS"]
    del steps["tests"]  # minutes

    assert re.findall(r"^ +- id: (\w+)\n +name: (\w+)\n +entry: (.+)$", HOOKS, re.MULTILINE) == [
        (name, name, f".venv/bin/python -m {' '.join(command)}") for name, command in steps.items()
    ]


def test_every_hook_is_of_this_repository_and_its_environment() -> None:
    hooks = HOOKS.count("- id: ")

    assert re.findall(r"repo: (.+)", HOOKS) == ["local"]
    assert re.findall(r"language: (.+)", HOOKS) == ["system"] * hooks
    assert re.findall(r"pass_filenames: (.+)", HOOKS) == ["false"] * hooks
    assert "rev:" not in HOOKS
