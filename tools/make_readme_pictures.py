"""README's pictures: the demo's film beside its masks, and the viewer in both of ComfyUI's renderers.

    python dev.py demo
    python -m interacthuman.tools.make_readme_pictures

needs a Chromium and the Python package playwright. From output/demo/ it makes docs/demo.mp4 and docs/demo.webp; for
docs/viewer.png and docs/viewer_nodes2.png it runs the template of two speakers, once in each renderer. Run it when
weights, settings or the viewer have changed, and look at what it wrote.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames
from interacthuman.tests.browser import comfy_page
from interacthuman.tests.browser.window import BROWSERS, FLAGS, Window, new_context
from interacthuman.tools.make_help_pictures import row
from interacthuman.tools.make_workflows import ui_file
from PIL import Image

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
DOCS, DEMO = ROOT / "docs", ROOT / "output" / "demo"
FRAME = (384, 256)  # pixels, of each half
VIEW = {"width": 1500, "height": 1000}
SPEAKING = 9  # key presses from the first frame to one in which both speak
WIDTH = 500  # of the viewer's node, pixels
MARGIN, BELOW = 3, 8  # pixels around it, and below the viewer
QUALITY = 75  # of WebP, 0 to 100
RUN_LIMIT = 1_200_000  # milliseconds
NODE = """
const [node] = of("InterActPreviewMasks");
const [left, top] = app.canvas.convertOffsetToCanvas([node.pos[0], node.pos[1] - LiteGraph.NODE_TITLE_HEIGHT]);
const { x, y } = app.canvas.canvas.getBoundingClientRect();
return [x + left, y + top, node.size[0]];
"""


def film() -> None:
    """docs/demo.mp4 and docs/demo.webp, from what the demo wrote."""
    shutil.copyfile(DEMO / "video.mp4", DOCS / "demo.mp4")
    fps = json.loads((DEMO / "report.json").read_text(encoding="utf-8"))["video"]["fps"]
    films = (read_frames(DEMO / name) for name in ("video.mp4", "masks.mp4"))
    pictures = [row([Image.fromarray(half) for half in halves], FRAME) for halves in zip(*films, strict=True)]
    pictures[0].save(
        DOCS / "demo.webp",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        quality=QUALITY,
        method=6,
    )


def press(window: Window, key: str, times: int = 1) -> None:
    for _ in range(times):
        comfy_page.viewer(window).press(key)


def settled(window: Window) -> None:
    """The last step, in a frame in which both speak."""
    press(window, "ArrowRight", SPEAKING)


def forming(window: Window) -> None:
    """The sixth step, outlines over the picture that was predicted there."""
    settled(window)
    comfy_page.viewer(window).get_by_role("button", name="Outline").click()
    press(window, "ArrowDown", 7)


RENDERERS: dict[str, tuple[str, Callable[[Window], None]]] = {
    "canvas": ("viewer.png", settled),
    "nodes2": ("viewer_nodes2.png", forming),
}


def viewer(tab: Any, server: ComfyServer, renderer: str) -> Image.Image:
    """The node of the viewer after a run, as one of ComfyUI's two renderers shows it."""
    window = comfy_page.open_page(tab, server, renderer)
    graph = json.loads(ui_file("two_speakers").read_text(encoding="utf-8"))
    window.js("await app.loadGraphData(arg, true, true, 'two_speakers');", graph)
    comfy_page.look_at_viewer(window, WIDTH)
    window.js(
        "const {api} = window.comfyAPI.api; api.addEventListener('execution_success', () => (window.done = true));"
        "app.queuePrompt(0, 1);"
    )
    tab.wait_for_function("window.done", timeout=RUN_LIMIT)
    RENDERERS[renderer][1](window)
    window.js("document.activeElement.blur();")
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(1000)  # until all is drawn
    left, top, width = comfy_page.in_page(window, NODE)
    shown = comfy_page.viewer(window).bounding_box()
    bottom = shown["y"] + shown["height"] + BELOW
    clip = {
        "x": left - MARGIN,
        "y": top - MARGIN,
        "width": width + 2 * MARGIN,
        "height": bottom - top + MARGIN,
    }
    picture = Image.open(io.BytesIO(tab.screenshot(clip=clip)))
    window.leave()
    server.free()  # or the next page's run would come from the cache
    return picture


def main() -> None:
    from playwright.sync_api import sync_playwright

    film()
    logger.info("wrote demo.mp4 and demo.webp")
    browser_file = next(filter(None, map(shutil.which, BROWSERS)))
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        ComfyServer(Path(folder)) as server,
    ):
        browser = playwright.chromium.launch(executable_path=browser_file, args=FLAGS)
        tab = new_context(browser, viewport=VIEW).new_page()
        for renderer, (name, _) in RENDERERS.items():
            viewer(tab, server, renderer).save(DOCS / name, optimize=True)
            logger.info("wrote %s", name)
        browser.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
