"""The memory of networks: the sweep that compares it on reviews, its picture, and a command that tests recall."""
