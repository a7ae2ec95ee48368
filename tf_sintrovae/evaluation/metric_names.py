"""Names of metrics as `results.json` has them; nothing here imports TensorFlow."""


def floor_name(name: str) -> str:
    """The name of a metric's floor: `fid_reconstruction/NETWORK` -> `fid_floor/NETWORK`."""
    score, _, network = name.partition("/")
    for suffix in ("_reconstruction", "_batch_statistics"):
        score = score.removesuffix(suffix)
    return f"{score}_floor/{network}"
