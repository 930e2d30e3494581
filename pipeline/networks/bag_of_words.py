"""Bag of words: a network that ignores the order of words, to compare with."""

import torch
from torch import Tensor, nn


class BagOfWords(nn.Module):
    """Mean of the word vectors, a linear layer, a sigmoid (after Iyyer et al. 2015, section 2).

    Args:
        vocab_size: number of token ids.
        embedding_dim: numbers in a word vector.
        word_dropout: share of words left out of the mean in training.
        output_dropout: dropout before the linear layer.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, *, word_dropout: float = 0.0, output_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.dropout = nn.Dropout(output_dropout)
        self.fc = nn.Linear(embedding_dim, 1)
        # as in SentimentRNN's orthogonal initialisation: torch's word vectors are ten times as large, and training
        # changes them too little to matter
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, x: Tensor, hidden: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the probability [batch] that each review of x [batch, time] is positive.

        `hidden` is there so that the signature is that of `SentimentRNN`.
        """
        logits, hidden = self.logits(x, hidden, lengths)
        return torch.sigmoid(logits), hidden

    def logits(self, x: Tensor, hidden: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return log-odds [batch]: what `forward` returns, before the sigmoid."""
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1], device=x.device)
        counted = torch.arange(x.shape[1], device=x.device) < lengths[:, None]  # [batch, time]
        if self.training and self.word_dropout:
            counted &= torch.rand(x.shape, device=x.device) >= self.word_dropout
        vectors = self.embedding(x) * counted[:, :, None]  # [batch, time, embedding]
        mean = vectors.sum(1) / counted.sum(1, keepdim=True).clamp(min=1)  # [batch, embedding]
        return self.fc(self.dropout(mean)).squeeze(1), hidden
