"""A run: its schedule, folder and checkpoints, what happens around its steps, and what after a divergence."""
