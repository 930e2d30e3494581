"""The one form in which every later stage sees a corpus: a Parquet file per split."""

from collections import Counter
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from pipeline.config.labels import LABELS
from pipeline.runtime.errors import PipelineError

LONGEST = 10 * 2**20
"""Bytes of a review; the longest of the default corpus has 14,000."""
MAX_REVIEWS = 50_000_000
MAX_BYTES = 20 * 2**30
"""Text of a corpus: a file of a few kilobytes may hold more rows than fit on any disk."""
SPLITS = ("train", "validation", "test", "unlabelled")
"""The files a corpus can have, in the order they are read."""
REVIEW = pa.schema({"id": pa.string(), "text": pa.string(), "label": pa.int8()})
GROUP = "split_group"
"""A column a labelled split may have: reviews of one group are held out together, or not at all."""
UNLABELLED = pa.schema({"id": pa.string(), "text": pa.string()})


class NormalForm:
    """Writes a corpus batch by batch into a folder, one Parquet file per split; holds one batch at a time.

    Use as a context manager. Equal batches in equal order give equal bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.left_out: Counter[str] = Counter()
        """Rows that did not become reviews, by reason; only reasons that occurred."""
        self._folder = folder
        self._labels: dict[str, Counter[int | None]] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows = self._bytes = 0
        self._progress = tqdm(desc="reviews", unit="", disable=None)

    def add(self, split: str, rows: pa.RecordBatch) -> None:
        """Append rows with the columns of `REVIEW` and the kept ones, or of `UNLABELLED`, to a split.

        Rows whose text is null or blank are left out and counted as `empty_text`.

        Raises:
            PipelineError: a text is longer than any review, or holds NUL characters, as misread UTF-16 does; or the
                corpus becomes too large.
        """
        _require_reviews(split, rows)
        self._rows += rows.num_rows
        self._bytes += rows["text"].nbytes
        if self._rows > MAX_REVIEWS or self._bytes > MAX_BYTES:
            limit = f"{MAX_REVIEWS:,} reviews or {MAX_BYTES // 2**30} GB of text"
            raise PipelineError(f"the corpus has more than {limit}; give a part of it")
        written = rows.filter(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(rows["text"]), ""), False))
        self.count_left_out("empty_text", rows.num_rows - written.num_rows)
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
        """The number of reviews of each split."""
        return {split: self._labels[split].total() for split in SPLITS if split in self._labels}

    def check(self) -> None:
        """Refuse a corpus nothing can be learnt from or measured on.

        Raises:
            PipelineError: there is no training split, or a labelled split lacks one of the labels.
        """
        for split in ("train", *(s for s in self._labels if s not in {"train", "unlabelled"})):
            for label, name in enumerate(LABELS):
                if not self._labels.get(split, Counter())[label]:
                    raise PipelineError(f"the corpus has no {name} review for its {split} split; correct the corpus")

    def __enter__(self) -> "NormalForm":
        """Start writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files."""
        self._progress.close()
        for writer in self._writers.values():
            writer.close()


def _require_reviews(split: str, rows: pa.RecordBatch) -> None:
    for wrong, problem in (
        (pc.greater(pc.binary_length(rows["text"]), LONGEST), f"is longer than {LONGEST // 2**20} MB: split it"),
        (pc.match_substring(rows["text"], "\0"), "holds a NUL character: save the file as UTF-8"),
    ):
        if pc.any(wrong).as_py():
            row = rows.filter(wrong)["id"][0]
            raise PipelineError(f"the text of the review {row} of the {split} split {problem}, or leave it out")
