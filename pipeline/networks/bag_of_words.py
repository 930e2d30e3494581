"""Bag of words: a network that ignores the order of words, to compare with."""

import torch
from torch import Tensor, nn

from pipeline.networks.excerpt import excerpt
from pipeline.networks.likelihood import LOGISTIC, Likelihood


class BagOfWords(nn.Module):
    """Mean of the word vectors, a linear layer, a sigmoid (after Iyyer et al. 2015, section 2).

    Args:
        vocab_size: number of token ids.
        embedding_dim: numbers in a word vector.
        word_dropout: share of words left out of the mean in training.
        output_dropout: dropout before the linear layer.
        likelihood: meaning of the outputs; by default that of two classes.
        max_length: as for `SentimentRNN`.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        *,
        word_dropout: float = 0.0,
        output_dropout: float = 0.0,
        likelihood: Likelihood = LOGISTIC,
        max_length: int | None = None,
    ) -> None:
        super().__init__()
        self.word_dropout, self.max_length = word_dropout, max_length
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.dropout = nn.Dropout(output_dropout)
        self.fc = nn.Linear(embedding_dim, likelihood.columns)
        self.likelihood, self.thresholds = likelihood, likelihood.output_layer()
        # as in SentimentRNN's orthogonal initialisation: torch's word vectors are ten times as large, and training
        # changes them too little to matter
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, x: Tensor, hidden: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return probabilities for x [batch, time]; the arguments are those of `SentimentRNN.forward`."""
        logits, hidden = self.logits(x, hidden, lengths)
        return self.likelihood.probabilities(logits), hidden

    def logits(self, x: Tensor, hidden: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the outputs [batch, outputs]: what `forward` returns, before the sigmoid."""
        x, lengths = excerpt(x, lengths, self.max_length)
        return self.read(self.embed(x), hidden, lengths)

    def embed(self, x: Tensor) -> Tensor:
        """Return the word vectors [batch, time, embedding] of token ids x [batch, time]."""
        vectors: Tensor = self.embedding(x)
        return vectors

    def read(self, vectors: Tensor, hidden: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return what `logits` returns, starting from word vectors [batch, time, embedding]."""
        batch, time, _ = vectors.shape
        if lengths is None:
            lengths = torch.full((batch,), time, device=vectors.device)
        counted = torch.arange(time, device=vectors.device) < lengths[:, None]  # [batch, time]
        if self.training and self.word_dropout:
            counted &= torch.rand((batch, time), device=vectors.device) >= self.word_dropout
        vectors = vectors * counted[:, :, None]
        mean = vectors.sum(1) / counted.sum(1, keepdim=True).clamp(min=1)  # [batch, embedding]
        outputs: Tensor = self.thresholds(self.fc(self.dropout(mean)))
        return outputs, hidden
