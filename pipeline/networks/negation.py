"""Negation scope: the words between a negation and the end of its clause."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from pipeline.networks.sequence_keys import sequence_keys
from pipeline.text.vocabulary import UNKNOWN

MAX_NEGATION_TOKENS = 3
"""Maximum number of tokens of a negation: basic_english splits `don't` into three."""


class NegationScope(nn.Module):
    """Finds the words that follow a negation in the same clause (Das & Chen 2001; Pang et al. 2002, section 5).

    The token ids of negations and ends of clauses are set by `look_up`; they belong to the state of the network.

    Args:
        vocab_size: number of token ids.
        negations: number of negations to look up.
        ends: number of words and signs to look up that end a scope.
    """

    negations: Tensor
    ends: Tensor

    def __init__(self, vocab_size: int, negations: int, ends: int) -> None:
        super().__init__()
        self._vocab_size = vocab_size
        self.register_buffer("negations", torch.full((negations,), -1))
        self.register_buffer("ends", torch.full((ends,), -1))

    def look_up(self, negations: Sequence[NDArray[np.int32]], ends: Sequence[NDArray[np.int32]]) -> int:
        """Set the negations and the ends of clauses; those with a word that the vocabulary lacks never match.

        Args:
            negations: token ids of words such as `not` or `don't`; those of over `MAX_NEGATION_TOKENS` never match.
            ends: token ids of words and signs such as `but` or `,`; only those of a single token ever match.

        Returns:
            number of negations that can match.
        """
        for buffer, words, max_tokens in (self.negations, negations, MAX_NEGATION_TOKENS), (self.ends, ends, 1):
            for row, ids in enumerate(words):
                if len(ids) <= max_tokens and UNKNOWN not in ids:
                    buffer[row] = self._keys(torch.from_numpy(ids)[None])[len(ids) - 1, 0, -1]
        return int((self.negations >= 0).sum())

    def forward(self, x: Tensor) -> Tensor:
        """Return which words of token ids x [batch, time] are in the scope of a negation: bool [batch, time]."""
        steps = torch.arange(1, x.shape[1] + 1, device=x.device)
        keys, negations = self._keys(x), self.negations.sort().values  # searching takes half as long as `torch.isin`
        places = torch.searchsorted(negations, keys).clamp(max=len(negations) - 1)
        negated = (negations[places] == keys).any(dim=0)
        last_negation = (negated * steps).cummax(dim=1).values
        last_end = (torch.isin(x, self.ends) * steps).cummax(dim=1).values
        return pad(last_negation[:, :-1], (1, 0)) > last_end  # the negation of an earlier word

    def _keys(self, x: Tensor) -> Tensor:
        return sequence_keys(x, MAX_NEGATION_TOKENS, self._vocab_size)
