"""Canonical form of a corpus, the only form that later stages read: a Parquet file per split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from pipeline.config.split import SPLITS
from pipeline.runtime.errors import PipelineError
from pipeline.text.cleaning import is_empty

MAX_REVIEW_BYTES = 10 * 2**20
"""Bytes of the longest review allowed; the longest of the default corpus has 14,000."""
MAX_REVIEWS = 50_000_000
MAX_CORPUS_BYTES = 20 * 2**30
"""Bytes of all texts together: a file of a few kilobytes may hold more rows than fit on any disk."""
GROUP_COLUMN = "split_group"
"""Optional column of a labelled split: reviews of one group are held out together, or not at all."""
NAMED_GROUP = "group:"
"""Beginning of a group that the user's files name; a row without one is a group of its own, named by its id."""
LABELLED_SCHEMA = pa.schema({"id": pa.string(), "text": pa.string(), "label": pa.int8()})
UNLABELLED_SCHEMA = pa.schema({"id": pa.string(), "text": pa.string()})


class CanonicalWriter:
    """Writer of a corpus in canonical form, batch by batch into a folder; it holds one batch at a time.

    Use it as a context manager. Equal batches in equal order give equal bytes.

    Args:
        folder: gets the files.
        classes: names of the classes, by index.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.left_out: Counter[str] = Counter()
        """Rows that did not become reviews, by reason; only reasons that occurred."""
        self.ungrouped = 0
        """Reviews that are each a group of their own."""
        self.with_group_column = 0
        """Reviews that might name a group, as auxiliary and unlabelled ones do not."""
        self._folder, self._classes = folder, classes
        self._labels: dict[str, Counter[int | None]] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows = self._bytes = 0
        self._progress = tqdm(desc="reviews", unit="", disable=None, leave=False)

    def add(self, split: str, rows: pa.RecordBatch) -> None:
        """Append rows to a split, with the columns of `LABELLED_SCHEMA` and kept ones, or of `UNLABELLED_SCHEMA`.

        Rows whose text is null or empty are left out and counted as `empty_text`, `auxiliary_empty_text` or
        `unlabelled_empty_text`.

        Raises:
            PipelineError: a text is too long for a review, or holds NUL characters, as UTF-16 read as UTF-8 does; or
                the corpus has become too large.
        """
        _require_plausible_texts(split, rows)
        self._rows += rows.num_rows
        self._bytes += rows["text"].nbytes
        if self._rows > MAX_REVIEWS or self._bytes > MAX_CORPUS_BYTES:
            limit = f"{MAX_REVIEWS:,} reviews or {MAX_CORPUS_BYTES // 2**30} GB of text"
            raise PipelineError(f"the corpus has more than {limit}; use a part of it")
        given = [text is not None and not is_empty(text) for text in rows["text"].to_pylist()]
        written = rows.filter(pa.array(given, pa.bool_()))
        reason = f"{split}_empty_text" if split in {"auxiliary", "unlabelled"} else "empty_text"
        self.count_left_out(reason, rows.num_rows - written.num_rows)
        if GROUP_COLUMN in written.schema.names:
            named = pc.starts_with(written[GROUP_COLUMN], NAMED_GROUP)
            self.with_group_column += written.num_rows
            self.ungrouped += written.num_rows - (pc.sum(named).as_py() or 0)
        if split not in self._writers:
            file = self._folder / f"{split}.parquet"
            self._writers[split] = pq.ParquetWriter(file, rows.schema, compression="zstd")
            self._labels[split] = Counter()
        self._writers[split].write_batch(written)
        labels = written["label"].to_pylist() if "label" in written.schema.names else [None] * written.num_rows
        self._labels[split].update(labels)
        self._progress.update(written.num_rows)

    def count_left_out(self, reason: str, rows: int) -> None:
        """Count rows that do not become reviews."""
        if rows:
            self.left_out[reason] += rows

    def sizes(self) -> dict[str, int]:
        """Return the number of reviews of each split."""
        return {split: self._labels[split].total() for split in SPLITS if split in self._labels}

    def require_usable(self) -> None:
        """Refuse a corpus that a model cannot be trained on, or tested on.

        Raises:
            PipelineError: there is no training split, or a labelled split has no review of a class.
        """
        for split in ("train", *(s for s in self._labels if s not in {"train", "unlabelled"})):
            for label, name in enumerate(self._classes):
                if not self._labels.get(split, Counter())[label]:
                    raise PipelineError(f"the corpus has no {name} review for its {split} split; correct the corpus")

    def __enter__(self) -> "CanonicalWriter":
        """Start writing."""
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the files."""
        self._progress.close()
        for writer in self._writers.values():
            writer.close()


def _require_plausible_texts(split: str, rows: pa.RecordBatch) -> None:
    longest = f"{MAX_REVIEW_BYTES // 2**20} MB"
    for wrong, problem in (
        (pc.greater(pc.binary_length(rows["text"]), MAX_REVIEW_BYTES), f"is longer than {longest}: split it"),
        (pc.match_substring(rows["text"], "\0"), "holds a NUL character: save the file as UTF-8"),
    ):
        if pc.any(wrong).as_py():
            row = rows.filter(wrong)["id"][0]
            raise PipelineError(f"the text of the review {row} of the {split} split {problem}, or leave it out")
