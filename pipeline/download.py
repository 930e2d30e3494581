"""Download or read the corpus that the configuration names, and write it in the canonical form that later stages read.

The corpus is an installed package, an archive at a URL or path, or files of your own: section `corpus` of params.yaml.
Verifies the checksum. Writes downloads/: a Parquet file for each split that the corpus brings, and corpus.json.
"""

from pipeline.config.schema import Config
from pipeline.corpus.source import write_corpus
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DOWNLOADS
from pipeline.stage import run_stage


def main(config: Config, inputs: Inputs) -> None:
    """Write `downloads/`."""
    write_corpus(config.corpus, DOWNLOADS, inputs.require_unchanged)


if __name__ == "__main__":
    run_stage(main, __doc__)
