"""Files, locks, processes, errors: helpers that know no configuration."""
