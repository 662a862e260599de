"""How a validation set may lie on the disk: a file a layout."""
