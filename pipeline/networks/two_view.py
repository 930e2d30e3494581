"""Two-view learning of region vectors: a region predicts the words to either side of it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag

from pipeline.networks.regions import scale_sums


class TwoView(nn.Module):
    """Region vectors that predict, without labels, the words on either side of their region.

    The method is that of Johnson & Zhang (2015), Semi-supervised Convolutional Neural Networks for Text Categorization
    via Region Embedding, section 3: square loss on whether a word is there, for the words that are and for negative
    samples that stand for all others. (A logistic loss on negative samples was tried: all rectified units died within
    500 steps.)

    Args:
        vocab_size: number of token ids.
        ngrams: number of n-grams of two and more words.
        dimension: numbers in a region vector.
        sparse: gradients hold only the rows that a step has used.
    """

    def __init__(self, vocab_size: int, ngrams: int, dimension: int, sparse: bool) -> None:
        super().__init__()
        self.ngrams = nn.Embedding(vocab_size + ngrams, dimension, padding_idx=0, sparse=sparse)
        self.bias = nn.Parameter(torch.full((dimension,), 0.1))
        self.words = nn.Embedding(vocab_size, dimension, sparse=sparse)
        with torch.no_grad():
            self.ngrams.weight[1:].uniform_(-0.1, 0.1)
            self.words.weight.normal_(std=0.05)

    def forward(self, rows: Tensor, words: Tensor, negative_samples: Tensor) -> Tensor:
        """Return the mean loss of a region.

        Args:
            rows: n-grams of each region [regions, n-grams], 0 for none.
            words: words to predict of each region [regions, words], 0 for none.
            negative_samples: words that stand for all others, the same for all regions [samples].
        """
        # each distinct row is looked up once, so that its gradient is summed within the batch
        distinct, places = torch.unique(rows, return_inverse=True)
        sums = embedding_bag(places, self.ngrams(distinct), mode="sum")
        units = (scale_sums(sums, rows) + self.bias).relu()  # [regions, dimension]
        present = words > 0
        regions = present.nonzero()[:, 0]
        distinct, places = torch.unique(torch.cat([words[present], negative_samples]), return_inverse=True)
        vectors = self.words(distinct)
        scores = (embedding(regions, units) * embedding(places[: len(regions)], vectors)).sum(1)
        others = (units @ embedding(places[len(regions) :], vectors).T).float().square().mean(1)  # [regions]
        loss: Tensor = ((scores - 1).square().sum() + (others * present.sum(1)).sum()) / len(rows)
        return loss
