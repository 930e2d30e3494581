"""Few reviews: the default recipe beside the baseline, by number of reviews, class share and kind of text.

Draws subsets of the default corpus (film reviews) and of its auxiliary texts (sentences of critics); prepares,
pre-trains and trains on each as the stages do; and scores model and baseline on up to 2,000 held-out texts with the
same share of positive ones. Writes reports/sizes.json, docs/images/sizes.png and the table in docs/small-data.md.

A cell that reports/sizes.json holds is not measured again, unless the configuration has changed: stop it whenever you
like, and run it again. All cells take about a day of one core; the options choose a part.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from matplotlib.axes import Axes
from scipy import stats
from torch import Tensor
from tqdm import tqdm

from benchmarks.corpus import configuration, require_prepared, write_dataset
from pipeline.cli import tidy_exit
from pipeline.config.schema import Config
from pipeline.config.split import AUXILIARY_TEST
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.multiclass import negative_log_likelihood
from pipeline.evaluation.predictions import ScoredSplit, score_split
from pipeline.inference.model_folder import save_model
from pipeline.inference.predictor import Predictor
from pipeline.report.colours import BASELINE_COLOUR, GUESS_COLOUR, MODEL_COLOUR
from pipeline.report.figure_files import write_panels
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import DATASET, REPORTS, WORKSPACE
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.text.dataset import read_dataset_record, read_vocabulary
from pipeline.text.rows import read_texts
from pipeline.trained_model import model_info
from pipeline.training.fit import fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.launcher import ignore_metrics
from pipeline.training.pretraining import pretrain

PAGE = WORKSPACE / "docs" / "small-data.md"
PICTURE = WORKSPACE / "docs" / "images" / "sizes.png"
RESULTS = REPORTS / "sizes.json"
COMMAND = "python -m benchmarks.sizes"
ALL = "all"
SIZES = ("300", "1000", "3000", "10000", ALL)
SHARES = (50, 80, 95)
KINDS = {"reviews": (("train", "validation"), "test"), "sentences": (("auxiliary",), AUXILIARY_TEST)}
"""Splits of the prepared dataset that the texts of a kind are drawn from, and the one that they are tested on."""
SEEDS = (1, 2, 3, 4, 5)
MAX_TESTED = 2000
VALIDATION = 0.1
CONFIDENCE = 0.95
SHARE_COLOURS = (MODEL_COLOUR, BASELINE_COLOUR, "#009E73")
DECISIVE = {"text", "model", "pretraining", "training"}
"""Sections of the configuration that decide a result."""
AGAIN = f"remove it, and run `{COMMAND}` again"


@dataclass(frozen=True)
class Cell:
    """One training: kind of text, number of texts with those for validation, share of positive ones in %, seed."""

    kind: str
    size: str
    share: int
    seed: int


class MeasuredCell(Record):
    """A cell with its results, as reports/sizes.json holds it."""

    kind: str
    size: str
    share: int
    seed: int
    recipe: str
    """Hash of the configuration."""
    reviews: int
    tested: int
    accuracy: float
    baseline_accuracy: float
    log_loss: float
    baseline_log_loss: float
    epochs: int
    seconds: float

    @property
    def cell(self) -> Cell:
        """What was measured."""
        return Cell(self.kind, self.size, self.share, self.seed)

    @property
    def difference(self) -> float:
        """Accuracy of the model minus that of the baseline."""
        return self.accuracy - self.baseline_accuracy


class Measurements(Record):
    """`reports/sizes.json`."""

    cells: list[MeasuredCell]


def measure(cell: Cell, config: Config, dataset: Path) -> MeasuredCell:
    """Prepare, train and score one cell.

    Args:
        cell: the cell; its seed draws the texts and trains the model.
        config: the configuration.
        dataset: the prepared default corpus, which the texts are drawn from.
    """
    started = time.perf_counter()
    config = config.model_copy(update={"seed": cell.seed})
    hardware = resolve_hardware(config.trainer)
    splits = draw_splits(cell, dataset)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "dataset"
        write_dataset(folder, splits, config, dataset)
        weights: dict[str, Tensor] = {}
        checkpoints = Path(temporary) / "checkpoints"
        pretrained = pretrain(config.pretraining, folder, hardware, checkpoints / "pretrain", ignore_metrics)
        for learned, _curve in pretrained.values():
            weights |= learned
        trained = fit(config, folder, hardware, checkpoints / "train", ignore_metrics, weights or None)
        info = read_dataset_record(folder)
        save_model(folder / "model", trained.network, read_vocabulary(folder), model_info(config, info, trained))
        model = score_split(folder, "test", Predictor.load(folder / "model"))
        classes = info.corpus.classes
        fitted = fit_baseline(*read_texts(folder, "train"), *read_texts(folder, "validation"), classes)
        baseline = score_split(folder, "test", fitted)
    return MeasuredCell(
        **asdict(cell),
        recipe=recipe(config),
        reviews=sum(len(splits[split]) for split in ("train", "validation")),
        tested=len(model.labels),
        accuracy=_accuracy(model),
        baseline_accuracy=_accuracy(baseline),
        log_loss=_log_loss(model),
        baseline_log_loss=_log_loss(baseline),
        epochs=trained.epochs,
        seconds=round(time.perf_counter() - started, 1),
    )


def draw_splits(cell: Cell, dataset: Path) -> dict[str, pa.Table]:
    """Draw the texts of a cell: train, validation and test, each with its share of positive texts."""
    random = np.random.default_rng([cell.seed, cell.share])
    pool, test = _pool(cell, dataset), _rows(dataset, [KINDS[cell.kind][1]])
    size = _most(pool, cell.share) if cell.size == ALL else int(cell.size)
    held_out = _draw(random, test, min(MAX_TESTED, _most(test, cell.share)), cell.share)
    drawn = _draw(random, pool, size, cell.share)
    validation = _draw(random, drawn, round(VALIDATION * size), cell.share)
    known = set(validation["id"].to_pylist())
    train = drawn.filter(pa.array([row not in known for row in drawn["id"].to_pylist()]))
    return {"train": train, "validation": validation, "test": held_out}


def recipe(config: Config) -> str:
    """Return a hash of the configuration that decides a result; a new key that is null does not change it."""
    no_fold = {"training": {"fold"}}  # a cell is trained on all of its reviews
    values = json.dumps(
        config.model_dump(mode="json", include=DECISIVE | {"text"}, exclude=no_fold, exclude_none=True), sort_keys=True
    )
    return hashlib.sha256(values.encode()).hexdigest()[:12]


def paired_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of paired differences over seeds and its 95 % interval by Student's t; at least two."""
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1))
    return mean, mean - half, mean + half


def render(measured: Sequence[MeasuredCell]) -> str:
    """Return the table in Markdown: a row for each cell that two seeds have measured; the others are named below."""
    missing: dict[str, list[str]] = {}
    lines = [
        "| texts | number | positive | seeds | epochs | model | baseline | difference | difference of log loss |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, size, share in product(KINDS, SIZES, SHARES):
        cells = _of(measured, kind, size, share)
        if len(cells) < 2:
            missing.setdefault(f"{_number(size)} {kind}", []).append(f"{share} %")
            continue
        start = f"| {kind} | {_number(size, cells[0].reviews)} | {share} % | {len(cells)} "
        model, baseline = (
            np.mean([getattr(cell, name) for cell in cells]) for name in ("accuracy", "baseline_accuracy")
        )
        accuracy = paired_interval([cell.difference for cell in cells])
        loss = paired_interval([cell.log_loss - cell.baseline_log_loss for cell in cells])
        difference = "{:+.4f} ({:+.4f} to {:+.4f})".format(*accuracy) + " worse" * (accuracy[2] < 0)
        columns = (
            cells[0].epochs,
            f"{model:.4f}",
            f"{baseline:.4f}",
            difference,
            "{:+.3f} ({:+.3f} to {:+.3f})".format(*loss),
        )
        lines.append(f"{start}| {' | '.join(map(str, columns))} |")
    lacking = "; ".join(f"{texts} ({', '.join(shares)})" for texts, shares in missing.items())
    return "\n".join([*lines, "", f"Not measured: {lacking or 'none'}."])


def draw_kind(axes: Axes, kind: str, measured: Sequence[MeasuredCell]) -> None:
    """Draw the difference to the baseline over the number of texts, with its interval, for each class share."""
    axes.axhline(0, color=GUESS_COLOUR)
    for offset, (share, colour) in enumerate(zip(SHARES, SHARE_COLOURS, strict=True)):
        found = [(place, _of(measured, kind, size, share)) for place, size in enumerate(SIZES)]
        points = [(place, cells) for place, cells in found if len(cells) > 1]
        if not points:
            continue
        intervals = 100 * np.array([paired_interval([cell.difference for cell in cells]) for _, cells in points])
        places = [place + (offset - 1) / 10 for place, _ in points]
        means, low, high = intervals.T
        bars = (means - low, high - means)
        axes.errorbar(places, means, bars, fmt="o-", color=colour, capsize=3, label=f"{share} % positive")
    axes.set_xticks(range(len(SIZES)), [_number(size) for size in SIZES])
    axes.set_xlim(-0.5, len(SIZES) - 0.5)
    axes.set(title=kind, xlabel=f"number of {kind}, a tenth of them for validation", ylabel="points above the baseline")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def main(cells: Sequence[Cell], config: Config, results: Path = RESULTS, dataset: Path = DATASET) -> list[MeasuredCell]:
    """Measure the cells that are not measured yet, as far as there are texts enough; return all that are measured."""
    require_prepared(dataset, *{dataset / KINDS[cell.kind][1] for cell in cells})
    known = read_json(results, Measurements, AGAIN).cells if results.exists() else []
    measured = {one.cell: one for one in known if one.recipe == recipe(config)}
    if outdated := len(known) - len(measured):
        tqdm.write(f"{results}: {outdated} cells were measured with another configuration, and are dropped")
    for cell in tqdm([cell for cell in cells if cell not in measured], desc="sizes", disable=None):
        if cell.size != ALL and int(cell.size) > (most := _most(_pool(cell, dataset), cell.share)):
            tqdm.write(f"{cell}: left out, there are only {most:,} with this share of positive ones")
            continue
        measured[cell] = measure(cell, config, dataset)
        write_json(results, Measurements(cells=_in_order(measured.values())).model_dump())
    return _in_order(measured.values())


def _in_order(measured: Iterable[MeasuredCell]) -> list[MeasuredCell]:
    return sorted(measured, key=lambda one: (list(KINDS).index(one.kind), SIZES.index(one.size), one.share, one.seed))


def _number(size: str, reviews: int | None = None) -> str:
    if size != ALL:
        return f"{int(size):,}"
    return ALL if reviews is None else f"{ALL}: {reviews:,}"


def _of(measured: Sequence[MeasuredCell], kind: str, size: str, share: int) -> list[MeasuredCell]:
    return [one for one in measured if (one.kind, one.size, one.share) == (kind, size, share)]


def _pool(cell: Cell, dataset: Path) -> pa.Table:
    return _rows(dataset, KINDS[cell.kind][0])


def _rows(dataset: Path, splits: Sequence[str]) -> pa.Table:
    tables = (pq.read_table(dataset / split / "rows.parquet", columns=["id", "text", "label"]) for split in splits)
    return pa.concat_tables(tables)


def _most(rows: pa.Table, share: int) -> int:
    """Return the largest number of rows that have a share of positive ones, in %."""
    negative, positive = np.bincount(rows["label"].to_numpy(), minlength=2).tolist()
    return int(min(100 * positive // share, 100 * negative // (100 - share)))


def _draw(random: np.random.Generator, rows: pa.Table, size: int, share: int) -> pa.Table:
    positive = round(size * share / 100)
    labels = rows["label"].to_numpy()
    chosen = [
        random.permutation(np.flatnonzero(labels == label))[:number]
        for label, number in ((1, positive), (0, size - positive))
    ]
    return rows.take(random.permutation(np.concatenate(chosen)))


def _accuracy(scored: ScoredSplit) -> float:
    return float(np.mean(scored.predicted == scored.labels))


def _log_loss(scored: ScoredSplit) -> float:
    return float(negative_log_likelihood(scored.labels, scored.probabilities.astype(np.float64)).mean())


def _chosen_cells() -> list[Cell]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES, help="numbers of texts, or all")
    parser.add_argument("--shares", nargs="+", type=int, choices=SHARES, default=SHARES, help="positive texts in %%")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    chosen = parser.parse_args()
    combinations = product(chosen.sizes, chosen.shares, chosen.kinds, chosen.seeds)  # the cheapest first
    return [Cell(kind, size, share, seed) for size, share, kind, seed in combinations]


if __name__ == "__main__":
    chosen_cells = _chosen_cells()
    with tidy_exit():
        # denormal numbers, which vanishing gradients become, make the first steps several times as slow
        torch.set_flush_denormal(True)
        measurements = main(chosen_cells, configuration("corpus/auxiliary=none", "trainer=cpu"))
        write_panels(PICTURE, [partial(draw_kind, kind=kind, measured=measurements) for kind in KINDS])
        table = render(measurements)
        replace_generated(PAGE, COMMAND, table)
        print(table)
