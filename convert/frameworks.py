"""The two frameworks that weights are carried between, by the names that arguments, results and reports give them."""

from __future__ import annotations

TORCH = "torch"
PADDLE = "paddle"
FRAMEWORKS = (TORCH, PADDLE)  # the order of every comparison: PyTorch's answer is the expected one
PROPER_NAMES = {TORCH: "PyTorch", PADDLE: "Paddle"}
