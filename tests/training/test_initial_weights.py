"""Initial weights from pre-training."""

import pytest
import torch

from pipeline.networks.build import build_network
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained, save_pretrained, start_from_pretrained
from pipeline.training.launcher import ignore_metrics
from pipeline.training.pretraining import pretrain
from tests.support.networks import small_language_model
from tests.support.training import PRETRAINED, TINY, train_language_model


def test_pretrained_weights_land_in_the_embedding_and_both_directions(compose):
    model, config = small_language_model(compose)
    weights = {name: value for name, value in model.reader.state_dict().items() if not name.startswith("fc.")}
    network = build_network(config.model, 30)
    last = network.deep.fc.weight.clone()
    start_from_pretrained(network, weights, config.pretraining)
    for name in ("embedding.weight", "lstm.weight_hh_l0", "lstm_backward.weight_ih_l0"):
        assert torch.equal(network.deep.state_dict()[name], weights[name]), name
    assert torch.equal(network.deep.fc.weight, last)


def test_weights_of_another_network_are_refused(compose):
    model, config = small_language_model(compose)
    weights = {name: value for name, value in model.reader.state_dict().items() if not name.startswith("fc.")}
    for other in ("model.hidden_dim=8", "model.bidirectional=false", "model.n_layers=2"):
        network = build_network(compose("model.embedding_dim=8", "model.hidden_dim=16", other).model, 30)
        with pytest.raises(PipelineError, match="do not fit the model's size"):
            start_from_pretrained(network, weights, config.pretraining)


def test_the_pretrained_folder_is_refused_for_another_configuration_or_dataset(compose, dataset, tmp_path):
    config = compose(*TINY, *PRETRAINED)
    trained = train_language_model(config, dataset, tmp_path / "checkpoints")
    save_pretrained(tmp_path / "folder", config.pretraining, "digest", {"language_model": trained})
    loaded = load_pretrained(tmp_path / "folder", config.pretraining, "digest")
    torch.testing.assert_close(loaded, trained[0], rtol=0, atol=0)
    other = compose(*TINY, *PRETRAINED, "pretraining.language_model.lr=0.5").pretraining
    with pytest.raises(PipelineError, match=r"language_model.lr: 0.5 is asked for, but .* was made with 0.002"):
        load_pretrained(tmp_path / "folder", other, "digest")
    with pytest.raises(PipelineError, match="another dataset"):
        load_pretrained(tmp_path / "folder", config.pretraining, "other")
    with pytest.raises(PipelineError, match="dvc repro pretrain"):
        load_pretrained(tmp_path / "nowhere", config.pretraining, "digest")
    assert load_pretrained(tmp_path / "nowhere", compose("pretraining=none").pretraining, "digest") is None


def test_both_methods_start_one_network(compose, dataset, tmp_path):
    config = compose(*TINY, *PRETRAINED, "pretraining=both", "pretraining.two_view.min_count=2")
    hardware = resolve_hardware(config.trainer)
    trained = pretrain(config.pretraining, dataset, hardware, tmp_path / "checkpoints", ignore_metrics)
    save_pretrained(tmp_path / "folder", config.pretraining, "digest", trained)
    weights = load_pretrained(tmp_path / "folder", config.pretraining, "digest")
    size = len(Vocabulary.load(dataset / "vocab.json"))
    network = build_network(config.model, size, pretraining=config.pretraining)
    beside = network.deep.lstm_backward.weight_ih_l0[:, 8:].clone()
    start_from_pretrained(network, weights, config.pretraining)
    learned = network.deep.state_dict()
    assert torch.equal(learned["lstm_backward.weight_ih_l0"][:, :8], weights["lstm_backward.weight_ih_l0"])
    assert torch.equal(learned["lstm_backward.weight_ih_l0"][:, 8:], beside), "a language model knows no region vectors"
    assert torch.equal(learned["regions.vectors"], weights["regions.vectors"])

    one = compose(*TINY, "pretraining=two_view", "pretraining.two_view.min_count=2").pretraining
    alone = load_pretrained(tmp_path / "folder", one, "digest")
    assert alone.keys() == trained["two_view"][0].keys(), "a folder of both serves each of them"
