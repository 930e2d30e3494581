"""Benchmarks: speed as the ratio of two sides measured in one run; `make bench` runs them."""
