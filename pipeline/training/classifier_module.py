"""The network as Lightning trains it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.config import TrainingConfig
from pipeline.inference.calibration import fit_weights
from pipeline.networks.build import Network, deep_part, path_logits
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.training.adversarial import divergence, running_word_scale, steepest
from pipeline.training.base_module import Learner
from pipeline.training.distributed import gathered


class Reviews(NamedTuple):
    """Reviews without labels."""

    ids: Tensor
    """[batch, time]"""
    lengths: Tensor | None
    """[batch]; None where padding is input."""
    weight: float = 1.0
    """As `Batch.weight`."""

    @property
    def size(self) -> int:
        """Reviews in the batch that count."""
        return len(self.ids) if self.weight else 0


class Batch(NamedTuple):
    """What a step is trained or validated on."""

    reviews: Reviews
    labels: Tensor
    """[batch], 0.0 or 1.0"""
    unlabelled: Reviews | None = None

    @property
    def size(self) -> int:
        """Labelled reviews in the batch that count."""
        return self.reviews.size

    @property
    def weight(self) -> float:
        """What the means over this process's share of a batch count in the mean over all processes; 0 for a filler."""
        return self.reviews.weight


class SentimentModule(Learner):
    """Binary cross-entropy on log-odds; adversarial and virtual adversarial training where configured.

    Logs `train/accuracy` by step, and by epoch `val/loss`, `val/calibrated_loss` and `val/accuracy`, the latter two
    with the best weights and bias (`fit_weights`), as the model will be used. By the calibrated loss an epoch is
    judged, for more training makes a network surer of itself before it makes it worse.
    """

    network: Network
    config: TrainingConfig

    def __init__(self, network: Network, config: TrainingConfig, seed: int) -> None:
        super().__init__(network, config, seed)
        self._validation: list[tuple[Tensor, Tensor]] = []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network's, and with a peak learning rate of their own those of its wide path."""
        if not isinstance(self.network, WideAndDeep):
            return super().parameter_groups()
        wide = {"params": list(self.network.wide.parameters()), "lr": self.config.wide_lr}
        return [{"params": list(self.network.deep.parameters())}, wide]

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The cross-entropy of each path of the network and what the configuration adds; that of the paths' sum."""
        network, reviews, labels = self.network, batch.reviews, batch.labels
        deep = deep_part(network)
        if isinstance(deep, SentimentRNN) and (self.config.adversarial_weight or self.config.virtual_weight):
            logits, loss = self._smoothed(deep, batch)
        else:
            logits = deep.logits(reviews.ids, None, reviews.lengths)[0].float()
            loss = binary_cross_entropy_with_logits(logits, labels)
        if isinstance(network, WideAndDeep):
            assert reviews.lengths is not None
            wide = network.wide(reviews.ids, reviews.lengths)
            logits, loss = logits + wide, loss + binary_cross_entropy_with_logits(wide, labels)
        self.log_mean("train/accuracy", _accuracy(logits, labels), batch)
        return loss, binary_cross_entropy_with_logits(logits, labels)

    def _smoothed(self, deep: SentimentRNN, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-odds [batch] of the labelled reviews, and their loss with that of perturbed reviews (`adversarial`)."""
        labels, config = batch.labels, self.config
        vectors, logits, direction = self._steepest(deep, batch.reviews)
        loss = binary_cross_entropy_with_logits(logits, labels)
        if config.adversarial_weight:
            worse = (1 - 2 * labels)[:, None, None] * direction
            perturbed = _read(deep, vectors + config.perturbation_norm * worse, batch.reviews)
            loss = loss + config.adversarial_weight * binary_cross_entropy_with_logits(perturbed, labels)
        if config.virtual_weight:
            moved = self._divergence(deep, batch.reviews, vectors, logits, direction)
            if batch.unlabelled is not None:
                moved = (moved + self._divergence(deep, batch.unlabelled, *self._steepest(deep, batch.unlabelled))) / 2
            loss = loss + config.virtual_weight * moved
        return logits, loss

    def _steepest(self, deep: SentimentRNN, reviews: Reviews) -> tuple[Tensor, Tensor, Tensor]:
        """Word vectors, log-odds, and the direction in which these rise most."""
        vectors = deep.embed(reviews.ids)
        logits = _read(deep, vectors, reviews)
        scale = running_word_scale(deep.embedding.weight, reviews.ids)
        return vectors, logits, steepest(logits, vectors, scale)

    def _divergence(
        self, deep: SentimentRNN, reviews: Reviews, vectors: Tensor, logits: Tensor, direction: Tensor
    ) -> Tensor:
        sign = torch.randint(0, 2, (len(vectors), 1, 1), device=vectors.device) * 2 - 1  # as a random start would
        perturbed = _read(deep, vectors + self.config.perturbation_norm * sign * direction, reviews)
        return divergence(logits, perturbed)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Keep the log-odds of a batch, those of each path, until the epoch's end."""
        reviews = batch.reviews
        logits = path_logits(self.network, reviews.ids, reviews.lengths)
        self._validation.append((logits[: batch.size], batch.labels[: batch.size]))

    def on_validation_epoch_end(self) -> None:
        """Log what all validation reviews together say."""
        own = [torch.cat(parts).cpu() for parts in zip(*self._validation, strict=True)]
        self._validation.clear()
        paths, labels = (torch.cat(parts).to(self.device) for parts in zip(*gathered(own), strict=True))
        weights, bias = fit_weights(paths.cpu().numpy(), labels.cpu().numpy())
        calibrated = paths @ torch.from_numpy(weights).to(paths) + bias
        losses = {
            "val/loss": binary_cross_entropy_with_logits(paths.sum(1), labels),
            "val/calibrated_loss": binary_cross_entropy_with_logits(calibrated, labels),
        }
        self.log_dict({**losses, "val/accuracy": _accuracy(calibrated, labels)}, prog_bar=True)


def _read(deep: SentimentRNN, vectors: Tensor, reviews: Reviews) -> Tensor:
    logits, _ = deep.read(vectors, None, reviews.lengths)
    return logits.float()  # [batch]


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return ((logits >= 0) == labels).float().mean()
