"""The model folder: everything a prediction needs, as safetensors and JSON. Nothing in it is ever unpickled.

model.safetensors   the weights
vocab.json          the words, in the order of their ids
config.json         format, calibration, and the configuration the model was trained with
"""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError
from safetensors.torch import save_file
from torch import nn

from pipeline.config import Model, Section, TextConfig
from pipeline.errors import PipelineError
from pipeline.files import read_json, replace, write_json
from pipeline.model.build import Network, build_network, least_weights
from pipeline.model.scoring import Calibration
from pipeline.model.weights import read_weights
from pipeline.text.vocabulary import Vocabulary

FORMAT = 2


class ModelInfo(Section):
    """`config.json` of a model folder; what it holds beyond these fields is for people."""

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
        further = self.model_extra or {}
        corpus = further.get("corpus", {})
        return corpus.get("name"), corpus.get("content"), further.get("dataset", {}).get("split")


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
    values = read_json(path, "the folder is no model folder or is not complete; make it again")
    if values.get("format") != FORMAT:
        raise PipelineError(
            f"{path} has format {values.get('format')}, this version reads {FORMAT}; train the model again"
        )
    try:
        return ModelInfo.model_validate(values)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise PipelineError(f"{path} is damaged at {key}; make the folder again") from None
