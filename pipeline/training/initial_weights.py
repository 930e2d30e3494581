"""Initial weights of a classifier: the folder that pre-training writes, and the word vectors of a dataset.

The folder of pre-trained weights:

pretrained.json                configuration of the pre-training, digest of the dataset, best row of each method
<method>/weights.safetensors   weights by their names in a `SentimentRNN`; a folder for each method that was used
<method>/learning_curve.csv    a row for each part of an epoch
"""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.config.comparison import require_same
from pipeline.config.model import Model, require_embedding_dim
from pipeline.config.pretraining import PretrainingConfig
from pipeline.networks.build import Network, deep_path
from pipeline.networks.weights import read_weights, write_weights
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import read_json
from pipeline.text.dataset import read_vectors
from pipeline.training.callbacks import learning_curve_csv
from pipeline.training.pretrained_record import PRETRAINED_FILE, PretrainedRecord, write_pretrained_record
from pipeline.training.pretraining import Pretrained

PRETRAIN_AGAIN = "pre-train with `dvc repro pretrain`"


def save_pretrained(
    folder: Path,
    config: PretrainingConfig,
    digest: str,
    trained: Mapping[str, Pretrained],
) -> None:
    """Write the folder, whole or not at all; the same weights give the same bytes.

    Args:
        folder: the folder to write.
        config: configuration of the pre-training.
        digest: digest of the dataset.
        trained: weights and learning curve of each method, as `pretrain` returns them.
    """
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        for method, (weights, curve) in trained.items():
            (temporary / method).mkdir()
            write_weights(temporary / method / "weights.safetensors", weights)
            write_text(temporary / method / "learning_curve.csv", learning_curve_csv(curve))
        best = {method: min(curve, key=lambda row: row["val_loss"]) for method, (_, curve) in trained.items()}
        write_pretrained_record(temporary, config, digest, best)


def load_pretrained(folder: Path, config: PretrainingConfig, digest: str) -> dict[str, Tensor] | None:
    """Read the pre-trained weights; None where the configuration uses no pre-training.

    Args:
        folder: as written by `save_pretrained`; methods that the configuration does not use are left aside.
        config: the present configuration.
        digest: digest of the present dataset.

    Raises:
        PipelineError: the folder is missing or damaged, or was made with another configuration or dataset.
    """
    if not config.methods:
        return None
    info = read_json(folder / PRETRAINED_FILE, PretrainedRecord, PRETRAIN_AGAIN)
    require_same(
        {"pretraining": {method: settings.model_dump() for method, settings in config.methods.items()}},
        {"pretraining": {method: info.config.get(method) for method in config.methods}},
        folder,
        "pre-train again: `dvc repro pretrain`, or `dvc exp run` with the same overrides",
    )
    if info.dataset != digest:
        raise PipelineError(f"{folder} was made from another dataset; {PRETRAIN_AGAIN}")
    weights = (read_weights(folder / method / "weights.safetensors", PRETRAIN_AGAIN) for method in config.methods)
    return dict(chain.from_iterable(each.items() for each in weights))


def start_from_pretrained(network: Network, weights: Mapping[str, Tensor], pretraining: PretrainingConfig) -> None:
    """Copy pre-trained weights into a network: word vectors and recurrent layers, region vectors, or both.

    What they leave out keeps its initial weights; a language model knows no region vectors, so the weights that the
    recurrent layers give these are among it.

    Args:
        network: as `build_network` makes it for this pre-training.
        weights: as `load_pretrained` returns them.
        pretraining: the pre-training that they are from.

    Raises:
        PipelineError: the weights are those of a network of another size.
    """
    left_out: tuple[str, ...] = ("fc.", "thresholds.")
    if pretraining.language_model is None:
        left_out += ("embedding.", "lstm")
    deep, weights = deep_path(network), dict(weights)
    try:
        for name, own in deep.state_dict().items():
            if name.endswith("weight_ih_l0") and name in weights and pretraining.two_view is not None:
                weights[name] = torch.cat([weights[name], own[:, weights[name].shape[1] :]], dim=1)
        missing, unexpected = deep.load_state_dict(weights, strict=False)
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
