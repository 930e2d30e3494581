"""Lightning module of the classifier: its losses, its validation, and its answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.functional import pad

from pipeline.config.labels import LABELS
from pipeline.config.model import Model
from pipeline.config.pretraining import NO_PRETRAINING, PretrainingConfig
from pipeline.config.training import TrainingConfig
from pipeline.inference.calibration_fitting import fit_weights
from pipeline.inference.model_info import ModelInfo
from pipeline.networks.build import Network, build_network, deep_path, path_logits
from pipeline.networks.likelihood import build_likelihood
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import first_problem
from pipeline.training.adversarial import Perturbations, kl_divergence, running_word_scale
from pipeline.training.base_module import BaseModule, TrainingLoss
from pipeline.training.batches import LabelledBatch, ReviewBatch
from pipeline.training.distributed import gather

_MODEL: TypeAdapter[Model] = TypeAdapter(Annotated[Model, Field(discriminator="network")])


class SentimentModule(BaseModule):
    """Cross-entropy of the classes, with adversarial and virtual adversarial losses where configured.

    Logs `train/accuracy` by step, and `val/loss`, `val/calibrated_loss` and `val/accuracy` by epoch. The latter two are
    computed with fitted weights and bias (`fit_weights`), as the model will be used, but for its temperature. The best
    epoch is the one with the lowest calibrated loss, because more training makes a network overconfident before it is
    worse.

    It also works by itself, with any Lightning `Trainer`: it tests, predicts, and its checkpoints hold its arguments as
    plain values, so that `load_from_checkpoint` needs nothing else and unpickles nothing.

    Args:
        model: the network, as `config.model` or as a mapping of its keys.
        vocab_size: number of token ids.
        training: the training on labels, as `config.training` or as a mapping of its keys.
        seed: seed of everything random but the initial weights.
        classes: names of the classes, by index.
        ordered: the order of the classes means something.
        pretraining: where it learns region vectors, the network has them, still empty.
        spreads: as in `fit_weights`.
        network: the network itself, which is trained; None builds one, with random initial weights.

    Raises:
        PipelineError: as `build_network`.
    """

    network: Network
    config: TrainingConfig

    def __init__(
        self,
        model: Model | Mapping[str, Any],
        vocab_size: int,
        training: TrainingConfig | Mapping[str, Any],
        seed: int = 1,
        *,
        classes: Sequence[str] = LABELS,
        ordered: bool = False,
        pretraining: PretrainingConfig | Mapping[str, Any] = NO_PRETRAINING,
        spreads: Sequence[float] = (),
        network: Network | None = None,
    ) -> None:
        model, training = _MODEL.validate_python(model), TrainingConfig.model_validate(training)
        pretraining = PretrainingConfig.model_validate(pretraining)
        likelihood = build_likelihood(len(classes), ordered)
        if network is None:
            network = build_network(model, vocab_size, likelihood, pretraining)
        super().__init__(network, training, seed)
        self.likelihood, self._spreads = likelihood, spreads
        self._validation: list[tuple[Tensor, Tensor]] = []
        self.save_hyperparameters(
            {
                "model": model.model_dump(mode="json"),
                "vocab_size": vocab_size,
                "training": training.model_dump(mode="json"),
                "seed": seed,
                "classes": list(classes),
                "ordered": ordered,
                "pretraining": pretraining.model_dump(mode="json"),
                "spreads": list(spreads),
            }
        )

    @classmethod
    def from_model(cls, network: Network, info: ModelInfo, seed: int = 1, **training: Any) -> "SentimentModule":
        """Return a module that trains a network further, to be used with the first and the last of `load_model`.

        Args:
            network: the network, which is trained itself, not a copy.
            info: `config.json` of its model folder.
            seed: seed of everything random.
            training: keys of the training to change, such as `lr=1e-4`; the others are as the model was trained.

        Raises:
            PipelineError: a key of the training is unknown, missing or has a wrong value.
        """
        try:
            config = TrainingConfig.model_validate(info.training.model_dump(exclude_unset=True) | training)
        except ValidationError as error:
            raise PipelineError(f"training: {first_problem(error)}") from None
        return cls(
            info.model,
            deep_path(network).embedding.num_embeddings,
            config,
            seed,
            classes=info.classes,
            ordered=info.ordered,
            pretraining=info.pretraining,
            network=network.train(),
        )

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the probability [batch] of the second of two classes, or of each of several [batch, classes].

        It is that of the network; the calibration of a model folder is not applied.

        Args:
            ids: token ids [batch, time].
            lengths: tokens of each review [batch]; None where padding is part of the input.
        """
        probabilities: Tensor = self.network(ids, None, lengths)[0]
        return probabilities

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights of the network; those of a wide path form a group with a peak learning rate of its own."""
        if not isinstance(self.network, WideAndDeep):
            return super().parameter_groups()
        wide = {"params": list(self.network.wide.parameters()), "lr": self.config.wide_lr}
        return [{"params": list(self.network.deep.parameters())}, wide]

    def training_loss(self, batch: LabelledBatch) -> TrainingLoss:
        """Minimise a sum over paths and adversarial terms; show the cross-entropy of the sum of the paths."""
        network, reviews, labels, weights = self.network, batch.reviews, batch.labels, batch.loss_weights
        deep = deep_path(network)
        if isinstance(deep, SentimentRNN) and (self.config.adversarial_weight or self.config.virtual_weight):
            logits, loss = self._loss_with_perturbations(deep, batch)
        else:
            logits = deep.logits(reviews.ids, None, reviews.lengths)[0].float()
            loss = self.likelihood.loss(logits, labels, weights)
        if isinstance(network, WideAndDeep):
            assert reviews.lengths is not None
            wide = network.wide(reviews.ids, reviews.lengths)
            logits, loss = logits + wide, loss + self.likelihood.loss(wide, labels, weights)
        self.log_mean("train/accuracy", self._accuracy(logits, labels), batch)
        return TrainingLoss(loss, self.likelihood.loss(logits, labels, weights))

    def _loss_with_perturbations(self, deep: SentimentRNN, batch: LabelledBatch) -> tuple[Tensor, Tensor]:
        """Return the outputs for the labelled reviews, and their loss including that of perturbed reviews."""
        labels, weights, config = batch.labels, batch.loss_weights, self.config
        reviews = batch.reviews.excerpt(deep.max_length)
        vectors, outputs, perturbations = self._perturbations(deep, reviews)
        loss = self.likelihood.loss(outputs, labels, weights)
        if config.adversarial_weight:
            adversarial = perturbations.adversarial(labels)
            perturbed = _outputs(deep, vectors + config.perturbation_norm * adversarial, reviews)
            loss = loss + config.adversarial_weight * self.likelihood.loss(perturbed, labels, weights)
        if config.virtual_weight:
            virtual = self._virtual_loss(deep, reviews, vectors, outputs, perturbations)
            if batch.unlabelled is not None:
                unlabelled = batch.unlabelled.excerpt(deep.max_length)
                of_unlabelled = self._virtual_loss(deep, unlabelled, *self._perturbations(deep, unlabelled))
                virtual = (virtual + of_unlabelled) / 2
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
        metrics = {
            "val/accuracy": self._accuracy(calibrated, labels),  # the first is the one that MLflow compares runs by
            "val/calibrated_loss": self.likelihood.loss(calibrated, labels),
            "val/loss": self.likelihood.loss(paths.sum(2), labels),
        }
        self.log_dict(metrics, prog_bar=True)

    def test_step(self, batch: LabelledBatch, _index: int) -> None:
        """Log `test/loss` and `test/accuracy`, means over all reviews, without calibration."""
        reviews, labels = batch.reviews, batch.labels
        logits = self.network.logits(reviews.ids, None, reviews.lengths)[0].float()
        losses = {"test/loss": self.likelihood.loss(logits, labels), "test/accuracy": self._accuracy(logits, labels)}
        self.log_dict(losses, batch_size=batch.size, sync_dist=True)

    def predict_step(self, batch: LabelledBatch | ReviewBatch, _index: int) -> Tensor:
        """Return what `forward` returns for the reviews of a batch."""
        reviews = batch.reviews if isinstance(batch, LabelledBatch) else batch
        return self.forward(reviews.ids, reviews.lengths)

    def _accuracy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the share of reviews whose most probable class is their label."""
        if self.likelihood.classes == 2:
            return ((outputs[:, 0] >= 0) == labels).float().mean()
        return (self.likelihood.log_probabilities(outputs).argmax(1) == labels).float().mean()


def _outputs(deep: SentimentRNN, vectors: Tensor, reviews: ReviewBatch) -> Tensor:
    outputs, _ = deep.read(vectors, None, reviews.lengths)
    return outputs.float()  # [batch, outputs]
