"""Language model for pre-training; its embedding and recurrent layers are those of a `SentimentRNN`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pipeline.config.pretraining import LanguageModelConfig
from pipeline.networks.sentiment_rnn import SentimentRNN, reverse

SHRINK = 4
"""Factor by which the states shrink from one cluster of the adaptive softmax to the next, rarer one."""
NO_TARGET = -100
"""Target where no word follows; torch's `cross_entropy` ignores it too."""


class LanguageModel(nn.Module):
    """Predicts each word of a review from the words before it; a second direction does so from the words after it.

    Both directions share the word vectors and the softmax (Peters et al. 2018, section 3.1). A classifier then starts
    from the weights learned this way (Dai & Le 2015, section 2).

    Args:
        vocab_size: number of token ids, sorted by frequency.
        config: sizes of the network, and dropout.
    """

    def __init__(self, vocab_size: int, config: LanguageModelConfig) -> None:
        super().__init__()
        self.reader = SentimentRNN(
            vocab_size,
            1,
            config.embedding_dim,
            config.hidden_dim,
            config.n_layers,
            cell=config.cell,
            bidirectional=config.bidirectional,
            embedding_dropout=config.embedding_dropout,
            initialisation="orthogonal",
        )
        self.reader.fc.requires_grad_(False)  # the classifier's output layer: unused here
        self.dropout = nn.Dropout(config.output_dropout)
        cutoffs = [rank for rank in config.cutoffs if rank < vocab_size]
        self.softmax = AdaptiveSoftmax(config.hidden_dim, vocab_size, cutoffs)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of a word in nats, for token ids x [batch, time], lengths [batch]."""
        vectors = self.reader.embed(x)  # [batch, time, embedding]
        states, _ = self.reader.lstm(vectors)  # [batch, time, hidden]
        loss = self._loss(states, x, lengths)
        if self.reader.lstm_backward is not None:
            states, _ = self.reader.lstm_backward(reverse(vectors, lengths))
            loss = (loss + self._loss(states, reverse(x, lengths), lengths)) / 2
        return loss

    def _loss(self, states: Tensor, x: Tensor, lengths: Tensor) -> Tensor:
        steps = torch.arange(1, x.shape[1] + 1, device=x.device)
        targets = x.roll(-1, 1).long().masked_fill(steps >= lengths[:, None], NO_TARGET)  # [batch, time]
        loss: Tensor = self.softmax(self.dropout(states.flatten(0, 1)), targets.flatten())
        return loss


class AdaptiveSoftmax(nn.Module):
    """Adaptive softmax, whose cost grows little with the vocabulary (Grave et al. 2017, section 4).

    It stands in for `torch.nn.AdaptiveLogSoftmaxWithLoss`, which takes its logarithms in bfloat16 under bfloat16
    autocast.

    Args:
        size: numbers in a state.
        vocab_size: number of words, sorted by frequency.
        cutoffs: first word of each cluster of rarer words, in ascending order; an empty list makes a plain softmax.
    """

    def __init__(self, size: int, vocab_size: int, cutoffs: Sequence[int]) -> None:
        super().__init__()
        self.cutoffs = [*cutoffs, vocab_size]
        self.head = nn.Linear(size, self.cutoffs[0] + len(cutoffs))
        self.tails = nn.ModuleList()
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False), start=1):
            reduced = max(1, size // SHRINK**i)
            self.tails.append(nn.Sequential(nn.Linear(size, reduced, bias=False), nn.Linear(reduced, high - low)))

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """Return the mean negative log-likelihood in nats of words [n] given states [n, size], `NO_TARGET` left out."""
        cluster = torch.bucketize(words, torch.tensor(self.cutoffs, device=words.device), right=True)
        targets = torch.where(cluster > 0, self.cutoffs[0] + cluster - 1, words)
        loss = cross_entropy(self.head(states), targets, ignore_index=NO_TARGET, reduction="sum")
        for i, tail in enumerate(self.tails):
            rows = (cluster == i + 1).nonzero().squeeze(1)
            loss = loss + cross_entropy(tail(states[rows]), words[rows] - self.cutoffs[i], reduction="sum")
        return loss / (words != NO_TARGET).sum()
