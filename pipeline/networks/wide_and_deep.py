"""A recurrent network joined with n-grams."""

import torch
from torch import Tensor, nn

from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import Hidden, SentimentRNN


class WideAndDeep(nn.Module):
    """Weighs the log-odds of a network and of n-grams, so that each says what it knows best (Cheng et al. 2016).

    In training each path is held to the labels by itself: on their sum alone the n-grams, which fit the training
    reviews within an epoch, would leave the network nothing to learn. How much each counts is fixed on validation
    (`pipeline.inference.calibration.fit_weights`), where neither has seen the answers.

    Args:
        deep: reads the words in their order.
        wide: sees which n-grams there are.
    """

    path_weights: Tensor

    def __init__(self, deep: SentimentRNN, wide: NgramLogOdds) -> None:
        super().__init__()
        self.deep, self.wide = deep, wide
        self.register_buffer("path_weights", torch.ones(2))

    def forward(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """As `SentimentRNN.forward`."""
        logits, hidden = self.logits(x, hidden, lengths)
        return torch.sigmoid(logits), hidden

    def logits(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """As `SentimentRNN.logits`."""
        paths, hidden = self.paths(x, hidden, lengths)
        return paths @ self.path_weights, hidden

    def paths(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Log-odds [batch, 2] of the deep and the wide path by themselves, and the memory."""
        deep, hidden = self.deep.logits(x, hidden, lengths)
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1], device=x.device)
        return torch.stack([deep.float(), self.wide(x, lengths)], dim=1), hidden
