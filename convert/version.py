"""The version of paddleferry, stated once."""

__version__ = "0.1.0"
