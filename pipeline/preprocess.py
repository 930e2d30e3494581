"""Turn the corpus in data/ into the encoded dataset in artifacts/dataset/.

Makes the splits the corpus lacks, finds duplicates and drops them from training, tokenises, builds the vocabulary
from the training split alone, looks up its words in text.vectors if there are any, and reports what it saw in
reports/data.json.
"""

from pipeline.config import Config
from pipeline.preprocessing.duplicates import find_duplicates
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.preprocessing.reading import count_rows, read_info, require_fetched_for, row_groups
from pipeline.preprocessing.scanning import scan
from pipeline.preprocessing.splitting import hold_out, require_both_labels, select
from pipeline.preprocessing.word_vectors import add_vectors
from pipeline.runtime.files import replace, write_json
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.worker_pool import available_cores, worker_pool
from pipeline.stage import Inputs, run_stage

SMALL = 5_000
"""Reviews for which starting worker processes takes longer than the work."""


def main(config: Config, inputs: Inputs) -> None:
    """Read `data/`; write `artifacts/dataset/` and `reports/data.json`."""
    data = WORKSPACE / "data"
    corpus = read_info(data)
    require_fetched_for(config, corpus)
    with (
        worker_pool(1 if count_rows(data) <= SMALL else available_cores()) as mapping,
        replace(WORKSPACE / "artifacts" / "dataset") as folder,
    ):
        keys = scan(data, mapping)
        hold_out(keys, config.split)
        keep, duplicates = find_duplicates(keys)
        require_both_labels(keys, keep)
        reviews = select(row_groups(data), keys.split, keep)
        del keys
        vocabulary, splits, digest = encode_corpus(folder, config.text, reviews, mapping)
        report = {"corpus": corpus.name, "vocabulary": len(vocabulary), "splits": splits, "duplicates": duplicates}
        if config.text.vectors is not None:
            report["vectors"], digest = add_vectors(folder, config.text.vectors, vocabulary, digest)
        description = {
            "digest": digest,
            "corpus": corpus.model_dump(),
            "split": config.split.model_dump(),
            "text": config.text.model_dump(),
            "vocabulary": len(vocabulary),
            "splits": {name: summary["reviews"] for name, summary in splits.items()},
        }
        write_json(folder / "dataset.json", description)
        inputs.require_unchanged()
    write_json(WORKSPACE / "reports" / "data.json", report)


if __name__ == "__main__":
    run_stage(main, __doc__, "data/corpus.json")
