"""Training: the article's network with our code, and with the article's plain loop."""

from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import reference
from benchmarks.corpus import configuration
from benchmarks.fitting import reviews_per_second
from benchmarks.measuring import Figure, alternate, in_plain_process, seconds
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.hardware import resolve_hardware

OURS = ("experiment=article", "model.fixed_length=null", "training.batch_size=128")
"""The article's network and loop, but with batches of reviews of similar length, padded to the longest and masked."""
WARM_UP = 2


def compare(dataset: Path, *, rounds: int = 3, steps: int = 30, reference_steps: int = 10) -> list[Figure]:
    """Compare the reviews per second of both sides.

    Args:
        dataset: dataset folder, encoded as in the article.
        rounds: measurements of each side.
        steps: steps of our training, a multiple of ten; the first ten warm up.
        reference_steps: timed steps of the reference, after `WARM_UP` steps.
    """
    config = configuration(*OURS)
    hardware = resolve_hardware(config.trainer)
    medians = alternate(
        "training",
        {
            "reference": partial(in_plain_process, reference_reviews_per_second, dataset, config.seed, reference_steps),
            "ours": partial(reviews_per_second, config, dataset, None, steps),
        },
        rounds,
    )
    details = {
        "reference_reviews_per_second": medians["reference"],
        "reviews_per_second": medians["ours"],
        "precision": hardware.precision,
        "batch_size": config.training.batch_size,
    }
    value = medians["ours"] / medians["reference"]
    return [Figure("Training the article's network", value, "at least", 6.0, "times the reference", details)]


def reference_reviews_per_second(dataset: Path, seed: int, steps: int) -> float:
    """Return the reviews that the article's loop trains on per second after the warm-up."""
    torch.manual_seed(seed)
    reviews = read_split(dataset, "train")
    features = TensorDataset(reference.pad_left(list(reviews)), torch.from_numpy(np.array(reviews.labels)))
    loader = DataLoader(features, batch_size=reference.BATCH_SIZE, shuffle=True, drop_last=True)
    network = reference.ReferenceNetwork(len(Vocabulary.load(dataset / "vocab.json")))
    ends: list[float] = []
    reference.train(network, islice(loader, WARM_UP + steps), lambda: ends.append(seconds()))
    return reference.BATCH_SIZE * (len(ends) - WARM_UP) / (ends[-1] - ends[WARM_UP - 1])
