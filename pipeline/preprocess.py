"""Encode the corpus in data/ as the dataset in artifacts/dataset/.

Drops duplicates, draws the splits that the corpus lacks, tokenises, builds the vocabulary from the training split
alone, looks up its words in text.vectors if that is set, and checks the data against corpus.checks. Writes
artifacts/dataset/ and a report, reports/data.json, or nothing where a check fails.
"""

import logging

from pipeline.config.schema import Config
from pipeline.evaluation.checks import check_metrics
from pipeline.preprocessing.canonical_reader import (
    count_rows,
    has_groups,
    read_corpus_record,
    require_downloaded_for,
    row_groups,
)
from pipeline.preprocessing.choice import choose_reviews
from pipeline.preprocessing.coverage import check_coverage
from pipeline.preprocessing.data_checks import is_trial, require_passed, smallest_class
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.preprocessing.learned_tokenizer import learn_sentencepiece
from pipeline.preprocessing.scanning import scan
from pipeline.preprocessing.split_writer import write_row_arrays
from pipeline.preprocessing.splitting import select
from pipeline.preprocessing.word_vectors import add_vectors
from pipeline.report.formatting import counts
from pipeline.runtime.atomic import replace
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATA, DATASET, REPORTS
from pipeline.runtime.records import write_json
from pipeline.runtime.worker_pool import available_cores, worker_pool
from pipeline.stage import run_stage
from pipeline.text.dataset import DatasetRecord

SMALL_CORPUS = 5_000
"""Number of reviews up to which starting worker processes takes longer than the work."""

log = logging.getLogger(__name__)


def main(config: Config, inputs: Inputs) -> None:
    """Read `data/`; write `artifacts/dataset/` and `reports/data.json`."""
    corpus = read_corpus_record(DATA)
    require_downloaded_for(config, corpus)
    with (
        worker_pool(1 if count_rows(DATA) <= SMALL_CORPUS else available_cores()) as ordered_map,
        replace(DATASET) as folder,
    ):
        keys = scan(DATA, ordered_map)
        chosen = choose_reviews(keys, corpus, config.corpus.duplicates, config.split, has_groups(DATA))
        reviews = select(row_groups(DATA), keys.split, chosen.keep)
        model = None
        if config.text.tokenizer == "sentencepiece":
            model = learn_sentencepiece(select(row_groups(DATA), keys.split, chosen.keep), config.text)
        del keys
        vocabulary, splits, digest = encode_corpus(folder, config.text, reviews, ordered_map, corpus.classes, model)
        digest = write_row_arrays(folder, chosen.arrays, digest)
        unknown_share = splits["validation"]["unknown_word_share"]
        check_coverage(unknown_share, config.text, len(vocabulary), folder / "validation", is_trial(corpus.splits))
        report = {"corpus": corpus.name, "vocabulary": len(vocabulary), "splits": splits, **chosen.report}
        if config.text.vectors is not None:
            report["vectors"], digest = add_vectors(folder, config.text.vectors, vocabulary, digest)
        checks = {name: check.model_dump(exclude_none=True) for name, check in config.corpus.checks.items()}
        description = {
            "digest": digest,
            "corpus": corpus.model_dump() | {"config": {**config.corpus.model_dump(mode="json"), "checks": checks}},
            "split": config.split.model_dump(),
            "text": config.text.model_dump(),
            "vocabulary": len(vocabulary),
            "splits": {name: summary["reviews"] for name, summary in splits.items()},
            "dropped": chosen.dropped,
        }
        write_json(folder / "dataset.json", description)
        record = DatasetRecord.model_validate(description)
        log.info("%s: %s; left out: %s", corpus.name, counts(record.splits), counts(record.left_out) or "nothing")
        report["measures"] = {"smallest_class": smallest_class(splits), **chosen.measures}
        report["checks"] = check_metrics(report, config.corpus.checks, "corpus.checks.{}.metric")["checks"]
        require_passed(report["checks"], config.corpus.checks, is_trial(corpus.splits))
        inputs.require_unchanged()
    write_json(REPORTS / "data.json", {**report, "left_out": record.left_out})


if __name__ == "__main__":
    run_stage(main, __doc__, "data/corpus.json")
