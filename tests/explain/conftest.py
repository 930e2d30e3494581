"""Small model folders of every kind of network, with weights large enough that words matter."""

import pytest
import torch

from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network, deep_part
from pipeline.text.vocabulary import SPECIALS, Vocabulary

WORDS = ["a", "bad", "film", "good", "long", "not", "plot", "the", "warm", ".", ",", "!", "'", "t", "don"]
TEXT = 'The plot? A  "good" film: zebra,\nnot bad. Don\'t!'
NETWORKS = {
    "wide": ["model=sentiment_rnn"],
    "forwards": ["model=sentiment_rnn", "model.bidirectional=false", "model.wide=null", "model.pooling=[last]"],
    "stacked": ["model=sentiment_rnn", "model.n_layers=2", "model.wide=null", "model.pooling=[last,mean,max]"],
    "article": ["model=article"],
    "gru": ["model=gru"],
    "rnn": ["model=rnn", "model.wide=null"],
    "bag_of_words": ["model=bag_of_words"],
}


def small_model(folder, compose, name, hidden=8):
    """Save a model folder with one of `NETWORKS`."""
    config = compose(*NETWORKS[name])
    sizes = {"embedding_dim": 12} | ({} if config.model.network == "bag_of_words" else {"hidden_dim": hidden})
    model = config.model.model_copy(update=sizes)
    torch.manual_seed(3)
    network = build_network(model, len(SPECIALS) + len(WORDS)).eval()
    with torch.no_grad():
        deep_part(network).embedding.weight.normal_()
        deep_part(network).fc.weight.normal_()
        for parameter, weight in deep_part(network).named_parameters():
            if "weight_ih" in parameter or "weight_hh" in parameter:
                weight.normal_(std=0.5)
        if hasattr(network, "wide"):
            network.wide.weight.normal_()
            network.wide.ratio.normal_()
            network.path_weights.copy_(torch.tensor([0.7, 1.3]))
    info = {
        "temperature": 2.0,
        "bias": 0.25,
        "threshold": 0.5,
        "text": config.text.model_dump(),
        "model": model.model_dump(),
    }
    save_model(folder, network, Vocabulary([*SPECIALS, *WORDS]), info)
    return folder


@pytest.fixture(scope="session")
def wide(compose, tmp_path_factory):
    """The default network, with n-grams."""
    return small_model(tmp_path_factory.mktemp("wide") / "model", compose, "wide")


@pytest.fixture(scope="session", params=NETWORKS)
def folder(request, compose, tmp_path_factory):
    """Each network in turn."""
    return small_model(tmp_path_factory.mktemp(request.param) / "model", compose, request.param)
