"""How far back networks remember: measurements, figure, and the callback of the sweep that compares them."""
