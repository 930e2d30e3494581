"""The folder a pre-training leaves, and starting a classifier from it.

pretrained.json      the configuration it was made with, the digest of the dataset, and how well it predicts words
weights.safetensors  the weights, by their names in a `SentimentRNN`; none where nothing was pre-trained
learning_curve.csv   a row for each part of an epoch
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from pipeline.config import Pretraining, require_same
from pipeline.networks.build import Network, deep_part
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.weights import read_weights
from pipeline.runtime.atomic import replace, write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.training.callbacks import learning_curve_csv

REMEDY = "pre-train with `dvc repro pretrain`"


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
        folder: to be written.
        config: what it was made with.
        digest: of the dataset.
        trained: weights and learning curve, as `pretrain` returns them; None where nothing was pre-trained.
    """
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        description: dict[str, Any] = {"config": config.model_dump(), "dataset": digest}
        if trained is not None:
            weights, curve = trained
            save_file(
                {name: tensor.contiguous() for name, tensor in weights.items()}, temporary / "weights.safetensors"
            )
            write_text(temporary / "learning_curve.csv", learning_curve_csv(curve))
            description["best"] = min(curve, key=lambda row: row["val_loss"])
        write_json(temporary / "pretrained.json", description)


def load_pretrained(folder: Path, config: Pretraining, digest: str) -> dict[str, Tensor] | None:
    """Read the weights; None where the configuration asks for no pre-training.

    Args:
        folder: as written by `save_pretrained`.
        config: what is asked for.
        digest: of the dataset to be trained on.

    Raises:
        PipelineError: the folder is missing or damaged, or was made otherwise than is asked for.
    """
    if config.method == "none":
        return None
    made = read_json(folder / "pretrained.json", PretrainedInfo, REMEDY)
    require_same(
        {"pretraining": config.model_dump()},
        {"pretraining": made.config},
        folder,
        "pre-train anew: `dvc repro pretrain`, or `dvc exp run` with the same overrides",
    )
    if made.dataset != digest:
        raise PipelineError(f"{folder} was made from another dataset; {REMEDY}")
    return read_weights(folder / "weights.safetensors", REMEDY)


def start_from(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Give a network pre-trained weights; what they do not cover, its last layer, stays as it is.

    Raises:
        PipelineError: the weights are those of another network.
    """
    deep = deep_part(network)
    if not isinstance(deep, SentimentRNN):
        raise PipelineError("pretraining: a language model has no use for model=bag_of_words; set pretraining=none")
    try:
        missing, unexpected = deep.load_state_dict(weights, strict=False)
        fitting = not unexpected and all(name.startswith("fc.") for name in missing)
    except RuntimeError:  # a tensor has another shape
        fitting = False
    if not fitting:
        raise PipelineError("pretraining: the pre-trained weights do not fit the model's size; " + REMEDY)
