"""Metrics, intervals and tests, slices, the baseline, contrast pairs, the checks before registration."""
