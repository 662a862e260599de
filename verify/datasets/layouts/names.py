"""The names of the layouts, as --layout takes them."""

from __future__ import annotations

CLASS_FOLDERS, LIST, DEVKIT, PARQUET = "class-folders", "val-list", "devkit", "parquet"
TAR_LIST, TAR_DEVKIT = "tar-val-list", "tar-devkit"
FILES, TAR = "files", "tar"  # without labels
LAYOUTS = (CLASS_FOLDERS, LIST, DEVKIT, TAR_LIST, TAR_DEVKIT, PARQUET, FILES, TAR)
