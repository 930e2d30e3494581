"""Artifacts of a moved project, in MLflow's own tables.

MLflow keeps the absolute path of every artifact in its database and has no call that changes it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

LOCATION_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Table and column of every path, in MLflow 3."""


def follow_artifacts(database: Path, recorded: str, present: str) -> None:
    """Replace the recorded artifact root by the present one, wherever the database names it.

    Args:
        database: sqlite file.
        recorded: URI of the root when the experiment was created.
        present: URI of the folder that moved along with the database.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in LOCATION_COLUMNS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",
                (present, len(recorded) + 1, len(recorded) + 1, f"{recorded}/"),
            )
