"""Proves that two checkpoints of two frameworks are one model. The frameworks load only in its worker processes."""

DISTRIBUTION = "paddleferry"  # convert/ownership.py looks for it
