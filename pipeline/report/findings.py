"""The results of an evaluation as they are handed to the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.mcnemar import McNemar
from pipeline.evaluation.mistakes import Mistake
from pipeline.report.data_record import DataRecord


@dataclass(frozen=True)
class Judgement:
    """A labelled file that a model was judged on, and the model that it was compared with."""

    model: str
    """The model as the user names it."""
    about: str
    """The model for people: version and aliases, corpus, classes."""
    file: str
    """Name of the file."""
    digest: str
    """SHA-256 of the file."""
    rows: Mapping[str, int]
    """Rows of the file by what became of them: `judged`, and those left out by reason."""
    known: str
    """Note on reviews that the model was trained on."""
    compared: str | None = None
    """The other model as the user names it; None if there is none."""
    compared_about: str | None = None
    compared_known: str | None = None
    """Note on reviews that the other model was trained on."""
    repeated: str | None = None
    """Note on reviews that repeat another; None if none does."""
    paired: McNemar | None = None
    """Test of the two models on the same reviews: reviews that only one of them got right."""


@dataclass(frozen=True)
class Findings:
    """The results of an evaluation, and what it is about."""

    classes: Sequence[str]
    """Names of the classes, by index."""
    metrics: Mapping[str, Any]
    """Content of `reports/details.json`."""
    checks: Mapping[str, Any]
    """Outcome of the checks, as in `reports/verdict.json`; empty if none were asked for."""
    tables: Mapping[str, Columns]
    """Content of `reports/plots/`, by file name."""
    figures: Path
    """`reports/figures/`, already drawn: the page shows its SVG files."""
    mistakes: Sequence[Mistake]
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    """Content of `reports/behaviour.json`."""
    learning_curve: Columns | None = None
    ladder: Mapping[str, Any] | None = None
    """Content of `reports/memory_ladder.json`, if it is of the same dataset."""
    data: DataRecord | None = None
    """Content of `reports/data.json`."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Code, data and configuration of the training, from `artifacts/run.json`."""
    auxiliary: str | None = None
    """Name of the auxiliary texts; None where there are none."""
    inapplicable: Sequence[str] = ()
    """Tests that were requested but left out, because they are for other classes."""
    objective: ObjectiveConfig = ACCURACY
    """Metric that the labels are chosen for."""
    judgement: Judgement | None = None
    """The file, if the reviews are not those of the test split; the baseline is then the other model."""
