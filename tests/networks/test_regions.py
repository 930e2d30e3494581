"""Region vectors."""

import pytest
import torch

from pipeline.networks.build import build_network
from pipeline.networks.padding import pad
from pipeline.networks.regions import RegionVectors, activate
from tests.support.networks import letter_reviews, region_state

VOCABULARY = 30


def region_vectors(*ngrams: str, dimension: int = 4) -> RegionVectors:
    """Return region vectors of 5 words with random numbers, for these n-grams of two and more letters."""
    torch.manual_seed(0)
    regions = RegionVectors(VOCABULARY, size=5, orders=3, dimension=dimension)
    regions.load_state_dict(region_state(letter_reviews(*ngrams), VOCABULARY, dimension))
    return regions


def test_a_region_is_the_bag_of_the_known_n_grams_around_its_position():
    regions = region_vectors("a b", "b c", "a b c", "e f")
    ((ids, _),) = [pad(letter_reviews("a b c d e"), None)]
    rows = dict(zip(["a b", "b c", "e f", "a b c"], range(VOCABULARY, VOCABULARY + 4), strict=True))
    expected = {0: ["a b", "b c", "a b c"], 1: ["a b", "b c", "a b c"], 3: ["b c"], 4: []}
    around = {0: "a b c", 1: "a b c d", 3: "b c d e", 4: "c d e"}
    sums = regions(ids)[0]
    for position, ngrams in expected.items():
        members = [int(word) for word in letter_reviews(around[position])[0]] + [rows[ngram] for ngram in ngrams]
        vectors = regions.vectors[members].float()
        torch.testing.assert_close(
            sums[position], vectors.sum(0) / len(members) ** 0.5 + regions.bias, rtol=0, atol=5e-3
        )


def test_region_vectors_do_not_depend_on_padding_and_are_not_longer_than_their_limit():
    regions = region_vectors("a b", "b c")
    together, _ = pad(letter_reviews("a b c", "c b a b c a b c"), None)
    alone, _ = pad(letter_reviews("a b c"), None)
    torch.testing.assert_close(regions(together)[0, :3], regions(alone)[0])
    assert activate(1e6 * regions(together)).norm(dim=2).max() <= 3.001
    assert activate(regions(together)).min() >= 0


def test_unknown_words_have_no_part_in_a_region():
    regions = region_vectors("a b")
    words, unknown = torch.tensor([[2, 3, 4]]), torch.tensor([[2, 3, 1]])
    assert not torch.equal(regions(words), regions(unknown))
    torch.testing.assert_close(regions(unknown)[0, :2], regions(torch.tensor([[2, 3]]))[0])


def test_the_parts_of_the_words_add_up_to_the_scalar_product():
    regions = region_vectors("a b", "b c", "a b c")
    ids, _ = pad(letter_reviews("a b c d a b c"), None)
    gradients = torch.randn(1, 7, 4)
    parts = regions.parts_of_words(ids, gradients)
    expected = (gradients * (regions(ids) - regions.bias)).sum()
    assert parts.sum().item() == pytest.approx(expected.item(), rel=5e-3)  # in half precision
    only = torch.zeros(1, 7, 4)
    only[0, 0] = 1  # the region of the first word ends with the third
    assert regions.parts_of_words(ids, only)[0, 3:].abs().max() == 0


def test_a_network_with_region_vectors_has_them_only_with_two_view(compose):
    small = ("model.embedding_dim=8", "model.hidden_dim=8", "model.wide=null", "pretraining.two_view.dimension=4")
    config = compose("pretraining=two_view", *small)
    network = build_network(config.model, VOCABULARY, pretraining=config.pretraining).eval()
    network.regions.load_state_dict(region_vectors("a b").state_dict())
    assert network.lstm.input_size == 12
    ids, lengths = pad(letter_reviews("a b c", "b"), None)
    before, _ = network.logits(ids, None, lengths)
    network.regions.vectors.mul_(2)
    assert not torch.equal(network.logits(ids, None, lengths)[0], before)
    assert not any(name.startswith("regions") for name, _ in network.named_parameters()), (
        "they are not trained on labels"
    )
    assert build_network(config.model, VOCABULARY).regions is None
