"""The model folder: everything that a prediction needs, as safetensors and JSON; nothing is ever unpickled.

model.safetensors   weights
vocab.json          words, in the order of their token ids
sentencepiece.model model of the tokenizer, only with text.tokenizer=sentencepiece
config.json         format version, calibration, and the configuration of the training
"""

from pathlib import Path
from typing import Any, Final

from torch import nn

from pipeline.config.comparison import require_same
from pipeline.config.schema import Config
from pipeline.inference.model_info import ModelInfo
from pipeline.networks.build import Network, build_network, parameter_lower_bound
from pipeline.networks.weights import read_weights, write_weights
from pipeline.runtime.atomic import replace
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.text.vocabulary import Vocabulary

FORMAT_VERSION = 5
TRAINED_WITH: Final[dict[str, Any]] = {
    **dict.fromkeys(("seed", "text", "model", "pretraining", "pseudo_labels", "training", "trainer"), True),
    "evaluation": {"objective"},
}
"""Sections of the configuration that are stored with a model, and of `evaluation` one key: as `model_dump` includes."""
MAKE_AGAIN = "make the folder again"
"""Remedy for a damaged model folder."""
RETRAIN = (
    "another command changed files of the pipeline while it ran; make them again with "
    "`dvc repro --single-item --force train`, then `dvc repro`"
)


class FormatRecord(Record):
    """The part of `config.json` that all format versions share."""

    format: int


def require_trained_for(config: Config, folder: Path, dataset: str) -> None:
    """Refuse a model folder that was trained with another configuration or on another dataset.

    Args:
        config: the present configuration.
        folder: the model folder.
        dataset: digest of the prepared dataset.

    Raises:
        PipelineError: they differ; the message names the first key that does.
    """
    info = read_model_info(folder / "config.json").model_dump(mode="json")
    requested = config.model_dump(mode="json", include=TRAINED_WITH)
    require_same(requested, {section: info.get(section) for section in TRAINED_WITH}, folder, RETRAIN)
    if info.get("dataset", {}).get("digest") != dataset:
        raise PipelineError(f"{folder} was not trained on the dataset beside it; {RETRAIN}")


def require_digest(folder: Path, digest: str) -> None:
    """Refuse a model folder that was not written by the training which `run.json` describes.

    Args:
        folder: the model folder.
        digest: digest of its files, as that training recorded it.

    Raises:
        PipelineError: the digests differ.
    """
    if folder_digest(folder) != digest:
        raise PipelineError(f"{folder} was not written by the run in run.json beside it; {RETRAIN}")


def save_model(folder: Path | str, network: nn.Module, vocabulary: Vocabulary, info: dict[str, Any]) -> None:
    """Write a model folder, whole or not at all; the same weights and info give the same bytes.

    Args:
        folder: the model folder; replaced if it exists.
        network: the network, whose weights are written.
        vocabulary: the words of its token ids.
        info: the fields of `ModelInfo` except `format`, and any others.
    """
    values = ModelInfo.model_validate({"format": FORMAT_VERSION, **info}).model_dump()
    with replace(Path(folder)) as temporary:
        temporary.mkdir(parents=True)
        write_weights(temporary / "model.safetensors", network.state_dict())
        vocabulary.save(temporary / "vocab.json")
        write_json(temporary / "config.json", values)


def load_model(folder: Path | str) -> tuple[Network, Vocabulary, ModelInfo]:
    """Read a model folder, such as `artifacts/model`; the network is in evaluation mode, on the CPU.

    Raises:
        PipelineError: the folder is missing, incomplete, damaged or of another format, or its parts do not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PipelineError(f"model folder {folder} does not exist; train one with `dvc repro`")
    info = read_model_info(folder / "config.json")
    vocabulary = Vocabulary.load(folder / "vocab.json")
    path = folder / "model.safetensors"
    weights = read_weights(path, MAKE_AGAIN)
    mismatch = PipelineError(f"{path} does not fit config.json and vocab.json beside it; {MAKE_AGAIN}")
    # before the network is built: the sizes in config.json may exceed any memory
    if sum(weight.numel() for weight in weights.values()) < parameter_lower_bound(info.model, len(vocabulary)):
        raise mismatch
    try:
        network = build_network(info.model, len(vocabulary), info.likelihood, info.pretraining)
        network.load_state_dict(weights)
    except (RuntimeError, PipelineError):
        raise mismatch from None
    return network.eval(), vocabulary, info


def read_model_info(path: Path) -> ModelInfo:
    """Read and check the `config.json` of a model folder.

    Raises:
        PipelineError: the file is missing, damaged or of another format.
    """
    version = read_json(path, FormatRecord, "the folder is not a complete model folder; make it again").format
    if version < FORMAT_VERSION:
        raise PipelineError(
            f"{path} is of an older version of this project (format {version}, this one reads {FORMAT_VERSION}); train "
            "and register the model again with `dvc repro`"
        )
    if version > FORMAT_VERSION:
        raise PipelineError(
            f"{path} is of a newer version of this project (format {version}, this one reads {FORMAT_VERSION}); check "
            "out that version"
        )
    return read_json(path, ModelInfo, MAKE_AGAIN)
