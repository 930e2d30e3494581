"""Small model folders of every kind of network, with weights large enough that words matter."""

import numpy as np
import pytest
import torch

from pipeline.config.labels import LABELS
from pipeline.config.pretraining import NO_PRETRAINING
from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network, deep_path
from pipeline.networks.likelihood import build_likelihood
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.support.models import FIVE, SPAM, THREE
from tests.support.networks import region_state

WORDS = ["a", "bad", "film", "good", "long", "not", "plot", "the", "warm", ".", ",", "!", "'", "t", "don"]
TEXT = 'The plot? A  "good" film: zebra,\nnot bad. Don\'t!'
NETWORKS = {
    "wide": ["model=sentiment_rnn"],
    "forwards": ["model=sentiment_rnn", "model.bidirectional=false", "model.wide=null", "model.pooling=[last]"],
    "stacked": ["model=sentiment_rnn", "model.n_layers=2", "model.wide=null", "model.pooling=[last,mean,max]"],
    "regions": ["model=sentiment_rnn", "pretraining=two_view", "pretraining.two_view.dimension=6"],
    "article": ["model=article"],
    "gru": ["model=gru"],
    "rnn": ["model=rnn", "model.wide=null"],
    "bag_of_words": ["model=bag_of_words"],
}
CASES = [
    *((name, LABELS, False) for name in NETWORKS),
    *((name, THREE, False) for name in ("wide", "stacked", "bag_of_words")),
    *((name, FIVE, True) for name in ("wide", "forwards")),
    ("wide", SPAM, False),
]
"""Network, classes, and whether their order means something."""


def ids_of(ngram):
    """Return the token ids of words of `WORDS`."""
    return np.array([len(SPECIALS) + WORDS.index(word) for word in ngram.split()], np.int32)


def small_model(folder, compose, name, classes=LABELS, ordered=False, hidden=8):
    """Save a model folder with one of `NETWORKS`."""
    config = compose(*NETWORKS[name])
    sizes = {"embedding_dim": 12}
    if config.model.network != "bag_of_words":
        wide = config.model.wide and config.model.wide.model_copy(update={"bits": 12})
        sizes |= {"hidden_dim": hidden, "wide": wide}
    model = config.model.model_copy(update=sizes)
    torch.manual_seed(3)
    likelihood = build_likelihood(len(classes), ordered)
    pretraining = config.pretraining if name == "regions" else NO_PRETRAINING
    network = build_network(model, len(SPECIALS) + len(WORDS), likelihood, pretraining).eval()
    with torch.no_grad():
        if name == "regions":
            ngrams = [ids_of("not bad"), ids_of("a good film")]
            network.deep.regions.load_state_dict(region_state(ngrams, len(SPECIALS) + len(WORDS), dimension=6))
        deep_path(network).embedding.weight.normal_()
        deep_path(network).fc.weight.normal_()
        for parameter, weight in deep_path(network).named_parameters():
            if "weight_ih" in parameter or "weight_hh" in parameter:
                weight.normal_(std=0.5)
        if hasattr(network, "wide"):
            network.wide.weight.normal_()
            network.wide.ratio.normal_()
            network.path_weights.copy_(torch.tensor([0.7, 1.3]))
    info = {
        "classes": classes,
        "ordered": ordered,
        "temperature": [2.0, 0.5, 1.25][: likelihood.columns],
        "bias": [0.25, 0.0, -0.5, -0.75][: likelihood.outputs],
        "threshold": 0.5 if len(classes) == 2 else None,
        "text": config.text.model_dump(),
        "model": model.model_dump(),
        "pretraining": pretraining.model_dump(),
    }
    save_model(folder, network, Vocabulary([*SPECIALS, *WORDS]), info)
    return folder


@pytest.fixture(scope="session")
def wide(compose, tmp_path_factory):
    """The default network, with n-grams."""
    return small_model(tmp_path_factory.mktemp("wide") / "model", compose, "wide")


@pytest.fixture(scope="session")
def three(compose, tmp_path_factory):
    """The default network with three classes."""
    return small_model(tmp_path_factory.mktemp("three") / "model", compose, "wide", THREE)


@pytest.fixture(scope="session")
def five(compose, tmp_path_factory):
    """The default network with five classes in an order."""
    return small_model(tmp_path_factory.mktemp("five") / "model", compose, "wide", FIVE, ordered=True)


@pytest.fixture(scope="session", params=CASES, ids=lambda case: f"{case[0]}-{len(case[1])}")
def folder(request, compose, tmp_path_factory):
    """Each network in turn."""
    return small_model(tmp_path_factory.mktemp(request.param[0]) / "model", compose, *request.param)
