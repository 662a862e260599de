"""The bundled sample: a small trained ConvNeXt and the handwritten digits that were held out from its training."""

from __future__ import annotations

from pathlib import Path

from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe

# scripts/train_sample.py made both; the digits are UCI's, https://doi.org/10.24432/C50P49 (CC BY 4.0).
FOLDER = Path(__file__).parent
CHECKPOINT = FOLDER / "convnext_digits.pth"
IMAGES = FOLDER / "images"
ARCH = "convnext_digits"
PROTOCOL = Protocol(size=64, resize=72, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

# What its training script measured in PyTorch: 361 of 364. `verify --selftest` holds it against faults that both
# frameworks share; it is no recipe of the table, and published nowhere else.
RECIPE = Recipe(
    name=ARCH,
    arch=ARCH,
    num_classes=10,
    protocol=PROTOCOL,
    top1=99.176,
    top5=100.0,
    decimals=3,
    source="verify/sample/README.md",
    images=364,
)
