"""One program of all the commands."""
