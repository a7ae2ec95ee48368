"""Sweeps: many runs from one declaration, and the tables and figures made of them."""
