"""Random streams that are functions of (seed, name, counter) and so have no state to lose."""

import hashlib

import numpy as np
import numpy.typing as npt
import torch


def stream(seed: int, name: str, counter: int = 0) -> np.random.Generator:
    """Return the generator of one named stream at one counter.

    Philox4x64 (Salmon et al. 2011) is keyed by the seed and a hash of the name; the counter
    occupies the high word of Philox's own counter, so streams with different seeds, names or
    counters never overlap. A resumed run needs only its step to continue every stream.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    key = np.array([seed, int.from_bytes(digest, "little")], dtype=np.uint64)
    start = np.array([0, 0, 0, counter], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=start))


def permutation(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """Return a random permutation of 0..n-1, shape [n], the same on every machine.

    The order of n raw 64-bit draws under a stable sort: it depends on Philox alone, not on how
    some version of NumPy turns draws into shuffles.
    """
    draws = rng.bit_generator.random_raw(n)
    return np.argsort(draws, kind="stable").astype(np.int64)


def integers(rng: np.random.Generator, n: int, high: int) -> npt.NDArray[np.int64]:
    """Return n draws from 0..high-1, shape [n], the same on every machine (bias below 2⁻⁴⁰)."""
    return (rng.bit_generator.random_raw(n) % np.uint64(high)).astype(np.int64)


def distinct(rng: np.random.Generator, n: int, high: int) -> npt.NDArray[np.int64]:
    """Return n different integers from 0..high-1 in the order drawn, shape [n].

    The same on every machine; unbiased for powers of two, and to one part in 2⁶⁴/high otherwise.
    """
    found = np.zeros(0, dtype=np.int64)
    while len(found) < n:
        found = np.concatenate([found, integers(rng, n, high)])
        found = found[np.sort(np.unique(found, return_index=True)[1])]
    return found[:n]


def uniforms(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Return n draws from the open interval (0, 1), shape [n]: (k + ½)·2⁻⁵² with 52 random bits."""
    high: npt.NDArray[np.uint64] = rng.bit_generator.random_raw(n) >> np.uint64(12)
    return (high.astype(np.float64) + 0.5) * 2.0**-52


def normals(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Return n standard normal draws, shape [n]: the inverse distribution function of `uniforms`.

    Unlike NumPy's own normals, whose algorithm may change, they depend on Philox and on the
    accuracy of one special function alone.
    """
    draws: npt.NDArray[np.float64] = torch.special.ndtri(torch.from_numpy(uniforms(rng, n))).numpy()
    return draws
