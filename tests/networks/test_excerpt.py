"""A network with a limit reads the beginning and the end of a long review; n-grams read all of it."""

import torch

from pipeline.networks.excerpt import excerpt
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.networks.wide_and_deep import WideAndDeep

IDS = torch.tensor([[2, 3, 4, 5, 6, 7, 8], [2, 3, 4, 5, 6, 0, 0], [2, 3, 0, 0, 0, 0, 0]])
LENGTHS = torch.tensor([7, 5, 2])


def test_an_excerpt_is_the_beginning_and_the_end():
    ids, lengths = excerpt(IDS, LENGTHS, 5)
    assert ids.tolist() == [[2, 3, 4, 7, 8], [2, 3, 4, 5, 6], [2, 3, 0, 0, 0]]
    assert lengths.tolist() == [5, 5, 2]
    assert excerpt(IDS[:1], None, 4)[0].tolist() == [[2, 3, 7, 8]]
    assert excerpt(IDS, LENGTHS, None) == (IDS, LENGTHS)
    assert excerpt(IDS, LENGTHS, 7) == (IDS, LENGTHS)


def test_the_network_reads_an_excerpt_and_the_n_grams_the_whole_review():
    torch.manual_seed(0)
    wide = NgramLogOdds(2, 10)
    wide.ratio.normal_()
    torch.nn.init.normal_(wide.weight)
    network = WideAndDeep(SentimentRNN(9, 1, 4, 4, 1, pooling=["mean"], bidirectional=True, max_length=5), wide).eval()
    paths = network.paths(IDS, None, LENGTHS)[0]
    changed = IDS.clone()
    changed[0, 3] = 2  # beyond the limit of the network
    differ = (network.paths(changed, None, LENGTHS)[0] != paths)[:, 0]
    assert differ.tolist() == [[False, True], [False, False], [False, False]]
    changed[0, 5] = 2
    assert (network.paths(changed, None, LENGTHS)[0] != paths)[0, 0].all()
