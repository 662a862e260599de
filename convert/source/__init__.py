"""From what `--src` says to named tensors."""
