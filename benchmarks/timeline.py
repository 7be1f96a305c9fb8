"""`dev.py bench timeline`: what a frame of the dialogue timeline costs the browser, with long recordings on many lanes.

A real Chromium shows the timeline of web/dialogue, without ComfyUI around it, and lanes that are cut into clips from
end to end. Every frame edits or moves the view and draws everything anew. Counted is the processor time of the page's
main thread, which other load on the machine does not change; by the clock it is told beside it, with how far frames are
apart. Without a GPU the browser paints on the processor, in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..interact_core.metrics.intervals import bootstrap_interval
from ..interact_core.theatre.measuring import report
from .scenes import result
from .scenes.result import Figure, at_most

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FRAME = 1000 / 60  # ms
SETUP = """
async ({ lanes, minutes, clips, width }) => {
  document.body.style.margin = 0;
  const node = document.body.appendChild(document.createElement("div"));
  Object.assign(node.style, { width: `${width}px`, height: "760px" });
  const { DialogueEditor } = await import("/web/dialogue/editor.js");
  const editor = new DialogueEditor({
    fetchFile: () => Promise.reject(new Error("none")), upload: () => Promise.reject(new Error("none")),
    changed: () => {}, film: () => ({ fps: 25, length: 0 }),
  });
  node.append(editor.element);
  const seconds = 60 * minutes, rate = 24_000;
  const buffer = new AudioBuffer({ length: seconds * rate, sampleRate: rate });
  const samples = buffer.getChannelData(0);
  for (let at = 0; at < samples.length; at++) samples[at] = ((at * 7_919) % 2_003) / 1_001 - 1;
  for (let at = 0; at < samples.length; at++) samples[at] *= ((at >> 7) % 97) / 97;
  const began = performance.now();
  const made = Array.from({ length: lanes }, (_, lane) => {
    const file = `${lane}.wav`;
    editor.sounds.take(file, buffer);
    const each = seconds / clips;
    const places = Array.from({ length: clips }, (_, n) => (
      { file, in: n * each, out: (n + 0.9) * each, start: (n + 0.05 * lane) * each, label: `clip ${n}` }));
    return { name: `Lane ${lane}`, clips: places };
  });
  const outlines = (performance.now() - began) / lanes;
  editor.load(JSON.stringify({ lanes: made }));
  Object.assign(window, { editor });
  return outlines;
}
"""
TIMED = """
async ({ kind, frames }) => {
  const { moveClip } = await import("/web/dialogue/model.js");
  const { editor } = window, { view } = editor;
  const id = editor.dialogue.lanes[0].clips[3].id;
  editor.fit();
  editor.view.held = kind === "dragging a clip";
  const acts = {
    "zooming": (n) => view.zoom(n % 120 < 60 ? 1.08 : 1 / 1.08, view.width / 3),
    "scrolling": (n) => { if (n === 0) view.zoom(12, 0); view.scroll(n * 0.9); },
    "dragging a clip": (n) => editor.edit(moveClip(editor.dialogue, id, 20 + n / 5, n % 8), "drag"),
    "moving the playhead": (n) => { editor.playhead = n; },
  };
  const costs = [], apart = [];
  let last;
  for (let n = 0; n < frames; n++) {
    const now = await new Promise(requestAnimationFrame);
    if (last !== undefined) apart.push(now - last);
    last = now;
    const began = performance.now();
    acts[kind](n);
    cancelAnimationFrame(editor.request);
    editor.request = 0;
    editor.draw();
    costs.push(performance.now() - began);
  }
  editor.settle();
  return [costs.slice(5), apart.slice(5)];
}
"""
KINDS = ("zooming", "scrolling", "dragging a clip", "moving the playhead")


class _Files(http.server.SimpleHTTPRequestHandler):
    """web/ and an empty page."""

    def guess_type(self, path: Any) -> str:
        return "text/javascript" if str(path).endswith(".js") else super().guess_type(path)

    def do_GET(self) -> None:
        if self.path.startswith("/web/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><meta charset=utf-8><body>")
        return None

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def page() -> Iterator[Any]:
    """An empty page of a headless Chromium that can import web/."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit("This bench needs a Chromium: apt-get install -y --no-install-recommends chromium.")
    handler: Any = functools.partial(_Files, directory=str(ROOT))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1600, "height": 800})
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield opened
        browser.close()
        server.shutdown()


def processor_time(session: Any) -> float:
    """Seconds that the page's main thread has had the processor, all its tasks together: others' load is not in it."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in found if metric["name"] == "TaskDuration")


def measure(opened: Any, kind: str, frames: int) -> list[Figure]:
    """The clock of a frame's script, and the processor time of a frame with all that the page does for it."""
    session = opened.context.new_cdp_session(opened)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = processor_time(session)
    costs, apart = opened.evaluate(TIMED, {"kind": kind, "frames": frames})
    used = 1000 * (processor_time(session) - before) / frames

    def figure(name: str, times: list[float], share: float) -> Figure:
        def statistic(values: np.ndarray) -> float:
            return float(np.quantile(values, share))

        interval = bootstrap_interval(times, statistic)
        return Figure(f"{kind}: {name}", statistic(np.array(times)), interval, len(times))

    return [
        at_most(f"{kind}: main thread of a frame, mean, ms", used, (used, used), frames, round(FRAME, 1)),
        figure("script of a frame by the clock, median, ms", costs, 0.5),
        figure("script of a frame by the clock, 95th percentile, ms", costs, 0.95),
        figure("from frame to frame by the clock, median, ms", apart, 0.5),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--minutes", type=int, default=10, help="length of each lane's recording")
    parser.add_argument("--clips", type=int, default=60, help="clips that each recording is cut into")
    parser.add_argument("--width", type=int, default=1200, help="of the timeline, CSS pixels")
    parser.add_argument("--frames", type=int, default=65)
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/timeline.json)")
    chosen = parser.parse_args(argv)
    settings = {name: getattr(chosen, name) for name in ("lanes", "minutes", "clips", "width")}
    with page() as opened:
        outlines = opened.evaluate(SETUP, settings)
        figures = [Figure("outline of one recording, ms", outlines, (outlines, outlines), chosen.lanes)]
        for kind in KINDS:
            figures += measure(opened, kind, chosen.frames)
        versions = {"chromium": opened.context.browser.version}
    print(result.table(figures, "frames"))
    path = chosen.out or result.FOLDER / "timeline.json"
    more = {"settings": settings}
    result.write(path, figures, report.machine(), versions, result.command("timeline"), **more)


if __name__ == "__main__":
    main()
