"""Fetch the corpus the configuration names and write it in the one form that later stages read.

Reads the `corpus` section of params.yaml and what it names: an installed package, an archive by URL or path, or files
of your own. Checks the checksum. Writes downloads/: a Parquet file for each split the corpus brings, and corpus.json.
"""

from pipeline.config import Config
from pipeline.corpus.source import write_corpus
from pipeline.runtime.paths import WORKSPACE
from pipeline.stage import Inputs, run_stage


def main(config: Config, inputs: Inputs) -> None:
    """Write `downloads/`."""
    write_corpus(config.corpus, WORKSPACE / "downloads", inputs.require_unchanged)


if __name__ == "__main__":
    run_stage(main, __doc__)
