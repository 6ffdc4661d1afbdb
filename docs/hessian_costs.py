"""What Hessian spectra cost: seconds and memory of docs/hessian.md, on an idle machine.

Run as `python docs/hessian_costs.py exact RUN STEP` with a run of attention-only-113, or
`python docs/hessian_costs.py lanczos RUN STEP` with one of nanda-113; with a number after it, on so
many threads.
"""

import resource
import sys
import time

import torch

import grokscope
from grokscope.analyses.hessian_checkpoint import chunk_of
from grokscope.landscape import Landscape
from grokscope.ops.banded import eigenvalues
from grokscope.ops.curvature import assemble, hessian_product, retained_product, signs
from grokscope.ops.lanczos import Ends, density, extreme, quadrature


class Clock:
    """Prints wall and processor seconds since it was last asked, and the peak memory."""

    def __init__(self) -> None:
        self._wall, self._work = time.perf_counter(), time.process_time()

    def say(self, words: str) -> None:
        """Print one line."""
        wall, work = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{words:<44} {wall - self._wall:6.1f} s, {work - self._work:6.1f} s of processors, "
            f"peak {peak:.2f} GB",
            flush=True,
        )
        self._wall, self._work = wall, work


def exact(landscape: Landscape, at: torch.Tensor) -> None:
    """Time the 50 vectors, the matrix and all its eigenvalues; compare the two ways."""
    clock, size = Clock(), len(at)
    apply = retained_product(landscape.task_loss, at)
    ends = extreme(apply, size, top=25, bottom=25)
    clock.say("25 eigenpairs at each end")
    rows = hessian_product(landscape.task_loss, at)
    matrix = assemble(rows, size, chunk=chunk_of(landscape))
    clock.say("the matrix")
    values = eigenvalues(matrix)
    clock.say("all eigenvalues")
    for end, own, name in zip(ends, (values.flip(0), values), ("top", "bottom"), strict=True):
        apart = ((own[:25] - end.values) / end.values).abs()
        print(f"{name}: first {apart[0]:.1e}, worst {apart.max():.1e} apart; {worst(end)}")


def lanczos(landscape: Landscape, at: torch.Tensor) -> None:
    """Time ten eigenpairs at each end, and the density from 10 probes of 80 steps."""
    clock, size, counted = Clock(), len(at), [0]
    product = retained_product(landscape.task_loss, at)

    def apply(v: torch.Tensor) -> torch.Tensor:
        counted[0] += 1
        return product(v)

    ends = extreme(apply, size, top=10, bottom=10, tolerance=5e-4, most=300)
    clock.say(f"10 eigenpairs at each end, {counted[0]} products")
    largest = max(float(end.values.abs().max()) for end in ends)
    for name, end in zip(("top", "bottom"), ends, strict=True):
        against = float(end.residuals.max()) / largest
        print(f"{name}: {end.values[0]:.4g} to {end.values[-1]:.4g}; {worst(end)}", end="; ")
        print(f"{against:.1e} of the largest |λ|")
    nodes, weights = quadrature(apply, signs(size, 10, "spectral density"), 80)
    clock.say("density, 10 probes x 80 steps")
    width = float(nodes.max() - nodes.min()) / 100
    reach = (float(nodes.min()) - 8 * width, float(nodes.max()) + 8 * width)
    grid = torch.linspace(*reach, 4096, dtype=torch.float64)
    mass = torch.trapezoid(density(nodes, weights, grid, width=width), grid)
    print(f"mass 1 {float(mass) - 1:+.1e}; trace {size * float((weights * nodes).sum() / 10):.6g}")


def worst(end: Ends) -> str:
    """Return the largest relative residual in words."""
    return f"relative residual at most {float((end.residuals / end.values.abs()).max()):.1e}"


def main() -> None:
    """Time one of the two on a checkpoint."""
    what, path, step, *threads = sys.argv[1:]
    if threads:
        torch.set_num_threads(int(threads[0]))
    snapshot = grokscope.open(path).snapshot(int(step))
    samples = {"exact": 200, "lanczos": None}[what]
    landscape = Landscape.of(snapshot.problem, samples=samples)
    print(f"{len(snapshot.params):,} parameters, {len(landscape):,} pairs, step {step}")
    {"exact": exact, "lanczos": lanczos}[what](landscape, snapshot.params.double())


if __name__ == "__main__":
    main()
