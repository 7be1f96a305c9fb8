"""What the viewer must do in every frontend: follow a run, be scrubbed, survive a reload and a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interacthuman.tests.browser.comfy_page import (
    complaints,
    in_page,
    load,
    look_at_viewer,
    open_graph,
    picture,
    run,
    slow_down,
    step_shown,
    viewer,
    wait_for_picture,
    wait_for_status,
)
from interacthuman.tests.browser.window import PATIENCE, Window


def watch_scrub_and_find_again(comfy: Window, graph: dict[str, Any], shots: Path) -> None:
    # Each renderer a seed of its own: what ComfyUI has in its cache is not sampled again.
    open_graph(comfy, graph, "watch", seed=11 if comfy.renderer == "canvas" else 12)
    viewer(comfy).get_by_text("Waiting for masks").first.wait_for()
    assert run(comfy) == "execution_success"
    events = comfy.js("return steps")
    assert [event["step"]["index"] for event in events] == [0, 1, 2, 3]
    assert comfy.js("return ends.map((end) => end.how)") == ["done"]
    wait_for_status(comfy, "Step 4 of 4")
    assert step_shown(comfy) == 4
    last = picture(comfy)
    for key in ("ArrowDown", "ArrowDown"):
        viewer(comfy).press(key)
    assert picture(comfy) != last and step_shown(comfy) == 2
    wait_for_status(comfy, "Step 2 of 4")
    viewer(comfy).press("End")
    viewer(comfy).press("ArrowUp")
    # The page draws, and says, what was pressed when its next picture is due.
    viewer(comfy).locator("[role=slider][aria-label=Frame][aria-valuenow='3']").wait_for()
    both = picture(comfy)
    viewer(comfy).get_by_role("button", name="Mira", exact=True).click()
    assert picture(comfy) != both
    viewer(comfy).get_by_role("button", name="Mira", exact=True).click()
    wait_for_picture(comfy, both)
    for width in (300, 500, 900):
        look_at_viewer(comfy, width)
        assert viewer(comfy).evaluate("e => e.scrollWidth <= e.clientWidth")
        version = comfy.js("return window.__COMFYUI_FRONTEND_VERSION__")
        comfy.page.screenshot(path=str(shots / f"comfy_{version}_{comfy.renderer}_{width}.png"))
    with comfy.page.expect_download() as download:
        in_page(comfy, "await app.extensionManager.command.execute('InterAct.SavePicture')")
    assert download.value.suggested_filename.startswith("interact_masks_step_")
    assert complaints(comfy) == []

    comfy.page.wait_for_timeout(1500)  # ComfyUI stores the workflow half a second after a change
    load(comfy)
    wait_for_status(comfy, "Step 4 of 4")
    assert comfy.js("return steps.length") == 0
    look_at_viewer(comfy)
    assert complaints(comfy) == []


def stop_and_keep_the_masks(comfy: Window, graph: dict[str, Any]) -> None:
    open_graph(comfy, graph, "stop", steps=3000, seed=31)
    slow_down(comfy)
    comfy.js(
        """
        window.drawn = [];
        const strip = document.querySelector(".interact-strip");
        const shown = () => Number(strip.ariaValueNow);
        new MutationObserver(() => drawn.at(-1)?.[0] !== shown() && drawn.push([shown(), ends.length, steps.length]))
          .observe(strip, { attributes: true, attributeFilter: ["aria-valuenow"] });
        """
    )
    in_page(comfy, "window.running = run();")
    # While the run goes on, each picture is of a later step than the last, and of one whose event was here.
    comfy.page.wait_for_function("window.drawn.length > 4", timeout=PATIENCE)
    shown, ended, arrived = zip(*comfy.js("return drawn"), strict=True)
    assert list(shown) == sorted(set(shown)) and set(ended) == {0}
    assert all(step <= count for step, count in zip(shown, arrived, strict=True))
    wait_for_status(comfy, "sampling")
    viewer(comfy).get_by_role("button", name="Stop, and run with the next seed").click()
    assert comfy.js("return await window.running") == "execution_interrupted"
    comfy.page.wait_for_function("window.steps.at(-1).scene.seed === '32'", timeout=PATIENCE)
    assert comfy.js("return ends.map((end) => end.how)") == ["stopped"]
    assert (
        in_page(comfy, "return of('InterActSampler')[0].widgets.find(({ name }) => name === 'seed').value")
        == 32
    )
    wait_for_status(comfy, "sampling")
    viewer(comfy).press("x")
    wait_for_status(comfy, "these are the masks so far")
    assert comfy.js("return ends.map((end) => end.how)") == ["stopped", "stopped"]
    viewer(comfy).locator(".interact-words").wait_for(state="hidden")
    viewer(comfy).press("f")
    comfy.page.wait_for_function("document.fullscreenElement?.matches('.interact-viewer')")
    assert viewer(comfy).bounding_box()["width"] == comfy.page.evaluate("innerWidth")
    viewer(comfy).press("f")
    comfy.page.wait_for_function("!document.fullscreenElement")
    assert complaints(comfy) == []
