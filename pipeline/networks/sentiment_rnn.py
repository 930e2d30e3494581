"""The article's `SentimentRNN`, and by configuration its relatives: other cells, both directions, pooling over time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from pipeline.runtime.errors import PipelineError

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

Hidden = Tensor | tuple[Tensor, Tensor]
"""What a cell carries along: (short-term, long-term memory) of an LSTM, one tensor else."""


class SentimentRNN(nn.Module):
    """Embedding, recurrent layers, dropout, linear, sigmoid: how positive a review is.

    With the defaults it is the article's network: one direction, dropout 0.3 before the linear layer, the answer of the
    last step. Weights of the article's class load unchanged: the state's names are `embedding`, `lstm` (whatever the
    cell) and `fc`.

    A second direction is a stack of its own, as in ELMo (Peters et al. 2018, section 3.1), that reads every review
    backwards from its own last word; `torch.nn.LSTM(bidirectional=True)` would start it in the padding.

    Args:
        vocab_size: number of token ids.
        output_size: must be 1, the probability of "positive".
        embedding_dim: size of a word vector.
        hidden_dim: units of a recurrent layer, in each direction.
        n_layers: recurrent layers.
        drop_prob: dropout between recurrent layers.
        cell: `lstm`, `gru` or `rnn`.
        bidirectional: read backwards as well.
        pooling: what becomes of the states of all steps: any of `last`, `mean`, `max`, joined.
        word_dropout: share of words replaced by `unknown_index` in training.
        embedding_dropout: dropout on the word vectors, of the same entries at every step of a review (variational
            dropout, Gal & Ghahramani 2016, section 4.1).
        output_dropout: dropout before the linear layer.
        initialisation: `torch` leaves torch's own; `orthogonal` draws small word vectors, makes the recurrent weights
            orthogonal (Saxe et al. 2014) and opens the forget gates (bias 1; Jozefowicz et al. 2015, section 5).
        unknown_index: the id of the unknown word.

    Raises:
        PipelineError: `output_size` is not 1.
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
        unknown_index: int = 1,
    ) -> None:
        super().__init__()
        if output_size != 1:
            raise PipelineError(
                f"model.output_size: must be 1, got {output_size}; the network ends in one sigmoid, the probability of "
                "a positive review, and two classes need no second output"
            )
        self.hidden_dim, self.n_layers = hidden_dim, n_layers
        self.pooling = tuple(pooling)
        self.word_dropout, self.embedding_dropout = word_dropout, embedding_dropout
        self.unknown_index = unknown_index

        def recurrent() -> nn.LSTM | nn.GRU | nn.RNN:
            # torch warns of dropout between layers where there is only one
            between = drop_prob if n_layers > 1 else 0.0
            return CELLS[cell](embedding_dim, hidden_dim, n_layers, dropout=between, batch_first=True)

        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = recurrent()
        self.lstm_backward = recurrent() if bidirectional else None
        self.dropout = nn.Dropout(output_dropout)
        self.fc = nn.Linear(hidden_dim * (2 if bidirectional else 1) * len(self.pooling), 1)
        if initialisation == "orthogonal":
            self._initialise_orthogonal()

    def init_hidden(self, batch_size: int) -> Hidden:
        """Empty memory: zeros [layers * directions, batch, hidden]; for an LSTM a pair of them."""
        layers = self.n_layers * (1 if self.lstm_backward is None else 2)
        zeros = self.fc.weight.new_zeros(layers, batch_size, self.hidden_dim)
        return (zeros, zeros.clone()) if isinstance(self.lstm, nn.LSTM) else zeros

    def forward(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """Probability that each review is positive, and the memory after it.

        Args:
            x: token ids [batch, time]; padded on the right where `lengths` is given.
            hidden: memory to start from, as from `init_hidden`; empty by default.
            lengths: tokens of each review [batch], at least 1. Padding then never changes an answer. Without it every
                step counts, padding too, as in the article. The memory returned is the one after the last column.

        Returns:
            probability [batch], memory as from `init_hidden`.
        """
        logits, hidden = self.logits(x, hidden, lengths)
        return torch.sigmoid(logits), hidden

    def logits(self, x: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Hidden]:
        """As `forward`, before the sigmoid: log-odds [batch]."""
        return self.read(self.embed(x), hidden, lengths)

    def embed(self, x: Tensor) -> Tensor:
        """Word vectors [batch, time, embedding] of token ids x [batch, time]; in training after both their dropouts."""
        if self.training and self.word_dropout:
            dropped = torch.rand(x.shape, device=x.device) < self.word_dropout
            x = x.masked_fill(dropped, self.unknown_index)
        vectors: Tensor = self.embedding(x)
        if self.training and self.embedding_dropout:
            vectors = vectors * dropout(torch.ones_like(vectors[:, :1]), self.embedding_dropout)
        return vectors

    def read(
        self, vectors: Tensor, hidden: Hidden | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Hidden]:
        """As `logits`, from word vectors [batch, time, embedding] on."""
        if hidden is None:
            hidden = self.init_hidden(len(vectors))
        if self.lstm_backward is None:
            states, hidden = self.lstm(vectors, hidden)  # [batch, time, hidden]
            pooled = self._pool(states, lengths)
        else:
            ahead, back = _halves(hidden)
            states, ahead = self.lstm(vectors, ahead)
            backward, back = self.lstm_backward(reverse(vectors, lengths), back)
            hidden = _join(ahead, back)
            # Each direction's "last" is its own last step; the other poolings do not ask for the order of steps.
            pooled = torch.cat([self._pool(states, lengths), self._pool(backward, lengths)], dim=1)
        return self.fc(self.dropout(pooled)).squeeze(1), hidden  # [batch]

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
                    # torch's order of gates: input (the article's learn), forget, cell, output (use)
                    nn.init.ones_(weight.detach()[self.hidden_dim : 2 * self.hidden_dim])

    def _pool(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """Join the poolings of states [batch, time, hidden] over time: [batch, hidden * poolings]."""
        time = states.shape[1]
        if lengths is None:
            pools = {"last": lambda: states[:, -1], "mean": lambda: states.mean(1), "max": lambda: states.amax(1)}
        else:
            padding = (torch.arange(time, device=states.device) >= lengths[:, None])[:, :, None]  # [batch, time, 1]
            pools = {
                "last": lambda: states[torch.arange(len(states), device=states.device), lengths - 1],
                "mean": lambda: states.masked_fill(padding, 0).sum(1) / lengths[:, None],
                "max": lambda: states.masked_fill(padding, -torch.inf).amax(1),
            }
        return torch.cat([pools[name]() for name in self.pooling], dim=1)


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each row of x [batch, time, …] within its length; padding stays where it is."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)  # [time]
    source = lengths[:, None] - 1 - steps  # [batch, time]
    source = torch.where(source < 0, steps, source)
    return x[torch.arange(len(x), device=x.device)[:, None], source]


def _halves(hidden: Hidden) -> tuple[Hidden, Hidden]:
    if isinstance(hidden, tuple):
        (h, h_back), (c, c_back) = hidden[0].chunk(2), hidden[1].chunk(2)
        return (h.contiguous(), c.contiguous()), (h_back.contiguous(), c_back.contiguous())
    ahead, back = hidden.chunk(2)
    return ahead.contiguous(), back.contiguous()


def _join(ahead: Hidden, back: Hidden) -> Hidden:
    if isinstance(ahead, tuple) and isinstance(back, tuple):
        return torch.cat([ahead[0], back[0]]), torch.cat([ahead[1], back[1]])
    assert isinstance(ahead, Tensor) and isinstance(back, Tensor)
    return torch.cat([ahead, back])
