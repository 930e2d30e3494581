"""The run around a training, without a training."""

import shutil
import time
from pathlib import Path

import pytest

from pipeline.text.dataset import read_dataset_record
from pipeline.tracking.description import NOTE_TAG
from pipeline.tracking.run import Run
from pipeline.tracking.store import connect
from pipeline.training.hardware import resolve_hardware
from pipeline.training_run import train_in_run
from tests.conftest import configuration, describe_dataset


def test_what_a_person_writes_into_the_description_meanwhile_stays(
    tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the run trains, is stopped, and trains again."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(fresh_database, tmp_path)
    config = configuration("tracking.system_metrics=false", "trainer=cpu")
    describe_dataset(tmp_path / "dataset", train=8)
    client = connect(config.tracking).client
    runs: list[str] = []

    def train(word: str) -> None:
        def write(run: Run) -> None:
            runs.append(run.run_id)
            while f"commit `{word}`" not in (note := client.get_run(run.run_id).data.tags[NOTE_TAG]):
                time.sleep(0.01)  # until the outbox has sent it
            client.set_tag(run.run_id, NOTE_TAG, note.replace("### How", f"Ann: {word}.\n\n### How"))

        def stop(*_: object, **_names: object) -> str:
            if word == "first":
                raise KeyboardInterrupt
            return "0.9"

        train_in_run(
            stop,
            lambda _run, _outcome: None,
            stage="train",
            name="run",
            tags={"git.commit": word, "git.dirty": "false", "data.md5": "123", "model": "gru"},
            config=config,
            values={},
            params={},
            dataset=read_dataset_record(tmp_path / "dataset"),
            hardware=resolve_hardware(config.trainer),
            describe=write,
            result=str,
        )

    with pytest.raises(KeyboardInterrupt):
        train("first")
    train("second")
    assert runs[0] == runs[1]
    note = client.get_run(runs[0]).data.tags[NOTE_TAG]
    assert note.startswith("Ann: first.\n\nAnn: second.\n\n### Result\n\n0.9\n\n### How it was made\n")
    assert "- code: commit `second`\n" in note and note.count("###") == 2
