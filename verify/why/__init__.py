"""Why the accuracy is not the expected one."""
