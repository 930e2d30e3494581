"""A recurrent network joined with n-grams."""

import torch
from torch import Tensor, nn

from pipeline.model.ngrams import NgramLogOdds
from pipeline.model.sentiment_rnn import Hidden, SentimentRNN


class WideAndDeep(nn.Module):
    """Adds the log-odds of a wide path to those of a network, so each says what it knows best (Cheng et al. 2016).

    In training each is held to the labels by itself (`experts`): on their sum alone the n-grams, which fit the training
    reviews within an epoch, would leave the network nothing to learn.

    Args:
        deep: reads the words in their order.
        wide: sees which n-grams there are.
    """

    def __init__(self, deep: SentimentRNN, wide: NgramLogOdds) -> None:
        super().__init__()
        self.deep, self.wide = deep, wide

    def forward(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """As `SentimentRNN.forward`."""
        logits, hidden = self.logits(x, hidden, lengths)
        return torch.sigmoid(logits), hidden

    def logits(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """As `SentimentRNN.logits`."""
        deep, hidden = self.deep.logits(x, hidden, lengths)
        return deep + self.wide(x, _all(x) if lengths is None else lengths), hidden


def _all(x: Tensor) -> Tensor:
    return torch.full((len(x),), x.shape[1], device=x.device)
