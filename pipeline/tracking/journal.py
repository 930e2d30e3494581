"""Journal of a run: each thing that is logged becomes a line of a file at once, and is sent when the store takes it.

An entry is one of `metrics`, `params`, `tags`, `dataset`, `files` and `status`. Each holds its own timestamps, and
MLflow keeps one point for one timestamp: an entry that is sent again, because the reply was lost, changes nothing. What
the store has taken is noted with `sent`, a number of entries: people may have edited the run's tags since.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import lies_in

JOURNAL = "journal.jsonl"
METRICS_PER_CALL = 1000
"""Maximum number of metrics that MLflow accepts."""

Entry = dict[str, Any]


def read_journal(journal: Path) -> list[Entry]:
    """Return the header of a journal and the entries that are not noted as sent.

    An unfinished last line, as a killed process leaves it, does not count.
    """
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    entries = [entry for entry in records if "sent" not in entry]
    del entries[1 : 1 + sum(entry.get("sent", 0) for entry in records)]
    return entries


def note_sent(journal: Path, number: int) -> None:
    """Note that the next entries were sent; the modification time of the journal stays that of its last entry."""
    before = journal.stat()
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"sent": number}) + "\n")
    os.utime(journal, ns=(before.st_atime_ns, before.st_mtime_ns))


def first_batch(entries: Sequence[Entry]) -> list[Entry]:
    """Return the leading entries that fit into one call: points together, everything else one by one."""
    batch: list[Entry] = []
    points = 0
    for entry in entries:
        points += len(entry.get("metrics", ()))
        if batch and ("metrics" not in entry or "metrics" not in batch[0] or points > METRICS_PER_CALL):
            break
        batch.append(entry)
    return batch


def single_values(batch: Sequence[Entry]) -> list[Entry]:
    """Return the entries of a batch, divided into entries of one point, parameter or tag each."""
    values: list[Entry] = []
    for entry in batch:
        match entry:
            case {"metrics": points}:
                values += [{"metrics": [point]} for point in points]
            case {"params": several} | {"tags": several}:
                kind = next(iter(entry))
                values += [{kind: {key: value}} for key, value in several.items()]
            case _:
                values.append(entry)
    return values


def entry_name(entry: Entry) -> str:
    """Name a single value for a message, such as `the parameter lr`."""
    match entry:
        case {"metrics": [[key, *_]]}:
            return f"the metric {key}"
        case {"params": values}:
            return f"the parameter {', '.join(values)}"
        case {"tags": values}:
            return f"the tag {', '.join(values)}"
        case {"files": _, "to": to}:
            return f"files of the artifact folder {to or '/'}"
        case _:
            return f"the {next(iter(entry))}"


def send_batch(client: MlflowClient, run_id: str, folder: Path, batch: Sequence[Entry]) -> None:
    """Send a batch from `first_batch`.

    Args:
        client: of the store.
        run_id: of the run.
        folder: of the journal; it holds the files that entries name, which are removed once they are sent.
        batch: entries.

    Raises:
        Exception: the store did not take it, for whatever reason.
    """
    match batch[0]:
        case {"metrics": _}:
            client.log_batch(run_id, metrics=[Metric(*point) for entry in batch for point in entry["metrics"]])
        case {"params": params}:
            client.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])
        case {"tags": tags}:
            client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        case {"dataset": dataset}:
            tag = InputTag("mlflow.data.context", "training")
            client.log_inputs(run_id, datasets=[DatasetInput(Dataset(**dataset), [tag])])
        case {"files": name, "to": to} if (folder / name).is_dir():
            if not lies_in(folder / name, folder):
                raise PipelineError(f"its journal names {name!r}, which is not one of its files; delete {folder}")
            client.log_artifacts(run_id, str(folder / name), to)
            shutil.rmtree(folder / name)
        case {"status": status, "at": milliseconds}:
            client.set_terminated(run_id, status, milliseconds)
