"""The kinds of `Source`: arrays in memory, streams from disk, and their input pipelines."""
