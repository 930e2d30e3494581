"""The model folder: everything a prediction needs, as safetensors and JSON. Nothing in it is ever unpickled.

model.safetensors   the weights
vocab.json          the words, in the order of their ids
config.json         format, calibration, and the configuration the model was trained with
"""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, model_validator
from safetensors.torch import save_file
from torch import nn

from pipeline.config import Config, Model, Section, TextConfig, require_same
from pipeline.inference.scoring import Calibration
from pipeline.networks.build import Network, build_network, least_weights
from pipeline.networks.weights import read_weights
from pipeline.runtime.atomic import replace
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, first_problem, read_json, write_json
from pipeline.text.vocabulary import Vocabulary

FORMAT = 2
TRAINED_WITH = ("seed", "text", "model", "pretraining", "pseudo_labels", "training", "trainer")
"""Sections of the configuration that a training keeps with its model."""
RETRAIN = (
    "another command has changed files of the pipeline while it ran; make them again with "
    "`dvc repro --single-item --force train`, then `dvc repro`"
)


class FormatRecord(Record):
    """The part of `config.json` that every version has."""

    format: int


class CorpusOrigin(Record):
    """Corpus that a model was trained on."""

    name: str | None = None
    content: str | None = None


class DatasetOrigin(Record):
    """Dataset made from the corpus."""

    split: dict[str, Any] | None = None


class Origin(Record):
    """Corpus and dataset that a model was trained on."""

    corpus: CorpusOrigin = CorpusOrigin()
    dataset: DatasetOrigin = DatasetOrigin()


class ModelInfo(Section):
    """`config.json` of a model folder; what it holds beyond these fields and an `Origin` is for people."""

    model_config = ConfigDict(extra="allow")

    format: int
    temperature: float = Field(gt=0)
    bias: float
    threshold: float = Field(ge=0, le=1)
    text: TextConfig
    model: Model = Field(discriminator="network")

    @property
    def calibration(self) -> Calibration:
        """How the network's log-odds become an answer."""
        return Calibration(self.temperature, self.bias, self.threshold)

    @property
    def trained_on(self) -> tuple[Any, Any, Any]:
        """The corpus, its content and how it was split: models that share them have seen the same training reviews."""
        origin = Origin.model_validate(self.model_extra)
        return origin.corpus.name, origin.corpus.content, origin.dataset.split

    @model_validator(mode="after")
    def _tells_the_origin(self) -> "ModelInfo":
        try:
            Origin.model_validate(self.model_extra)
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None
        return self


def require_trained_for(config: Config, folder: Path, dataset: str) -> None:
    """Refuse a model folder that was trained with another configuration, or on another dataset, than is asked for.

    Args:
        config: what is asked for.
        folder: of the model.
        dataset: digest of the prepared dataset.

    Raises:
        PipelineError: they differ; names the first key that does.
    """
    info = read_info(folder / "config.json").model_dump(mode="json")
    asked = config.model_dump(mode="json", include=set(TRAINED_WITH))
    require_same(asked, {section: info.get(section) for section in TRAINED_WITH}, folder, RETRAIN)
    if info.get("dataset", {}).get("digest") != dataset:
        raise PipelineError(f"{folder} was not trained on the dataset beside it; {RETRAIN}")


def require_digest(folder: Path, digest: str) -> None:
    """Refuse a model folder that another training has made than the one which `run.json` tells of.

    Args:
        folder: of the model.
        digest: of its files, as the training recorded it.

    Raises:
        PipelineError: it is another.
    """
    if folder_digest(folder) != digest:
        raise PipelineError(f"{folder} is not what the run in run.json beside it has made; {RETRAIN}")


def save(folder: Path, network: nn.Module, vocabulary: Vocabulary, info: dict[str, Any]) -> None:
    """Write a model folder, whole or not at all. `info` has the fields of `ModelInfo` but `format`, and may have more.

    The same weights and info give the same bytes.
    """
    values = ModelInfo.model_validate({"format": FORMAT, **info}).model_dump()
    with replace(folder) as temporary:
        temporary.mkdir(parents=True)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(weights, temporary / "model.safetensors")
        vocabulary.save(temporary / "vocab.json")
        write_json(temporary / "config.json", values)


def load(folder: Path) -> tuple[Network, Vocabulary, ModelInfo]:
    """Read a model folder; the network is in evaluation mode.

    Raises:
        PipelineError: the folder is missing, incomplete, damaged, of another format, or its parts do not fit.
    """
    if not folder.is_dir():
        raise PipelineError(f"model folder {folder} does not exist; train one with `dvc repro`")
    info = read_info(folder / "config.json")
    vocabulary = Vocabulary.load(folder / "vocab.json")
    path = folder / "model.safetensors"
    weights = read_weights(path, "make the folder again")
    misfit = PipelineError(f"{path} does not fit config.json and vocab.json beside it; make the folder again")
    # before anything is built: what config.json asks for may fit into no memory
    if sum(weight.numel() for weight in weights.values()) < least_weights(info.model, len(vocabulary)):
        raise misfit
    try:
        network = build_network(info.model, len(vocabulary))
        network.load_state_dict(weights)
    except RuntimeError:
        raise misfit from None
    return network.eval(), vocabulary, info


def read_info(path: Path) -> ModelInfo:
    """Read and check the `config.json` of a model folder. Raises `PipelineError` as `load` does."""
    found = read_json(path, FormatRecord, "the folder is no model folder or is not complete; make it again").format
    if found != FORMAT:
        raise PipelineError(f"{path} has format {found}, this version reads {FORMAT}; train the model again")
    return read_json(path, ModelInfo, "make the folder again")
