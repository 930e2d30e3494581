"""Speed, as ratios of two sides measured in one run: `make bench`."""
