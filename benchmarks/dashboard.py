"""How soon the dashboard shows folders of many runs and of long ones, in a real browser.

    python benchmarks/dashboard.py                # 200 runs of 1,000 points, 20 of 100,000
    python benchmarks/dashboard.py 50 1000        # 50 runs of 1,000 points

Needs playwright and a Chromium. The runs are one tiny run, measured at every step, under other
seeds and weight decays. Each time is from what a person does to all figures of the section being
drawn. Writes one JSON file beside those of bench.py.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

import grokscope

RESULTS = Path(__file__).parent / "results"
DECAYS = ("0.1", "0.3", "1.0", "3.0")
DRAWN = "section => window.grokscope?.drawn(section)"
FIGURES = "section => window.grokscope?.drawn(section, false)"
SECTIONS = ("model_properties", "optimizer_dynamics", "training_curves", "sweep", "runs")


def folder_of(place, count, points):
    """Make `count` runs of `points` measurements each."""
    options = ["task.p=5", "model.width=6", "stop=never", "measure.every=1", "threads=1"]
    options += ["measure.dense_every=1", f"checkpoint.every={points}", f"steps={points}"]
    first = grokscope.train("quick", options, out=place, name="first").path
    config = (first / "config.yaml").read_text()
    for number in range(count):
        path = place / f"run-{number:03}"
        shutil.copytree(first, path, ignore=shutil.ignore_patterns("checkpoints", "report.html"))
        text = config.replace("\nseed: 0", f"\nseed: {number // len(DECAYS)}")
        decay = f"weight_decay: {DECAYS[number % len(DECAYS)]}"
        (path / "config.yaml").write_text(text.replace("weight_decay: 1.0", decay))
    shutil.rmtree(first)


@contextmanager
def served(folder):
    """Yield (link, seconds until it was told, its process) of a dashboard."""
    command = [sys.executable, "-m", "grokscope", "dashboard", str(folder), "--json"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        link = json.loads(process.stdout.readline())["link"]
        yield link, start, time.perf_counter() - start
        process.terminate()


def looked_at(folder, browser):
    """Return the seconds of a first page and of changes of the section, cold and warm."""
    with served(folder) as (link, start, told):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        opened = time.perf_counter()
        page.goto(link, wait_until="commit")
        page.wait_for_function(FIGURES, arg="training_curves")
        figures = time.perf_counter() - opened
        page.wait_for_function(DRAWN, arg="training_curves")
        now = time.perf_counter()
        found = {"link_told": told, "figures_drawn": figures, "page_drawn": now - opened}
        found["command_to_page"] = now - start
        changes = {section: [] for section in SECTIONS}
        for _ in range(3):
            for section in SECTIONS:
                begun = time.perf_counter()
                page.click(f'#gs-sections label:has(input[value="{section}"])')
                page.wait_for_function(DRAWN, arg=section)
                changes[section].append(time.perf_counter() - begun)
        page.click('#gs-sections label:has(input[value="training_curves"])')
        page.wait_for_function(DRAWN, arg="training_curves")
        found["notes"] = page.locator(".gs-note").all_text_contents()
        page.close()
    cold = {section: seconds[0] for section, seconds in changes.items()}
    warm = {section: statistics.median(seconds[1:]) for section, seconds in changes.items()}
    return found | {"section_first": cold, "section_again": warm}


def main():
    given = [int(word) for word in sys.argv[1:]]
    sizes = [tuple(given)] if given else [(200, 1000), (20, 100_000)]
    results = []
    with sync_playwright() as play:
        chromium = os.environ.get("BROWSER_PATH") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for count, points in sizes:
            with tempfile.TemporaryDirectory() as name:
                folder_of(Path(name), count, points)
                results.append({"runs": count, "points": points} | looked_at(Path(name), browser))
                print(json.dumps(results[-1], indent=2), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"dashboard-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
