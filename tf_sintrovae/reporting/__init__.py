"""The report of a run, made of the files in its folder; nothing here imports TensorFlow."""
