"""What TensorBoard shows of a run: scalars, histograms, pictures, latents, settings and metrics."""
