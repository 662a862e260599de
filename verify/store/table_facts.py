"""What a run by a table is of, besides its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """The parameter table that states the pair.

    Attributes:
        file: its name, without its folder.
        sha256: of the file.
        proof: on what both models were seen to answer alike, for people; empty where nobody compared them.
        said_by: where the protocol comes from, for people; empty where no library has one.
    """

    file: str
    sha256: str
    proof: str
    said_by: str
