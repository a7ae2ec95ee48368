"""Flag files of the experiments, as package data."""
