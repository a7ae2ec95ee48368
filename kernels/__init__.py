"""Numerical kernels: functions of tensors, compiled by XLA."""
