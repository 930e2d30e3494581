"""A model folder of each network, with random weights."""

import pytest
import torch

from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary

WORDS = ["a", "bad", "film", "good", "long", "nan", "none", "not", "plot", "the", "warm", ".", "!"]


@pytest.fixture(scope="package", params=["sentiment_rnn", "article", "bag_of_words"])
def saved(request, compose, tmp_path_factory):
    """A model folder, and the network and the encoder that it was made from."""
    small = {"sentiment_rnn": ["model.hidden_dim=8", "model.wide.bits=12"], "article": ["model.hidden_dim=8"]}
    config = compose(f"model={request.param}", "model.embedding_dim=12", *small.get(request.param, ()))
    torch.manual_seed(0)
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    network = build_network(config.model, len(vocabulary)).eval()
    folder = tmp_path_factory.mktemp("saved") / "model"
    info = {
        "temperature": 2.0,
        "bias": 0.25,
        "threshold": 0.5,
        "text": config.text.model_dump(),
        "model": config.model.model_dump(),
    }
    save_model(folder, network, vocabulary, {**info, "corpus": {"name": "a test"}})
    return folder, network, Encoder(config.text, vocabulary)
