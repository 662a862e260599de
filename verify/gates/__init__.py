"""The gates: one condition each on the pair of checkpoints."""
