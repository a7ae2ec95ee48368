"""The order of training examples, as TensorFlow's `stateless_shuffle(alg="philox")` gives it, in NumPy.

Written after Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), and held to TensorFlow's
own order by a test.
"""

import numpy as np

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_SCRAMBLING_KEY = 0x02461E293EC8F720
_ROUNDS = 10


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of `size` examples in an epoch, [size] int32, as the project's own pipeline draws it.

    Args:
        size: number of examples.
        seed: seed of the run.
        epoch: number of passes through the data before this one.
    """
    draws = _draws(size - 1, seed, epoch)
    order = list(range(size))
    for i, step in enumerate((draws % np.arange(size, 1, -1, dtype=np.uint64)).tolist()):
        order[i], order[i + step] = order[i + step], order[i]
    return np.array(order, np.int32)


def _draws(count: int, seed: int, epoch: int) -> np.ndarray:
    """The first 32-bit draws [count] of TensorFlow's generator with the seed (seed, epoch)."""
    low, high = np.array([seed, epoch], np.int64).view(np.uint64)
    start = np.array([[low & _WORD, low >> _HALF, high & _WORD, high >> _HALF]], np.uint64)
    mixed = philox(start, _words(_SCRAMBLING_KEY))[0]
    blocks = -(-count // 4)
    counters = np.zeros((blocks, 4), np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 2:] = mixed[2:]
    return philox(counters, mixed[:2]).ravel()[:count]


def philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Philox-4x32-10.

    Args:
        counters: [N, 4] uint64 that hold 32-bit words.
        key: [2] uint64 that hold 32-bit words.

    Returns:
        The draws, [N, 4] 32-bit words as uint64.
    """
    a, b, c, d = counters.T
    key_0, key_1 = key
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (second >> _HALF) ^ b ^ key_0,
            second & _WORD,
            (first >> _HALF) ^ d ^ key_1,
            first & _WORD,
        )
        key_0, key_1 = (key_0 + _WEYL[0]) & _WORD, (key_1 + _WEYL[1]) & _WORD
    return np.stack([a, b, c, d], axis=1)


def _words(value: int) -> np.ndarray:
    return np.array([value & 0xFFFFFFFF, value >> 32], np.uint64)
