"""A validation set: which images, where their bytes lie, and which label each has."""

from __future__ import annotations

from verify.datasets.blobs import BlobError, FileBlob
from verify.datasets.folders import read_dataset
from verify.datasets.items import Dataset, DatasetError, Item

__all__ = ["BlobError", "Dataset", "DatasetError", "FileBlob", "Item", "read_dataset"]
