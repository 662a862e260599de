"""Prints the table of convert/source/pretrained.py, made from the installed timm; `--check` compares it instead.

Needs the test extra. The isotropic checkpoints, which timm does not have, are written here by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import timm
from timm.models import get_pretrained_cfg

from convert.archs import ARCHS
from convert.source.pretrained import PLACES, PRETRAINED, Pretrained

HUB = "https://huggingface.co/"
HUB_FILE = "/resolve/main/model.safetensors"
ISOTROPIC = ("small", "base", "large")


def main() -> int:
    """Prints the table, or every difference to the module's; returns 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with convert/source/pretrained.py")
    rows = {row.name: row for row in sorted([*_timm_rows(), *_isotropic_rows()], key=lambda row: row.name)}
    if not parser.parse_args().check:
        print("\n".join(map(_line, rows.values())))
        return 0
    differences = [name for name in sorted({*rows, *PRETRAINED}) if rows.get(name) != PRETRAINED.get(name)]
    for name in differences:
        print(f"timm {timm.__version__} has {rows.get(name)}, convert/source/pretrained.py has {PRETRAINED.get(name)}")
    print(f"{len(differences)} differences in {len(rows)} checkpoints")
    return 1 if differences else 0


def _timm_rows() -> Iterator[Pretrained]:
    for name in timm.list_models(["convnext*", "resnext*"], pretrained=True):
        cfg = get_pretrained_cfg(name)
        if cfg.architecture not in ARCHS:  # a relative with another stem
            continue
        url = cfg.url or f"{HUB}{cfg.hf_hub_id}/resolve/main/{cfg.hf_hub_filename or 'model.safetensors'}"
        yield Pretrained(name, cfg.architecture, url, cfg.num_classes)


def _isotropic_rows() -> Iterator[Pretrained]:
    for size in ISOTROPIC:
        arch = f"convnext_isotropic_{size}"
        yield Pretrained(f"{arch}.fb_in1k", arch, f"{PLACES['fb']}convnext_iso_{size}_1k_224_ema.pth", 1000)


def _line(row: Pretrained) -> str:
    if row.url.startswith(HUB):
        place, _, name = row.url.removeprefix(HUB).removesuffix(HUB_FILE).partition("/")
        if name != row.name:  # the table's short form has no room for it, and would say something else
            raise SystemExit(f"make_pretrained: {row.url} is not named after {row.name}; extend the table's form")
        return f"{row.name} {row.num_classes} {place}"
    for place, start in PLACES.items():
        if row.url.startswith(start):
            return f"{row.name} {row.num_classes} {place}:{row.url.removeprefix(start)}"
    raise SystemExit(f"make_pretrained: {row.url} is under no known place; add it to PLACES")


if __name__ == "__main__":
    sys.exit(main())
