"""Planted faults: proof that the verifier can fail, and where."""
