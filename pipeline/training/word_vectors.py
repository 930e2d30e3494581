"""Word vectors learnt elsewhere, as the start of a network's embedding."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.config import Model, require_embedding_dim
from pipeline.text.dataset import read_vectors


def require_fitting_vectors(model: Model, dataset: Path) -> None:
    """Refuse a network that cannot start from the word vectors of a dataset folder, if that holds any.

    Raises:
        PipelineError: `model.embedding_dim` is not their dimension.
    """
    if (found := read_vectors(dataset)) is not None:
        require_embedding_dim(model, found[0].shape[1])


def start_from_vectors(embedding: nn.Embedding, dataset: Path) -> None:
    """Let the embedding start from the word vectors of a dataset folder; without any there it stays as it is.

    A word without a vector keeps its initial weights, and so do padding and the unknown word. The vectors are scaled as
    one to the root mean square of those weights: learning rate and dropout were chosen for that scale, and neither kind
    of word drowns the other. Their directions and relative lengths stay.

    Args:
        embedding: freshly initialised [words, dimension].
        dataset: as written by `preprocess`, with vectors of that dimension.
    """
    if (found := read_vectors(dataset)) is None:
        return
    vectors, covered = found
    known = torch.from_numpy(np.asarray(vectors[covered]))  # [covered, dimension]
    with torch.no_grad():
        scale = embedding.weight.square().mean().sqrt() / known.square().mean().sqrt()
        embedding.weight[torch.from_numpy(covered)] = known * scale
