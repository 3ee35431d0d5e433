"""Which sample stands at which place of the training, and the random numbers that belong to it.

Everything is a function of the seed and the place alone: loaders, workers and interruptions change nothing. Only raw
output of PCG64 and `Generator.random` are used, whose streams numpy keeps from version to version.
"""

import numpy as np

_SHUFFLE, _AUGMENT = 0, 1  # separate streams for the order and for the transforms


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which epoch number `epoch` visits `size` samples: a permutation, int64 [size]."""
    stream = np.random.PCG64(np.random.SeedSequence((seed, _SHUFFLE, epoch)))
    keys = np.asarray(stream.random_raw(size))
    return np.argsort(keys, kind="stable")


def sample_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers with which sample `index` is transformed in epoch `epoch`."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _AUGMENT, epoch, index))))
