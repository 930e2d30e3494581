"""Corpora inside an installed Python package: reviews in a CSV file."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.corpus import PackageTexts
from pipeline.corpus.canonical import LABELLED_SCHEMA, CanonicalWriter
from pipeline.runtime.checksum import verify_checksum
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import packaged_file
from pipeline.tables.table_reader import Table

REINSTALL = "reinstall the pipeline with its constraints: pip install -c constraints.txt -e ."


def add_package(key: str, texts: PackageTexts, split: str, writer: CanonicalWriter) -> None:
    """Add the rows of the package's file whose `source` is the subset, to a split; messages name the config by `key`.

    The package is not imported: importing it would load the whole file.

    Raises:
        PipelineError: the package is not installed, its file differs, or the subset is empty.
    """
    path = packaged_file(key, texts.package, texts.member, REINSTALL)
    verify_checksum(path, texts.checksum, REINSTALL)
    count = 0
    for batch in Table(path).batches():
        rows = batch.filter(pc.equal(batch["source"], texts.subset))
        ids = [f"{texts.subset}-{number:06}" for number in range(count + 1, count + rows.num_rows + 1)]
        count += rows.num_rows
        columns = [pa.array(ids, pa.string()), rows["text"], rows["label"].cast(pa.int8())]
        writer.add(split, pa.record_batch(columns, schema=LABELLED_SCHEMA))
    if not count:
        raise PipelineError(f"{key}.subset: {path.name} has no row whose source is {texts.subset!r}; correct it")
