"""Data sets: plane densities, digits, image collections."""
