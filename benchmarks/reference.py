"""Reference: the article's network, training loop and inference, written plainly from its description."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LENGTH = 200
BATCH_SIZE = 50


class ReferenceNetwork(nn.Module):
    """Embedding of 400, two LSTM layers of 256, linear and sigmoid on every step; the last step is the answer.

    The weights have the same names as in `SentimentRNN`.
    """

    def __init__(self, vocab_size: int, embedding_dim: int = 400, hidden_dim: int = 256) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers=2, dropout=0.5, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(hidden_dim, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, ids: Tensor) -> Tensor:
        """Return the probability [batch] that each review of ids [batch, time] is positive."""
        states, _ = self.lstm(self.embedding(ids))  # [batch, time, hidden]
        steps = self.sigmoid(self.fc(self.dropout(states.reshape(-1, states.shape[2]))))  # [batch * time, 1]
        answers: Tensor = steps.view(len(ids), -1)[:, -1]
        return answers


def pad_left(reviews: Sequence[Sequence[int] | NDArray[np.int32]]) -> Tensor:
    """Return the first `LENGTH` ids of each review, padded on the left with 0: [reviews, LENGTH] int64."""
    features = np.zeros((len(reviews), LENGTH), dtype=np.int64)
    for row, review in zip(features, reviews, strict=True):
        kept = review[:LENGTH]
        if len(kept):
            row[-len(kept) :] = kept
    return torch.from_numpy(features)


def train(network: ReferenceNetwork, batches: Iterable[tuple[Tensor, Tensor]], after_step: Callable[[], None]) -> None:
    """Train on batches of ids [batch, LENGTH] and labels [batch]; call `after_step` after each."""
    network.train()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    for ids, labels in batches:
        network.zero_grad()
        loss = criterion(network(ids), labels.float())
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimizer.step()
        after_step()


def answer(
    network: ReferenceNetwork, tokenize: Callable[[str], list[str]], ids: dict[str, int], texts: Sequence[str]
) -> NDArray[np.float32]:
    """Return the probability [texts] that each text is positive; a word that is not in `ids` has id 1."""
    network.eval()
    encoded = [[ids.get(word, 1) for word in tokenize(text)] for text in texts]
    features = pad_left(encoded)
    with torch.no_grad():
        return torch.cat([network(batch) for batch in torch.split(features, BATCH_SIZE)]).numpy()
