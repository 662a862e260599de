"""What is in a checkpoint file, of any family, and what parts two of them. Nothing that a file carries is run."""
