"""What an inspection says to programs: JSON of the form that `inspect.schema.json` states."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from convert.console import json_text
from convert.inspect.inspection import FileFacts, Inspection, PlaceFacts, TensorFacts

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).parent / "inspect.schema.json"


def as_json(inspection: Inspection, *, tensors: bool) -> str:
    """What is in the file; `tensors` of each place is null unless they are asked for."""
    published = inspection.published
    document = {
        "schema_version": SCHEMA_VERSION,
        **_file(inspection.file),
        "container": inspection.container,
        "shards": [_file(shard) for shard in inspection.shards],
        "published": asdict(published) if published else None,
        "places": [_place(place, tensors=tensors) for place in inspection.places],
        "beside": [asdict(item) for item in inspection.beside],
        "classes": list(inspection.kinds),
        "signs": [asdict(sign) for sign in inspection.signs],
    }
    return json_text(document)


def _file(file: FileFacts) -> dict[str, Any]:
    return {"path": str(file.path), "bytes": file.size, "sha256": file.sha256}


def _place(place: PlaceFacts, *, tensors: bool) -> dict[str, Any]:
    known = place.recognised
    return {
        "path": place.path,
        "is_state_dict": place.is_state_dict,
        "is_optimizer": place.is_optimizer,
        "tensor_count": len(place.tensors),
        "parameters": place.parameters,
        "bytes": place.nbytes,
        "dtypes": dict(place.dtypes),
        "key_format": known.key_format or None,
        "prefix": known.prefix,
        "arch": known.arch or None,
        "num_classes": known.num_classes or None,
        "in_chans": known.in_chans or None,
        "framework": known.framework or None,
        "variant": known.variant or None,
        "not_recognised": known.reason or None,
        "left_out": list(known.left_out),
        "tensors": [_tensor(tensor) for tensor in place.tensors] if tensors else None,
    }


def _tensor(tensor: TensorFacts) -> dict[str, Any]:
    found = tensor.measure
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "bytes": tensor.nbytes,
        "min": found.low,
        "max": found.high,
        "mean": found.mean,
        "rms": found.rms,
        "nan": found.nan,
        "inf": found.inf,
        "sha256": found.digest,
    }
