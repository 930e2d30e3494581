"""Descriptions of experiments and runs in the MLflow UI, and the columns that it shows first.

A run's description begins with its result: of the training on the validation split, and once it is evaluated on the
test split, which `evaluation_record` adds.
"""

import json
from collections.abc import Mapping

from pipeline.config.corpus import CorpusInfo
from pipeline.config.split import SPLITS
from pipeline.report.formatting import counts

NOTE_TAG = "mlflow.note.content"
"""Tag in which MLflow keeps the description of an experiment or a run."""
VIEW = "overview"
"""Name of the view of the runs that `?viewStateShareKey=overview` opens."""
VIEW_COLUMNS = (
    "metrics.`test/accuracy`",
    "metrics.`baseline/accuracy`",
    "metrics.`val/accuracy`",
    "tags.`corpus`",
    "tags.`model`",
    "attributes.`Duration`",
    "tags.`mlflow.user`",
    "tags.`stage`",
    "tags.`sweep`",
)
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
VIEW_STATE = json.dumps({"selectedColumns": VIEW_COLUMNS})
"""State of the page that MLflow restores from the experiment's tag `VIEW_TAG`."""
EXPERIMENT = """Classifiers that tell positive reviews from negative ones, one run for each training.

- `val/…` are curves by epoch, from the untrained network at step 0; the last point, which the tables show, is the model
  that was kept. Once `evaluate` has run, `test/…` are the model's figures on held-out reviews, `parts/…` those of each
  part of the network alone, and `baseline/…` those of NB-weighted logistic regression on the same reviews. Intervals,
  slices and behaviour tests are under Artifacts, in `tables/` and `reports/details.json`.
- Filter with `tags.stage = 'train'`, `tags.sweep = 'grid'`, ``metrics.`test/accuracy` > 0.9``.
- Compare: tick two runs, then *Compare*.
- The model in use is the version `champion` in the model registry."""
RESULT, MADE = "### Result", "### How it was made"
"""Headings of a run's description."""
ACTIVITY = {"pretrain": "Pre-training for", "pseudo_label": "Training of a teacher,", "train": "Training of"}
"""Beginning of the description of a run, by the stage that opened it."""


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment: its description, its kind, and the view `overview` of its runs."""
    return {
        NOTE_TAG: EXPERIMENT,
        "mlflow.experimentKind": "custom_model_development",
        VIEW_TAG: VIEW_STATE,
    }


def run_description(
    corpus: CorpusInfo, tags: Mapping[str, str], splits: Mapping[str, int], left_out: Mapping[str, int]
) -> str:
    """Describe what a run trains, on which reviews, and how to reproduce it, as Markdown.

    Args:
        corpus: section of the configuration.
        tags: of the run; a trial has `command` among them.
        splits: number of reviews in each split.
        left_out: number of rows in none of them, by reason.
    """
    sizes = counts({split: rows for split in SPLITS if (rows := splits.get(split))})
    return "\n".join(
        [
            MADE,
            "",
            f"{ACTIVITY[tags['stage']]} `{tags['model']}` on **{corpus.name}**: {corpus.source}.",
            "",
            f"- made by: {_command(tags)}; every choice is under Parameters",
            f"- code: {code_version(tags)}",
            f"- data: md5 `{tags['data.md5']}`; reviews: {sizes}",
            f"- rows left out: {counts(left_out) or 'none'}",
        ]
    )


def with_result(description: str, result: str) -> str:
    """Insert a run's result into its description, before how it was made and in place of an earlier result.

    Args:
        description: of a run; what a person wrote above these parts stays.
        result: Markdown.
    """
    _, _, how_made = description.partition(MADE)
    parts = [_by_person(description), f"{RESULT}\n\n{result}", f"{MADE}{how_made}" if how_made else ""]
    return "\n\n".join(filter(None, parts))


def renewed(description: str, made: str) -> str:
    """Return the description of a run that is resumed: what a person wrote above the earlier one, then `made`.

    Args:
        description: of the run, as the store has it.
        made: from `run_description`.
    """
    return "\n\n".join(filter(None, [_by_person(description), made]))


def _by_person(description: str) -> str:
    return description.partition(MADE)[0].partition(RESULT)[0].strip()


def code_version(tags: Mapping[str, str]) -> str:
    """Return the commit, and whether there were uncommitted changes, as Markdown."""
    dirty = ", with changes that were not committed" if tags["git.dirty"] == "true" else ""
    return f"commit `{tags['git.commit']}`{dirty}"


def _command(tags: Mapping[str, str]) -> str:
    if experiment := tags.get("dvc.experiment"):
        return f"`dvc exp run`, as `{experiment}`"
    return f"`{tags.get('command', 'dvc repro')}`"
