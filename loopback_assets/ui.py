"""What the Dagster UI shows: schemas, tables, pictures, and the result of an asset."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa

from loopback_core.store.artifacts import Artifact

LARGEST_PICTURE = 100_000  # bytes; the file next to the report has no limit


def result(artifact: Artifact, *, reused: bool, **metadata: Any) -> dg.MaterializeResult[Any]:
    """The result of an asset: its version, its folder, its time and memory, and `metadata`."""
    manifest = artifact.manifest
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.version),
        metadata={
            "folder": dg.MetadataValue.path(artifact.folder),
            "reused": reused,
            "seconds": float(manifest["seconds"]),
            "peak_rss_mb": float(manifest["peak_rss_mb"]),
            **metadata,
        },
    )


def column_schema(model: type[pa.DataFrameModel]) -> dg.TableSchema:
    """A pandera model as Dagster shows it."""
    schema = model.to_schema()
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                str(column.dtype),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in schema.columns.items()
        ]
    )


def columns(**described: str) -> dg.TableSchema:
    """A schema from `name="type: description"`."""
    split = {name: text.split(": ", 1) for name, text in described.items()}
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=description) for name, (kind, description) in split.items()]
    )


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table; what could not be measured stays empty."""
    records = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows]
    names = list(rows[0]) if rows else []
    kinds = {name: "string" if isinstance(rows[0][name], str) else "float" for name in names}
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kinds[name]) for name in names])
    return dg.MetadataValue.table(records, schema)


def _cell(value: Any) -> Any:
    """Four decimals are what the intervals leave of a metric; the JSON file has them all."""
    if value is None:
        return ""
    return round(value, 4) if isinstance(value, float) else value


def picture(path: Path) -> dg.MarkdownMetadataValue:
    """A PNG shown in the UI, or where to find one that is too large for the event log."""
    content = path.read_bytes()
    if len(content) > LARGEST_PICTURE:
        return dg.MetadataValue.md(f"`{path}`")
    return dg.MetadataValue.md(f"![{path.stem}](data:image/png;base64,{base64.b64encode(content).decode()})")
