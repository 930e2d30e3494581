"""Folds for cross-validation: the training and validation reviews divided anew, a fold of them at a time held out.

Out-of-fold predictions, the file that the training of a fold leaves:

out_of_fold.parquet  id, label and predicted (class indices), probabilities (of each class) of the fold's reviews;
                     as metadata the decision rule, which each fold has of its own
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config.training import TrainingConfig
from pipeline.inference.decision_rule import DecisionRule
from pipeline.runtime.atomic import replace
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import read_dataset_record, read_groups, read_split
from pipeline.text.rows import read_rows

DIVIDED = ("train", "validation")
"""Splits whose reviews are divided into folds; the test split stays as it is."""
OUT_OF_FOLD = "out_of_fold.parquet"
RULE = b"decision_rule"
"""Key of the metadata."""

RowsOfSplits = Mapping[str, NDArray[np.int64]]
"""Rows of splits, by name."""


@dataclass(frozen=True)
class Fold:
    """Reviews to train on, and the fold that is held out to validate on."""

    train: RowsOfSplits
    held_out: RowsOfSplits


def read_fold(dataset: Path, training: TrainingConfig) -> Fold | None:
    """Divide the reviews of a dataset folder into folds, and return the one that the configuration names, if any.

    The same dataset and number of folds give the same folds; their seed is the `split.seed` of the dataset.

    Raises:
        PipelineError: a class has too few reviews, or too few groups of them, for every fold to hold one.
    """
    folds = training.folds
    if folds is None:
        return None
    groups = np.concatenate([read_groups(dataset, name) for name in DIVIDED])
    splits = [read_split(dataset, name) for name in DIVIDED]
    labels = np.concatenate([split.labels for split in splits])
    info = read_dataset_record(dataset)
    fold = assign_folds(groups, labels, folds, info.split["seed"], info.corpus.classes)
    parts = np.split(fold == training.fold - 1, [len(splits[0])])
    return Fold(
        *(
            {name: np.flatnonzero(own == chosen) for name, own in zip(DIVIDED, parts, strict=True)}
            for chosen in (False, True)
        )
    )


def assign_folds(
    groups: NDArray[np.int32], labels: NDArray[np.int8], folds: int, seed: int, classes: Sequence[str]
) -> NDArray[np.int64]:
    """Assign each group of reviews to a fold, so that all folds have as nearly as possible as many of each class.

    The groups with the largest shares of a class come first, those alike in an order that the seed decides. Each goes
    to the fold where the sum over the classes of squared numbers of reviews, divided by the total, grows least: to one
    that has few of its classes.

    Args:
        groups: number of the group of each review [n].
        labels: class index of each review [n].
        folds: number of folds.
        seed: seed of the order.
        classes: names of the classes, by index.

    Returns:
        the number of the fold, from 0, of each review [n].

    Raises:
        PipelineError: a fold would hold no review of a class.
    """
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), np.int64)  # [groups, classes]
    np.add.at(counts, (group, labels), 1)
    totals = counts.sum(0)
    for name, total, holding in zip(classes, totals, (counts > 0).sum(0), strict=True):
        if holding < folds:
            reviews = f"{total} {name} training and validation reviews"
            problem = reviews if holding == total else f"{reviews}, in {holding} groups that are not divided"
            raise PipelineError(f"training.folds: {folds} folds of {problem}; lower it, or add reviews")
    shares = counts / totals
    order = np.lexsort((np.random.default_rng(seed).permutation(len(names)), -shares.sum(1)))
    filled = np.zeros((folds, len(classes)), np.int64)
    fold_of_group = np.empty(len(names), np.int64)
    for number in order:
        growth = (2 * filled + counts[number]) @ shares[number]
        least = np.flatnonzero(growth <= growth.min() * (1 + 1e-9))
        chosen = least[filled[least].sum(1).argmin()]
        filled[chosen] += counts[number]
        fold_of_group[number] = chosen
    for number, name in np.argwhere(filled == 0):
        raise PipelineError(
            f"training.folds: fold {number + 1} of {folds} holds no {classes[name]} review, because groups are not "
            "divided; lower it, or use a corpus.group_column of smaller groups"
        )
    return fold_of_group[group]


def write_out_of_fold(
    path: Path, dataset: Path, fold: Fold, rule: DecisionRule, probabilities: NDArray[np.float32]
) -> None:
    """Write the answers for the reviews of a fold.

    Args:
        path: path of the file.
        dataset: the dataset folder.
        fold: the fold.
        rule: the model's decision rule.
        probabilities: calibrated probability of each class [n, classes], of the held-out rows of one split after the
            other.

    Raises:
        PipelineError: the rows of a split are missing or damaged.
    """
    tables = []
    for name, rows in fold.held_out.items():
        tables.append(read_rows(dataset, name, ["id", "label"]).take(pa.array(rows)))
    answers = {
        "predicted": pa.array(rule.choose(probabilities), pa.int8()),
        "probabilities": pa.array(list(probabilities)),
    }
    table = pa.concat_tables(tables)
    for name, column in answers.items():
        table = table.append_column(name, column)
    with replace(path) as temporary:
        pq.write_table(table.replace_schema_metadata({RULE: json.dumps(asdict(rule))}), temporary)


def rule_of(answers: pa.Table) -> DecisionRule:
    """Return the decision rule that is stored with the answers for a fold."""
    return DecisionRule(**json.loads(answers.schema.metadata[RULE]))
