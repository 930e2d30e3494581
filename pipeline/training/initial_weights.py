"""Initial weights of a classifier: the folder that pre-training writes, and the word vectors of a dataset.

The folder of pre-trained weights:

pretrained.json      configuration of the pre-training, digest of the dataset, row of the best epoch
weights.safetensors  weights by their names in a `SentimentRNN`; missing where nothing was pre-trained
learning_curve.csv   a row for each part of an epoch
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.config.comparison import require_same
from pipeline.config.model import Model, require_embedding_dim
from pipeline.config.pretraining import Pretraining, TwoViewConfig
from pipeline.networks.build import Network, deep_part
from pipeline.networks.weights import read_weights, write_weights
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.text.dataset import read_vectors
from pipeline.training.callbacks import learning_curve_csv

PRETRAIN_AGAIN = "pre-train with `dvc repro pretrain`"


class PretrainedInfo(Record):
    """`pretrained.json`."""

    config: dict[str, Any]
    dataset: str


def save_pretrained(
    folder: Path,
    config: Pretraining,
    digest: str,
    trained: tuple[Mapping[str, Tensor], list[dict[str, float]]] | None,
) -> None:
    """Write the folder, whole or not at all; the same weights give the same bytes.

    Args:
        folder: the folder to write.
        config: configuration of the pre-training.
        digest: digest of the dataset.
        trained: weights and learning curve, as `pretrain` returns them; None where nothing was pre-trained.
    """
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        description: dict[str, Any] = {"config": config.model_dump(), "dataset": digest}
        if trained is not None:
            weights, curve = trained
            write_weights(temporary / "weights.safetensors", weights)
            write_text(temporary / "learning_curve.csv", learning_curve_csv(curve))
            description["best"] = min(curve, key=lambda row: row["val_loss"])
        write_json(temporary / "pretrained.json", description)


def load_pretrained(folder: Path, config: Pretraining, digest: str) -> dict[str, Tensor] | None:
    """Read the pre-trained weights; None where the configuration uses no pre-training.

    Args:
        folder: as written by `save_pretrained`.
        config: the present configuration.
        digest: digest of the present dataset.

    Raises:
        PipelineError: the folder is missing or damaged, or was made with another configuration or dataset.
    """
    if config.method == "none":
        return None
    info = read_json(folder / "pretrained.json", PretrainedInfo, PRETRAIN_AGAIN)
    require_same(
        {"pretraining": config.model_dump()},
        {"pretraining": info.config},
        folder,
        "pre-train again: `dvc repro pretrain`, or `dvc exp run` with the same overrides",
    )
    if info.dataset != digest:
        raise PipelineError(f"{folder} was made from another dataset; {PRETRAIN_AGAIN}")
    return read_weights(folder / "weights.safetensors", PRETRAIN_AGAIN)


def start_from_pretrained(network: Network, weights: Mapping[str, Tensor], pretraining: Pretraining) -> None:
    """Copy pre-trained weights into a network: word vectors and recurrent layers, or region vectors.

    What they leave out keeps its initial weights.

    Args:
        network: as `build_network` makes it for this pre-training.
        weights: as `load_pretrained` returns them.
        pretraining: the pre-training that they are from.

    Raises:
        PipelineError: the weights are those of a network of another size.
    """
    left_out: tuple[str, ...] = ("fc.", "thresholds.")
    if isinstance(pretraining, TwoViewConfig):
        left_out += ("embedding.", "lstm")
    try:
        missing, unexpected = deep_part(network).load_state_dict(weights, strict=False)
        matches = not unexpected and all(name.startswith(left_out) for name in missing)
    except RuntimeError:  # a tensor has another shape
        matches = False
    if not matches:
        raise PipelineError("pretraining: the pre-trained weights do not fit the model's size; " + PRETRAIN_AGAIN)


def require_fitting_vectors(model: Model, dataset: Path) -> None:
    """Refuse a network whose embedding cannot start from the word vectors of a dataset folder, if it has any.

    Raises:
        PipelineError: `model.embedding_dim` is not their dimension.
    """
    if (word_vectors := read_vectors(dataset)) is not None:
        vectors, _covered = word_vectors
        require_embedding_dim(model, vectors.shape[1])


def start_from_vectors(embedding: nn.Embedding, dataset: Path) -> None:
    """Copy the word vectors of a dataset folder, if it has any, into an embedding.

    A word without a vector keeps its initial weights, and so do padding and the unknown word. The vectors are scaled
    together to the root mean square of the initial weights: learning rate and dropout were chosen for that scale, and
    neither kind of word outweighs the other. Their directions and relative lengths stay the same.

    Args:
        embedding: with its initial weights [words, dimension].
        dataset: as written by `preprocess`, with vectors of that dimension.
    """
    if (word_vectors := read_vectors(dataset)) is None:
        return
    vectors, covered = word_vectors
    known = torch.from_numpy(np.asarray(vectors[covered]))  # [covered, dimension]
    with torch.no_grad():
        scale = embedding.weight.square().mean().sqrt() / known.square().mean().sqrt()
        embedding.weight[torch.from_numpy(covered)] = known * scale
