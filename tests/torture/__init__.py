"""Kills the whole pipeline at random moments, and sees that `dvc repro` makes good whatever was lost."""
