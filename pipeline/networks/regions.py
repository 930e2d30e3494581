"""Region vectors: a vector for the words around each position of a review, learned without labels."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, pad

from pipeline.networks.sequence_keys import sequence_keys
from pipeline.text.vocabulary import UNKNOWN

SCALE = 3.0
"""Length that the longest region vectors approach."""
NO_NGRAM = torch.iinfo(torch.int64).max
"""Key that no n-gram has, after the last of the keys."""


class RegionVectors(nn.Module):
    """Vectors of the region around each position: n-grams through rectified units (Johnson & Zhang 2015, section 2).

    A region is the bag of n-grams of a few words. Its vector has learned to predict the words to either side of it
    (`pipeline.networks.two_view`), and then stays as it is. N-grams that were too rare, or hold an unknown word, are
    left out. The number of n-grams depends on the reviews; loading a saved state sets it.

    Args:
        vocab_size: number of token ids.
        size: words in a region; odd: its position is the one in the middle.
        orders: maximum length of an n-gram, in words.
        dimension: numbers in a vector.
    """

    keys: Tensor
    vectors: Tensor
    bias: Tensor

    def __init__(self, vocab_size: int, size: int, orders: int, dimension: int) -> None:
        super().__init__()
        self.vocab_size, self.size, self.orders, self.dimension = vocab_size, size, orders, dimension
        # for each n-gram of a region: how many words precede its last one, and the offset of that from the middle
        self.ngrams = [(order, step - size // 2) for order in range(orders) for step in range(order, size)]
        # n-grams of two and more words as their `sequence_keys`, ascending; after them `NO_NGRAM`
        self.register_buffer("keys", torch.tensor([NO_NGRAM]))
        # a row for each word, that of padding zeros, then one for each n-gram; half precision halves the model folder
        self.register_buffer("vectors", torch.zeros(vocab_size, dimension, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(dimension))
        self.register_load_state_dict_pre_hook(_adopt_sizes)  # type: ignore[no-untyped-call]  # untyped in torch

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums [batch, time, dimension] that `activate` makes region vectors of, for ids x [batch, time]."""
        rows = self.windows(self.rows(x)).permute(2, 1, 0)  # [time, batch, n-grams], the order of the network's steps
        # row 0 is zeros; leaving it out by `padding_idx` takes ten times as long
        sums = embedding_bag(rows.flatten(0, 1), self.vectors, mode="sum").float()
        scaled = scale_sums(sums, rows.flatten(0, 1)) + self.bias
        return scaled.view(*x.T.shape, self.dimension).transpose(0, 1)

    def rows(self, x: Tensor) -> Tensor:
        """Return the row in `vectors` of each n-gram, by its last word; 0 for none: [orders, batch, time]."""
        words, *longer = sequence_keys(x, self.orders, self.vocab_size)
        rows = [words.masked_fill(words <= UNKNOWN, 0)]
        for order, keys in enumerate(longer, start=2):
            places = torch.searchsorted(self.keys, keys)
            # smaller keys are those of shorter n-grams, at the beginning of a review
            known = (self.keys[places] == keys) & (keys >= self.vocab_size ** (order - 1))
            rows.append(torch.where(known, self.vocab_size + places, 0))
        return torch.stack(rows)

    def windows(self, rows: Tensor) -> Tensor:
        """Return the rows of all n-grams within the region of each position: [n-grams, batch, time]."""
        half, time = self.size // 2, rows.shape[2]
        padded = pad(rows, (half, half))
        return torch.stack([padded[order, :, half + offset :][:, :time] for order, offset in self.ngrams])

    def parts_of_words(self, x: Tensor, gradients: Tensor) -> Tensor:
        """Return the part [batch, time] of each word in the scalar product of gradients and the output of `forward`.

        The part of each n-gram is divided evenly among its words; the bias has none.

        Args:
            x: token ids [batch, time].
            gradients: [batch, time, dimension].
        """
        rows = self.windows(self.rows(x))  # [n-grams, batch, time]
        gradients = gradients / (rows > 0).sum(0).clamp(min=1).sqrt()[:, :, None]
        half, time = self.size // 2, x.shape[1]
        parts = gradients.new_zeros(len(x), time + 2 * half, dtype=torch.float64)
        for (order, offset), row in zip(self.ngrams, rows, strict=True):
            values = (self.vectors[row].float() * gradients).sum(2) * (row > 0) / (order + 1)
            for word in range(half + offset - order, half + offset + 1):
                parts[:, word : word + time] += values
        return parts[:, half : half + time]


def scale_sums(sums: Tensor, rows: Tensor) -> Tensor:
    """Divide sums [n, dimension] of vectors by the square root of their number; rows [n, vectors], 0 for none."""
    return sums / (rows > 0).sum(1, keepdim=True).clamp(min=1).sqrt()


def activate(sums: Tensor) -> Tensor:
    """Return region vectors [..., dimension]: rectified, and shortened so that none is longer than `SCALE`."""
    units = sums.relu()
    vectors: Tensor = SCALE * units / (1 + units.square().sum(-1, keepdim=True)).sqrt()
    return vectors


def _adopt_sizes(module: RegionVectors, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Resize the buffers to the shapes in a state about to be loaded, if these fit one another."""
    keys, vectors = state.get(f"{prefix}keys"), state.get(f"{prefix}vectors")
    if keys is None or vectors is None or keys.ndim != 1 or not len(keys):
        return
    if vectors.shape == (module.vocab_size + len(keys) - 1, module.dimension):
        module.keys, module.vectors = module.keys.new_empty(keys.shape), module.vectors.new_empty(vectors.shape)
