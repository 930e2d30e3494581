"""The memory of networks: measurements, figure, and the callback of the sweep that compares them."""
