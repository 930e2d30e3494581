"""Training: the article's network with our code, and with the article's plain loop."""

from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import reference
from benchmarks.corpus import configuration
from benchmarks.fitting import reviews_per_second
from benchmarks.measuring import Figure, alternate, in_plain_process, seconds
from pipeline.config.schema import Config
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.data_module import ReviewDataModule
from pipeline.training.hardware import resolve_hardware

OURS = ("experiment=article", "model.fixed_length=null", "training.batch_size=128", "training.epochs=1")
"""The article's network and loop, but with batches of reviews of similar length, padded to the longest and masked."""
WARM_UP = 2


def compare(dataset: Path, *, rounds: int = 3, reviews: int = 2560, steps: int = 10) -> list[Figure]:
    """Compare the reviews per second of both sides.

    Args:
        dataset: dataset folder, encoded as in the article.
        rounds: measurements of each side.
        reviews: taken from the train split, the same for both sides; a multiple of ten batches.
        steps: timed steps of the reference, after `WARM_UP` steps.
    """
    config = configuration(*OURS, f"training.max_reviews={reviews}")
    hardware = resolve_hardware(config.trainer)
    medians = alternate(
        "training",
        {
            "reference": partial(in_plain_process, reference_reviews_per_second, config, dataset, steps),
            "ours": partial(reviews_per_second, config, dataset),
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
    return [Figure("Training the article's network", value, "at least", 3.0, "times the reference", details)]


def reference_reviews_per_second(config: Config, dataset: Path, steps: int) -> float:
    """Return the reviews that the article's loop trains on per second after the warm-up."""
    data = ReviewDataModule(
        dataset,
        batch_size=reference.BATCH_SIZE,
        fixed_length=reference.LENGTH,
        max_reviews=config.training.max_reviews,
        seed=config.seed,
    )
    batches = list(data.train_dataloader())
    ids, labels = (torch.cat(parts) for parts in zip(*((b.reviews.ids, b.labels) for b in batches), strict=True))
    features = TensorDataset(ids, labels)
    loader = DataLoader(features, batch_size=reference.BATCH_SIZE, shuffle=True, drop_last=True)
    torch.manual_seed(config.seed)
    network = reference.ReferenceNetwork(len(Vocabulary.load(dataset / "vocab.json")))
    ends: list[float] = []
    reference.train(network, islice(loader, WARM_UP + steps), lambda: ends.append(seconds()))
    return reference.BATCH_SIZE * (len(ends) - WARM_UP) / (ends[-1] - ends[WARM_UP - 1])
