"""A validation set: which images, where their bytes lie, and which label each has."""

from __future__ import annotations

from verify.datasets.blobs import BlobError, FileBlob, TarBlob
from verify.datasets.items import Dataset, DatasetError, Item
from verify.datasets.layouts.names import LAYOUTS
from verify.datasets.layouts.parquet import ParquetBlob
from verify.datasets.read import Choice, read_dataset

__all__ = [
    "LAYOUTS",
    "BlobError",
    "Choice",
    "Dataset",
    "DatasetError",
    "FileBlob",
    "Item",
    "ParquetBlob",
    "TarBlob",
    "read_dataset",
]
