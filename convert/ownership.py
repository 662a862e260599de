"""Whether the packages `convert` and `verify` are paddleferry's, and which commands mend it where one is not."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from convert.visible import joined

DISTRIBUTION = "paddleferry"

# A distribution that brings a package of the same name overwrites its `__init__.py` without a word. That is detected,
# not prevented: the top level is fixed, and installed under another name a checkout's imports would not be these.


def is_ours(package: str) -> bool:
    """Whether the package that Python finds under that name says that it is paddleferry's."""
    return getattr(importlib.import_module(package), "DISTRIBUTION", None) == DISTRIBUTION


def find_claimants(package: str) -> dict[str, str]:
    """Other distributions that list this very package's `__init__.py` among their files: names to versions."""
    from importlib import metadata  # slow to load, and where all is well nobody asks

    folder = Path(importlib.import_module(package).__path__[0]).resolve()
    return {
        distribution.name: distribution.version
        for distribution in metadata.distributions()
        if any(file.as_posix() == f"{package}/__init__.py" for file in distribution.files or ())
        and Path(str(distribution.locate_file(package))).resolve() == folder
        and str(distribution.name).lower() != DISTRIBUTION
    }


def describe_clash(*packages: str) -> str:
    """What took the place of those packages, and the commands that bring them back; empty where all are ours."""
    lost = [package for package in packages if not is_ours(package)]
    if not lost:
        return ""
    claimants = {name: version for package in lost for name, version in find_claimants(package).items()}
    culprits = " and ".join(f"{name} {version}" for name, version in claimants.items())
    cause = (
        f"{culprits} has put its own in that place, and one environment cannot hold both"
        if culprits
        else "its __init__.py is gone, or another's that pip has no record of stands there"
    )
    pip = f"{_quoted(sys.executable)} -m pip"
    uninstall = [f"  {pip} uninstall --yes {' '.join(claimants)}"] if claimants else []
    return joined(
        [
            f"the package {' and '.join(lost)} is not paddleferry's any more: {cause}",
            f"to bring paddleferry's back{', in this order' if claimants else ''}:",
            *uninstall,
            f"  {pip} install --force-reinstall --no-deps {_quoted(_requirement())}",
        ]
    )


def _requirement() -> str:
    """What pip installed paddleferry from: an address, or a version on the index."""
    from importlib import metadata

    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return DISTRIBUTION
    # https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        return f"{origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}"
    return str(origin.get("url", f"{DISTRIBUTION}=={distribution.version}"))


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
