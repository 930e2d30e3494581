"""From canonical rows to the encoded dataset: duplicates, splits, encoding, word vectors."""
