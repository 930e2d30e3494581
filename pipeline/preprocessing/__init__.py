"""From canonical rows to the encoded dataset: duplicates, groups, splits, encoding, word vectors, checks."""
