"""Screenshots of the dashboard for the documentation, taken in a real browser of real runs.

    python docs/dashboard.py                        # all sections, two sizes, light and dark
    python docs/dashboard.py training_curves sweep  # some

Trains what is missing in runs/figures/dashboard first, some four minutes, then opens every section
like a person and fails where the browser's console shows an error or a page is wider than its
window. Needs playwright and a Chromium: the one that BROWSER_PATH names, or one on the PATH.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import PICTURES, RUNS
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import grokscope
from grokscope.dashboard.content import sections

FOLDER = RUNS / "dashboard"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
COMMAND = [sys.executable, "-m", "grokscope"]
MEASURED = (
    "weight_norm,gradient_norm,representation_norm,parameter_sparsity,weight_hessian_trace,"
    "input_jacobian_norm,fisher_trace,empirical_fisher_trace,effective_step,update_to_decay,"
    "signal_to_noise,gradient_rms,softmax_collapse,single_frequency_units,torus_low_share,torus_entropy"
)
ANALYSES = ("phases", "fourier_circuit", "activation_surface", "laplacian_spectrum")
DETAIL = {"spectra": "hessian", "routing_and_gates": "gated-17-0"}
RUN = {
    "training_curves": "",
    "fourier": "demo",
    "activation_surfaces": "demo",
    "torus": "demo",
} | dict.fromkeys(("loss_landscape", "optimizer_dynamics"), "measured")
DRAWN = "section => window.grokscope?.drawn(section)"


def main() -> None:
    """Train what is missing, look at every section, and keep what was seen."""
    prepare()
    wanted = sys.argv[1:] or [name for name, _ in sections()]
    with sync_playwright() as play, served(FOLDER) as link:
        path = os.environ.get("BROWSER_PATH") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        wrong = [line for size in SIZES for line in looked_at(browser, link, size, wanted)]
    print("\n".join(wrong) or "no error in the console, no page wider than its window")
    sys.exit(1 if wrong else 0)


def prepare() -> None:
    """Train and analyze what is missing."""
    if not (FOLDER / "sweep-quick" / "analysis_summary.json").exists():
        subprocess.run([*COMMAND, "sweep", "sweep-quick", "--out", FOLDER], check=True)
    if not (FOLDER / "hessian" / "report.html").exists():
        subprocess.run([*COMMAND, "pipeline", "hessian", "--quick", "--out", FOLDER], check=True)
    for recipe, name, seed in (
        ("demo", "demo", 0),
        *((recipe, f"{recipe}-{s}", s) for recipe in ("gated-17", "routed-17") for s in (0, 1)),
    ):
        if not (FOLDER / name).exists():
            grokscope.train(recipe, [f"seed={seed}", "threads=1"], out=FOLDER, name=name)
    if not (FOLDER / "measured").exists():
        options = [f"measure.metrics=[{MEASURED}]", "threads=1"]
        grokscope.train("quick", options, out=FOLDER, name="measured")
    for name in ANALYSES:
        grokscope.open(FOLDER / "demo").analyze(name)
    for seed in (0, 1):
        grokscope.open(FOLDER / f"routed-17-{seed}").analyze("routing_map")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yield the link of a dashboard of a folder."""
    command = [*COMMAND, "dashboard", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["link"]
        process.terminate()


def looked_at(browser: Browser, link: str, size: str, wanted: list[str]) -> list[str]:
    """Take a picture of each section in light and dark; return what was wrong."""
    width, height = SIZES[size]
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": height})
    for scheme in SCHEMES:
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)
        told: list[str] = []
        page.on("console", lambda m, told=told: told.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error, told=told: told.append(str(error)))
        for section in wanted:
            query = [f"section={section}"]
            query += [f"detail={DETAIL[section]}"] if section in DETAIL else []
            query += [f"runs={RUN[section]}"] if RUN.get(section) else []
            page.goto(f"{link}?{'&'.join(query)}", wait_until="commit")
            told.clear()  # the page that was left says that its connection is closed
            page.wait_for_function(DRAWN, arg=section, timeout=120_000)
            page.wait_for_timeout(800)
            keep(page, f"dashboard_{section}_{size}_{scheme}.webp")
            wrong += told
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{section} is wider than {width} pixels")
        page.close()
    context.close()
    return wrong


def keep(page: Page, name: str) -> None:
    """Keep what the window shows, without loss."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(PICTURES / name, lossless=True, quality=100, method=6)
    print(f"{name}  {(PICTURES / name).stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
