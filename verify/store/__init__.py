"""The run store: one file a run, that can be gone on with, shared out and merged."""
