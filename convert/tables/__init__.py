"""A parameter table that comes from a file, as data alone: read, written, and converted by."""

from convert.params import PaddleLeftOut as PaddleLeftOut
from convert.params import Row as Row
from convert.tables.reading import read_table as read_table
from convert.tables.spec import TableSpec as TableSpec
from convert.tables.table import ModelName as ModelName
from convert.tables.table import Proof as Proof
from convert.tables.table import Table as Table
from convert.tables.writing import format_table as format_table

__all__ = ["ModelName", "PaddleLeftOut", "Proof", "Row", "Table", "TableSpec", "format_table", "read_table"]
