"""A tiny configuration and a dataset to train on."""

from pathlib import Path

import pytest

from pipeline.config.schema import Config
from tests.support.training import TINY, write_dataset


@pytest.fixture(scope="package")
def config(compose) -> Config:
    """The configuration of a tiny training."""
    return compose(*TINY)


@pytest.fixture(scope="package")
def dataset(tmp_path_factory, config) -> Path:
    """A dataset folder with 220 training, 68 validation and 50 unlabelled reviews."""
    return write_dataset(tmp_path_factory.mktemp("dataset"), config, train_rows=220, unlabelled_rows=50)
