"""What the viewer's stage shows."""

from __future__ import annotations

from interacthuman.tests.browser.window import Window


def colours_at(window: Window, places: list[tuple[float, float]]) -> list[tuple[int, ...]]:
    """R, G, B of the stage, drawn anew, at places of the (first) picture, 0..1 of its width and height; also of what is
    enlarged.
    """
    found = window.js(
        """
        viewer.draw();
        const { canvas } = viewer.stage, { box } = viewer.stage.shown[0], unit = canvas.width / canvas.clientWidth;
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return arg.map(([x, y]) => {
          const place = [box.x + x * box.width, box.y + y * box.height].map((at) => Math.floor(at * unit));
          return [...copy.getImageData(...place, 1, 1).data.slice(0, 3)];
        });
        """,
        places,
    )
    return [tuple(colour) for colour in found]
