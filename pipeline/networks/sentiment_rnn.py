"""Recurrent network: the article's `SentimentRNN`; other cells, a second direction, pooling and classes as options."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from pipeline.networks.excerpt import excerpt
from pipeline.networks.likelihood import LOGISTIC, Likelihood
from pipeline.networks.pooling import pool
from pipeline.networks.regions import RegionVectors, activate
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import UNKNOWN

RECURRENT_LAYERS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}

Hidden = Tensor | tuple[Tensor, Tensor]
"""Hidden states: (hidden state, cell state) of an LSTM, one tensor for the other cells."""


class SentimentRNN(nn.Module):
    """Embedding, recurrent layers, pooling, dropout, a linear layer, a sigmoid: the probability of a positive review.

    With more than one output, a softmax over as many classes takes the place of the sigmoid.

    The defaults are the article's network: one direction, the hidden state of the last step, dropout 0.3 before the
    linear layer. Weights of the article's class load unchanged: the names in the state are `embedding`, `lstm`
    (whatever the cell) and `fc`.

    The second direction is a stack of layers of its own, as in ELMo (Peters et al. 2018, section 3.1). It reads each
    review backwards from the last word of that review; `torch.nn.LSTM(bidirectional=True)` would start in the padding.

    Args:
        vocab_size: number of token ids.
        output_size: columns of the likelihood: 1 for two classes, as in the article, or for several in an order.
        embedding_dim: numbers in a word vector.
        hidden_dim: units of a recurrent layer, in each direction.
        n_layers: recurrent layers.
        drop_prob: dropout between recurrent layers.
        cell: `lstm`, `gru` or `rnn`.
        bidirectional: also read backwards.
        pooling: poolings of the hidden states over time, concatenated; see `pipeline.networks.pooling.pool`.
        word_dropout: share of words replaced by the unknown word in training.
        embedding_dropout: variational dropout on the word vectors: the same entries at every step of a review (Gal &
            Ghahramani 2016, section 4.1).
        output_dropout: dropout before the linear layer.
        initialisation: `torch` keeps torch's own; `orthogonal` draws small word vectors, makes the recurrent weights
            orthogonal (Saxe et al. 2014) and opens the forget gates (bias 1; Jozefowicz et al. 2015, section 5).
        likelihood: meaning of the outputs; by default that of two classes.
        regions: region vectors that the recurrent layers read beside the word vectors; None: none.
        region_dropout: variational dropout on the region vectors.
        max_length: maximum number of tokens that the recurrent layers read of a review; of a longer one, they read an
            excerpt. None: all.

    Raises:
        PipelineError: `output_size` does not fit the likelihood.
    """

    def __init__(
        self,
        vocab_size: int,
        output_size: int,
        embedding_dim: int,
        hidden_dim: int,
        n_layers: int,
        drop_prob: float = 0.5,
        *,
        cell: str = "lstm",
        bidirectional: bool = False,
        pooling: Sequence[str] = ("last",),
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        output_dropout: float = 0.3,
        initialisation: str = "torch",
        likelihood: Likelihood = LOGISTIC,
        regions: RegionVectors | None = None,
        region_dropout: float = 0.0,
        max_length: int | None = None,
    ) -> None:
        super().__init__()
        if output_size != likelihood.columns:
            raise PipelineError(
                f"model.output_size: must be {likelihood.columns} for {likelihood.classes} classes, got {output_size}; "
                "with one, the network ends in a sigmoid, the probability of the second of two"
            )
        self.likelihood = likelihood
        self.hidden_dim, self.n_layers = hidden_dim, n_layers
        self.pooling = tuple(pooling)
        self.word_dropout, self.embedding_dropout = word_dropout, embedding_dropout
        self.region_dropout = region_dropout
        self.max_length = max_length
        inputs = embedding_dim + (0 if regions is None else regions.dimension)

        def recurrent() -> nn.LSTM | nn.GRU | nn.RNN:
            # torch warns about dropout between layers where there is only one layer
            between = drop_prob if n_layers > 1 else 0.0
            return RECURRENT_LAYERS[cell](inputs, hidden_dim, n_layers, dropout=between, batch_first=True)

        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.regions = regions
        self.lstm = recurrent()
        self.lstm_backward = recurrent() if bidirectional else None
        self.dropout = nn.Dropout(output_dropout)
        self.fc = nn.Linear(hidden_dim * (2 if bidirectional else 1) * len(self.pooling), output_size)
        self.thresholds = likelihood.output_layer()
        if initialisation == "orthogonal":
            self._initialise_orthogonal()

    def init_hidden(self, batch_size: int) -> Hidden:
        """Return initial hidden states: zeros [layers * directions, batch, hidden]; for an LSTM a pair of them."""
        layers = self.n_layers * (1 if self.lstm_backward is None else 2)
        zeros = self.fc.weight.new_zeros(layers, batch_size, self.hidden_dim)
        return (zeros, zeros.clone()) if isinstance(self.lstm, nn.LSTM) else zeros

    def forward(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Return the probability that each review is positive, or of each class; and the hidden states at the end.

        Args:
            x: token ids [batch, time]; padded on the right where `lengths` is given.
            hidden: hidden states to start from, shaped as `init_hidden` returns them; zeros by default.
            lengths: tokens of each review [batch], at least 1; padding then never changes an answer. None counts every
                step, padding too, as in the article.

        Returns:
            probability [batch], or with several outputs [batch, outputs]; hidden states as `init_hidden` returns them.
        """
        logits, hidden = self.logits(x, hidden, lengths)
        return self.likelihood.probabilities(logits), hidden

    def logits(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Return the outputs [batch, outputs] and hidden states: what `forward` returns, before the sigmoid."""
        x, lengths = excerpt(x, lengths, self.max_length)
        return self._read_inputs(self._join(*self._look_up(x)), hidden, lengths)

    def embed(self, x: Tensor) -> Tensor:
        """Return the vectors [batch, time, vector] of token ids x [batch, time], after dropout in training.

        A word vector comes first; where there are region vectors, the sums that they are made of follow.
        """
        words, sums = self._look_up(x)
        return words if sums is None else _concatenate(words, sums)

    def inputs(self, vectors: Tensor) -> Tensor:
        """Return what the recurrent layers read [batch, time, input] for vectors [batch, time, vector] of `embed`."""
        size = self.embedding.embedding_dim
        return vectors if self.regions is None else self._join(vectors[:, :, :size], vectors[:, :, size:])

    def _look_up(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the word vectors [batch, time, embedding] and sums of n-grams [batch, time, region] of token ids."""
        words = x
        if self.training and self.word_dropout:
            dropped = torch.rand(x.shape, device=x.device) < self.word_dropout
            words = x.masked_fill(dropped, UNKNOWN)
        # one step after the other in memory, as the recurrent layers read them: they would copy any other order
        vectors = self.embedding(words.t()).transpose(0, 1)
        return self._drop(vectors, self.embedding_dropout), None if self.regions is None else self.regions(x)

    def _join(self, words: Tensor, sums: Tensor | None) -> Tensor:
        """Return word vectors [batch, time, embedding] followed by the region vectors, if any, of the sums."""
        if sums is None:
            return words
        return _concatenate(words, self._drop(activate(sums), self.region_dropout))

    def _drop(self, vectors: Tensor, share: float) -> Tensor:
        """Set a share of the entries of vectors [batch, time, entry] to 0 in training, the same at every step."""
        return vectors * dropout(torch.ones_like(vectors[:, :1]), share) if self.training and share else vectors

    def read(
        self, vectors: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Hidden]:
        """Return what `logits` returns, starting from the vectors [batch, time, vector] of `embed`."""
        return self._read_inputs(self.inputs(vectors), hidden, lengths)

    def _read_inputs(self, vectors: Tensor, hidden: Hidden | None, lengths: Tensor | None) -> tuple[Tensor, Hidden]:
        """Return what `logits` returns, starting from the vectors [batch, time, input] of `inputs`."""
        if hidden is None:
            hidden = self.init_hidden(len(vectors))
        if self.lstm_backward is None:
            states, hidden = self.lstm(vectors, hidden)  # [batch, time, hidden]
            pooled = pool(states, self.pooling, lengths)
        else:
            forward_hidden, backward_hidden = _split_directions(hidden)
            states, forward_hidden = self.lstm(vectors, forward_hidden)
            backward_states, backward_hidden = self.lstm_backward(reverse(vectors, lengths), backward_hidden)
            hidden = _join_directions(forward_hidden, backward_hidden)
            # "last" is the last step of each direction; the other poolings do not depend on the order of steps
            pooled = torch.cat([pool(one, self.pooling, lengths) for one in (states, backward_states)], dim=1)
        outputs: Tensor = self.thresholds(self.fc(self.dropout(pooled)))
        return outputs, hidden

    def _initialise_orthogonal(self) -> None:
        nn.init.normal_(self.embedding.weight, std=0.1)
        for name, weight in self.named_parameters():
            if "weight_hh" in name:
                for gate in torch.split(weight.detach(), self.hidden_dim):
                    nn.init.orthogonal_(gate)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(weight)
            elif "bias_" in name:
                nn.init.zeros_(weight)
                if "bias_ih" in name and isinstance(self.lstm, nn.LSTM):
                    # torch's order of gates: input (the article's learn), forget, cell, output (the article's use)
                    nn.init.ones_(weight.detach()[self.hidden_dim : 2 * self.hidden_dim])


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each row of x [batch, time, …] within its length; padding stays in place."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)[:, None]  # [time, 1]
    source = lengths - 1 - steps  # [time, batch]
    source = torch.where(source < 0, steps, source) * len(x) + torch.arange(len(x), device=x.device)
    reversed_steps: Tensor = _Reversal.apply(x.transpose(0, 1), source.flatten())  # type: ignore[no-untyped-call]  # untyped in torch
    return reversed_steps.transpose(0, 1)


class _Reversal(torch.autograd.Function):
    """Selects the vectors of x [time, batch, …] in an order that is its own inverse, so that the gradient uses it, too.

    Torch cannot know that no vector is selected twice, and would add up gradients, which takes longer.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, order: Tensor) -> Tensor:
        context.save_for_backward(order)
        return x.flatten(0, 1).index_select(0, order).view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        reversed_gradient: Tensor = _Reversal.apply(gradient, *context.saved_tensors)  # type: ignore[no-untyped-call]  # untyped in torch
        return reversed_gradient, None


def _concatenate(words: Tensor, regions: Tensor) -> Tensor:
    """Concatenate vectors [batch, time, …] of each step; in memory one step comes after the other."""
    return torch.cat([words.transpose(0, 1), regions.transpose(0, 1)], dim=2).transpose(0, 1)


def _split_directions(hidden: Hidden) -> tuple[Hidden, Hidden]:
    if isinstance(hidden, tuple):
        (h, h_back), (c, c_back) = hidden[0].chunk(2), hidden[1].chunk(2)
        return (h.contiguous(), c.contiguous()), (h_back.contiguous(), c_back.contiguous())
    ahead, back = hidden.chunk(2)
    return ahead.contiguous(), back.contiguous()


def _join_directions(ahead: Hidden, back: Hidden) -> Hidden:
    if isinstance(ahead, tuple) and isinstance(back, tuple):
        return torch.cat([ahead[0], back[0]]), torch.cat([ahead[1], back[1]])
    assert isinstance(ahead, Tensor) and isinstance(back, Tensor)
    return torch.cat([ahead, back])
