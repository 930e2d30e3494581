"""Notes about the champion to serve: whether there is one, and where it may not be the model that the user expects."""

from pipeline.config.schema import Config
from pipeline.inference.model_info import ModelInfo
from pipeline.registry.model_lookup import find_registered
from pipeline.registry.versions import CHAMPION
from pipeline.runtime.errors import PipelineError


def require_champion(config: Config) -> str:
    """Return the address of the champion.

    Raises:
        PipelineError: no version has the alias, or the store cannot be used.
    """
    name = config.registry.model_name
    try:
        find_registered(config.tracking, name, CHAMPION)
    except PipelineError as error:
        raise PipelineError(
            f"{error}; register one with `dvc repro`, or serve a folder: --model artifacts/model"
        ) from None
    return f"models:/{name}@{CHAMPION}"


def champion_notes(config: Config, champion: ModelInfo) -> list[str]:
    """Say where the champion may not be the model that the user expects.

    Args:
        config: the configuration of this project.
        champion: `config.json` of the champion.

    Returns:
        A line if it was trained on another corpus than that of the configuration, and one if the newest version is not
        the champion.
    """
    lines = []
    trained, present = champion.corpus, config.corpus
    if trained.name is not None and (trained.name, trained.content) != (present.name, present.content):
        which = "another version of it" if trained.name == present.name else trained.name
        lines.append(f"the corpus of params.yaml is {present.name}, but the champion was trained on {which}")
    name = config.registry.model_name
    newest = find_registered(config.tracking, name)
    if CHAMPION not in newest.aliases:
        aliases = ", ".join(newest.aliases) or "without an alias"
        corpus = newest.tags.get("corpus", "an unknown corpus")
        lines.append(
            f"the newest version, {newest.version}, is {aliases} and trained on {corpus}; "
            f"serve it with --model models:/{name}/{newest.version}, or make it champion: docs/share-results.md"
        )
    return lines
