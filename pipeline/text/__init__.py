"""From a review to token ids, as training, evaluation and serving share it: tokenizer, vocabulary, dataset."""
