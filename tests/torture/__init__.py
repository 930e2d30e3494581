"""Kills of the whole pipeline at random moments, and checks that `dvc repro` restores what was lost."""
