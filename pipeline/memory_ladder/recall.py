"""A task that memory alone solves: recall the marked word of a text, however many words ago it was.

A text is random words of a small vocabulary. One of them follows a mark, and its class is the answer, which is asked
after the last word. To answer, a cell must store the word that follows the mark, and must not let the words that come
after it, which look alike, overwrite it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.networks.likelihood import build_likelihood
from pipeline.networks.sentiment_rnn import SentimentRNN

MARK = 0
"""Token id of the mark; those of the words follow."""
UNITS, WORD_VECTOR = 32, 16
"""Units of every cell, and numbers in its word vectors."""
TEXTS_PER_STEP = 64
MAX_NORM = 1.0
"""Gradient clipping."""


class MarkedTexts(NamedTuple):
    """Texts with a marked word each."""

    ids: Tensor
    """Token ids [texts, time]."""
    answers: Tensor
    """Number of the marked word [texts], from 0."""


@dataclass(frozen=True)
class RecallTask:
    """Size of the task."""

    words: int = 8
    """Words of the vocabulary; chance is one in so many."""
    farthest: int = 100
    """Maximum number of steps from the marked word to the end of the text; all texts are two longer."""

    def draw(self, distances: NDArray[np.int64], random: np.random.Generator) -> MarkedTexts:
        """Draw a text for each distance [texts], in steps from the marked word to the end; 0: it is the last word."""
        ids = random.integers(1, 1 + self.words, size=(len(distances), self.farthest + 2))
        rows, marked = np.arange(len(distances)), self.farthest + 1 - distances
        ids[rows, marked - 1] = MARK
        return MarkedTexts(torch.from_numpy(ids), torch.from_numpy(ids[rows, marked] - 1))

    def draw_training(self, texts: int, random: np.random.Generator) -> MarkedTexts:
        """Draw texts to train on. Each doubling of the distance is as frequent, so that every cell meets short ones."""
        exponents = random.uniform(0, np.log(self.farthest + 1), size=texts)
        return self.draw(np.exp(exponents).astype(np.int64), random)


def train_recall(
    cell: str, lr: float, task: RecallTask, steps: Sequence[int], seed: int, report_step: Callable[[], object]
) -> Iterator[SentimentRNN]:
    """Train a network of one cell in one direction, which answers from its last state alone.

    Args:
        cell: `rnn`, `gru` or `lstm`.
        lr: learning rate of Adam, constant.
        task: the task.
        steps: numbers of steps of the optimizer, in ascending order, after each of which the network is yielded. Each
            step reads new texts.
        seed: seed of the initial weights and of the texts.
        report_step: called after each step.
    """
    torch.manual_seed(seed)
    likelihood = build_likelihood(task.words, ordered=False)
    network = SentimentRNN(
        1 + task.words,
        likelihood.columns,
        WORD_VECTOR,
        UNITS,
        n_layers=1,
        cell=cell,
        output_dropout=0.0,
        initialisation="orthogonal",
        likelihood=likelihood,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr)
    random = np.random.default_rng([seed, 0])
    for step in range(1, steps[-1] + 1):
        texts = task.draw_training(TEXTS_PER_STEP, random)
        loss = likelihood.loss(network.logits(texts.ids)[0], texts.answers)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_NORM)
        optimizer.step()
        report_step()
        if step in steps:
            yield network


@torch.no_grad()
def recall_accuracy(
    network: SentimentRNN, task: RecallTask, distances: Sequence[int], texts: int, random: np.random.Generator
) -> list[float]:
    """Return the share of marked words that a network recalls at each of the distances, on so many new texts each."""
    shares = []
    for distance in distances:
        asked = task.draw(np.full(texts, distance), random)
        shares.append(float((network.logits(asked.ids)[0].argmax(1) == asked.answers).float().mean()))
    return shares
