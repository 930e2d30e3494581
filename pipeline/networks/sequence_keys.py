"""Integer keys of sequences of tokens."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def sequence_keys(x: Tensor, longest: int, vocab_size: int) -> Tensor:
    """Return a key for each sequence of 1, 2, …, `longest` tokens, by its last token: [longest, batch, time].

    Sequences have the same key if and only if they are the same; one that would begin before the review has the key of
    the shorter sequence that does not.

    Args:
        x: token ids [batch, time], at least 1.
        longest: tokens in the longest sequence; the keys stay below vocab_size**longest, which must fit in int64.
        vocab_size: number of token ids.
    """
    x = x.long()
    keys = [x]
    for _ in range(1, longest):
        keys.append(pad(keys[-1][:, :-1], (1, 0)) * vocab_size + x)
    return torch.stack(keys)
