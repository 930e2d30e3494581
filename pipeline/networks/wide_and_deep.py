"""Wide and deep network: a recurrent network joined with n-grams."""

import torch
from torch import Tensor, nn

from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.sentiment_rnn import Hidden, SentimentRNN


class WideAndDeep(nn.Module):
    """Weighted sum of the outputs of a recurrent network and of n-grams (Cheng et al. 2016).

    In training each path has a loss of its own. With a loss on their sum alone, the n-grams would fit the training
    reviews within an epoch and leave the recurrent network nothing to learn. The weights of the two paths are fitted
    on the validation split, whose labels neither path has seen (`pipeline.inference.calibration_fitting.fit_weights`).

    Args:
        deep: recurrent network, which reads the words in order.
        wide: n-grams, which see only what a review contains.
    """

    path_weights: Tensor

    def __init__(self, deep: SentimentRNN, wide: NgramLogOdds) -> None:
        super().__init__()
        self.deep, self.wide = deep, wide
        self.register_buffer("path_weights", torch.ones(2))

    def forward(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Return probabilities and hidden states as `SentimentRNN.forward` does."""
        logits, hidden = self.logits(x, hidden, lengths)
        return self.deep.likelihood.probabilities(logits), hidden

    def logits(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Return outputs and hidden states as `SentimentRNN.logits` does."""
        paths, hidden = self.paths(x, hidden, lengths)
        return self.join(paths), hidden

    def paths(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Return the outputs [batch, outputs, 2] of the deep and the wide path, unweighted, and the hidden states."""
        deep, hidden = self.deep.logits(x, hidden, lengths)
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1], device=x.device)
        return torch.stack([deep.float(), self.wide(x, lengths)], dim=2), hidden

    def join(self, paths: Tensor) -> Tensor:
        """Return the outputs [batch, outputs] of the network for those of its paths [batch, outputs, 2]."""
        return paths @ self.path_weights
