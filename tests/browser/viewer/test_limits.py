"""What a long run costs the browser: memory, bytes, and time per picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.tests.browser.viewer.synthetic_runs import SyntheticRun, write_run
from interacthuman.tests.browser.window import Window

LARGE = SyntheticRun(steps=50, boundary=10, run="large")  # 21 x 60 x 104, three characters
MB = 1024 * 1024


@pytest.fixture(scope="module")
def manifest(pictures: Path) -> dict[str, Any]:
    return write_run(LARGE, pictures)


def heap(window: Window) -> int:
    """Bytes that scripts of the page hold after a clean-up, array buffers included."""
    session = window.page.context.new_cdp_session(window.page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return int(usage["usedSize"] + usage.get("backingStorageSize", 0))


def test_a_run_of_50_steps(
    window: Window, manifest: dict[str, Any], pictures: Path, record_property: Any
) -> None:
    """Scrubbed through from end to end, in every step and frame."""
    moved = sum(
        (pictures / step[key]).stat().st_size for step in manifest["steps"] for key in ("masks", "frames")
    )
    before = heap(window)
    window.js("viewer.show(runs.takeManifest(arg))", manifest)
    window.page.wait_for_function("viewer.run.changes.size === 49")
    times = window.js(
        """
        const times = [];
        for (let turn = 0; turn < 400; turn++) {
          viewer.goTo({ step: (turn * 7) % 50, frame: (turn * 5) % 21 });
          const began = performance.now();
          viewer.draw();
          times.push(performance.now() - began);
          if (turn % 10 === 9) await new Promise(requestAnimationFrame);
        }
        return times.sort((a, b) => a - b);
        """
    )
    rate = window.js(
        """
        const began = performance.now();
        for (let turn = 0; turn < 90; turn++) {
          viewer.goTo({ step: Math.floor(turn / 2), frame: turn % 21 });
          await new Promise(requestAnimationFrame);
        }
        return 90_000 / (performance.now() - began);
        """
    )
    grown = heap(window) - before
    held = window.js("return pictures.bytes")
    record_property("milliseconds per picture", round(times[len(times) // 2], 2))
    record_property("pictures per second", round(rate))
    record_property("MB of the page", round(grown / MB, 1))
    print(
        f"\n50 steps: {moved / MB:.1f} MB moved, the page grew by {grown / MB:.1f} MB ({held / MB:.1f} MB of it "
        f"pictures), {times[200]:.1f} ms for a picture, {times[380]:.1f} ms for the slowest twentieth, "
        f"{rate:.0f} pictures a second while scrubbing"
    )
    assert moved < 6 * MB
    assert max(grown, held) < 80 * MB
    assert times[200] < 1000 / 30  # the middle one: a busy machine may spoil some
    assert window.complaints() == []


def test_pictures_stay_within_their_memory_whatever_comes(window: Window) -> None:
    left = window.js(
        """
        const { ByteLru } = await import("/web/viewer/byte_lru.js");
        const dropped = [], kept = new ByteLru(100, (value) => dropped.push(value));
        kept.set("a", 1, 60); kept.set("b", 2, 30); kept.get("a"); kept.set("c", 3, 30);
        const first = [kept.get("a"), kept.get("b"), kept.get("c"), kept.bytes];
        kept.set("d", 4, 500);
        return [first, [kept.get("a") ?? null, kept.get("d"), kept.bytes], dropped];
        """
    )
    assert left == [[1, None, 3, 90], [None, 4, 500], [2, 1, 3]]
