"""The evaluation protocol, and the published checkpoints that are bound to one."""
