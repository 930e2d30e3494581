"""Lightning module of the classifier: its losses and its validation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from pipeline.config.training import TrainingConfig
from pipeline.inference.calibration import fit_weights
from pipeline.networks.build import Network, deep_part, path_logits
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.training.adversarial import Perturbations, kl_divergence, running_word_scale
from pipeline.training.base_module import BaseModule
from pipeline.training.distributed import gather


class ReviewBatch(NamedTuple):
    """Reviews of a batch, without labels."""

    ids: Tensor
    """Token ids [batch, time]."""
    lengths: Tensor | None
    """Tokens of each review [batch]; None where padding is part of the input."""
    weight: float = 1.0
    """See `LabelledBatch.weight`."""

    @property
    def size(self) -> int:
        """Number of reviews in the batch that count."""
        return len(self.ids) if self.weight else 0


class LabelledBatch(NamedTuple):
    """Reviews and labels that one step trains or validates on."""

    reviews: ReviewBatch
    labels: Tensor
    """Numbers of their classes [batch]."""
    unlabelled: ReviewBatch | None = None
    loss_weights: Tensor | None = None
    """Weight of the loss of each review [batch]; None where all are 1."""

    @property
    def size(self) -> int:
        """Number of labelled reviews in the batch that count."""
        return self.reviews.size

    @property
    def weight(self) -> float:
        """Factor of this process's means in the mean over the whole batch; 0 for rows that do not count."""
        return self.reviews.weight


class ClassifierModule(BaseModule):
    """Cross-entropy of the classes, with adversarial and virtual adversarial losses where configured.

    Logs `train/accuracy` by step, and `val/loss`, `val/calibrated_loss` and `val/accuracy` by epoch. The latter two are
    computed with fitted weights and bias (`fit_weights`), as the model will be used, but for its temperature. The best
    epoch is the one with the lowest calibrated loss, because more training makes a network overconfident before it is
    worse.

    Args:
        network: as in `BaseModule`, `config` and `seed` too.
        config: the training on labels.
        seed: seed of everything random.
        spreads: as in `fit_weights`.
    """

    network: Network
    config: TrainingConfig

    def __init__(self, network: Network, config: TrainingConfig, seed: int, spreads: Sequence[float] = ()) -> None:
        super().__init__(network, config, seed)
        self._spreads = spreads
        self.likelihood = deep_part(network).likelihood
        self._validation: list[tuple[Tensor, Tensor]] = []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights of the network; those of a wide path form a group with a peak learning rate of its own."""
        if not isinstance(self.network, WideAndDeep):
            return super().parameter_groups()
        wide = {"params": list(self.network.wide.parameters()), "lr": self.config.wide_lr}
        return [{"params": list(self.network.deep.parameters())}, wide]

    def losses(self, batch: LabelledBatch) -> tuple[Tensor, Tensor]:
        """Return the loss, a sum over paths and adversarial terms, and the cross-entropy of the sum of the paths."""
        network, reviews, labels, weights = self.network, batch.reviews, batch.labels, batch.loss_weights
        deep = deep_part(network)
        if isinstance(deep, SentimentRNN) and (self.config.adversarial_weight or self.config.virtual_weight):
            logits, loss = self._adversarial_losses(deep, batch)
        else:
            logits = deep.logits(reviews.ids, None, reviews.lengths)[0].float()
            loss = self.likelihood.loss(logits, labels, weights)
        if isinstance(network, WideAndDeep):
            assert reviews.lengths is not None
            wide = network.wide(reviews.ids, reviews.lengths)
            logits, loss = logits + wide, loss + self.likelihood.loss(wide, labels, weights)
        self.log_mean("train/accuracy", self._accuracy(logits, labels), batch)
        return loss, self.likelihood.loss(logits, labels, weights)

    def _adversarial_losses(self, deep: SentimentRNN, batch: LabelledBatch) -> tuple[Tensor, Tensor]:
        """Return the outputs for the labelled reviews, and their loss including that of perturbed reviews."""
        labels, weights, config = batch.labels, batch.loss_weights, self.config
        vectors, outputs, perturbations = self._perturbations(deep, batch.reviews)
        loss = self.likelihood.loss(outputs, labels, weights)
        if config.adversarial_weight:
            adversarial = perturbations.adversarial(labels)
            perturbed = _outputs(deep, vectors + config.perturbation_norm * adversarial, batch.reviews)
            loss = loss + config.adversarial_weight * self.likelihood.loss(perturbed, labels, weights)
        if config.virtual_weight:
            virtual = self._virtual_loss(deep, batch.reviews, vectors, outputs, perturbations)
            if batch.unlabelled is not None:
                unlabelled = self._perturbations(deep, batch.unlabelled)
                virtual = (virtual + self._virtual_loss(deep, batch.unlabelled, *unlabelled)) / 2
            loss = loss + config.virtual_weight * virtual
        return outputs, loss

    def _perturbations(self, deep: SentimentRNN, reviews: ReviewBatch) -> tuple[Tensor, Tensor, Perturbations]:
        """Return word vectors, outputs, and the directions in which the outputs change most."""
        vectors = deep.embed(reviews.ids)
        outputs = _outputs(deep, vectors, reviews)
        scale = running_word_scale(deep.embedding.weight, reviews.ids)
        scale = pad(scale, (0, vectors.shape[2] - len(scale)))  # region vectors are not trained, and not perturbed
        return vectors, outputs, Perturbations(self.likelihood, outputs, vectors, scale)

    def _virtual_loss(
        self, deep: SentimentRNN, reviews: ReviewBatch, vectors: Tensor, outputs: Tensor, perturbations: Perturbations
    ) -> Tensor:
        perturbed = _outputs(deep, vectors + self.config.perturbation_norm * perturbations.virtual(), reviews)
        return kl_divergence(self.likelihood, outputs, perturbed)

    def validation_step(self, batch: LabelledBatch, _index: int) -> None:
        """Keep the outputs of each path for a batch until the end of the epoch."""
        reviews = batch.reviews
        logits = path_logits(self.network, reviews.ids, reviews.lengths)
        self._validation.append((logits[: batch.size], batch.labels[: batch.size]))

    def on_validation_epoch_end(self) -> None:
        """Log the losses and the accuracy over all validation reviews."""
        own = [torch.cat(parts).cpu() for parts in zip(*self._validation, strict=True)]
        self._validation.clear()
        paths, labels = (torch.cat(parts).to(self.device) for parts in zip(*gather(own), strict=True))
        weights, bias = fit_weights(paths.cpu().numpy(), labels.cpu().numpy(), self.likelihood, self._spreads)
        calibrated = paths @ torch.from_numpy(weights).to(paths) + torch.from_numpy(bias).to(paths)
        losses = {
            "val/loss": self.likelihood.loss(paths.sum(2), labels),
            "val/calibrated_loss": self.likelihood.loss(calibrated, labels),
        }
        self.log_dict({**losses, "val/accuracy": self._accuracy(calibrated, labels)}, prog_bar=True)

    def _accuracy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the share of reviews whose most probable class is their label."""
        if self.likelihood.classes == 2:
            return ((outputs[:, 0] >= 0) == labels).float().mean()
        return (self.likelihood.log_probabilities(outputs).argmax(1) == labels).float().mean()


def _outputs(deep: SentimentRNN, vectors: Tensor, reviews: ReviewBatch) -> Tensor:
    outputs, _ = deep.read(vectors, None, reviews.lengths)
    return outputs.float()  # [batch, outputs]
