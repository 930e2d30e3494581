"""The language model and its softmax."""

import pytest
import torch

from pipeline.networks.language_model import AdaptiveSoftmax
from pipeline.networks.padding import pad
from tests.support.networks import letter_reviews, small_language_model


def test_the_adaptive_softmax_is_a_distribution():
    torch.manual_seed(0)
    softmax = AdaptiveSoftmax(16, 30, [5, 12])
    state = torch.randn(1, 16)
    probabilities = [torch.exp(-softmax(state, torch.tensor([word]))) for word in range(30)]
    assert sum(probabilities).item() == pytest.approx(1, abs=1e-5)
    # the mean is over words that are there
    words = torch.tensor([3, -100, 20])
    expected = sum(softmax(state, words[i : i + 1]) for i in (0, 2)) / 2
    torch.testing.assert_close(softmax(state.expand(3, -1), words), expected)


def test_a_language_model_knows_nothing_of_the_word_it_predicts(compose):
    torch.manual_seed(0)
    model, _ = small_language_model(compose)
    model.eval()
    ids, _ = pad(letter_reviews("a b c d e f g"), None)
    vectors = model.reader.embed(ids)
    ahead, _ = model.reader.lstm(vectors)
    changed = vectors.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(model.reader.lstm(changed)[0][:, :4], ahead[:, :4])
    # the padding of a batch changes no loss
    together = model(*pad(letter_reviews("a b c d e f g", "b c"), None))
    alone = model(*pad(letter_reviews("a b c d e f g"), None)), model(*pad(letter_reviews("b c"), None))
    torch.testing.assert_close(together, (6 * alone[0] + alone[1]) / 7)
