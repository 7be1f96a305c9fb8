"""Shipped graphs that need public weights, which the pack does not bring: the only ones that do not run as they are.

    python -m interacthuman.tools.make_public_workflows

writes their API forms and their cards for the template browser; make_ui_workflows.py makes the UI forms of these
as of all others. test_public_workflows.py sees that each names just the files of public_files.py and runs on tiny
random models in their place. What was checked of them: docs/public-weights.md.
"""

from __future__ import annotations

import json
from io import BytesIO

from interacthuman.interact_core.examples import portrait_file
from interacthuman.interact_core.preview.lettering import write
from interacthuman.interact_core.preview.palette import INK, PAPER
from interacthuman.tools.graphs import (
    converted_graphs,
    pages,
    public_dubbing,
    public_graphs,
    public_pages,
    public_probe,
)
from interacthuman.tools.make_workflows import GRAPHS, WORKFLOWS, ui_file
from PIL import Image, ImageDraw

PUBLIC = {
    make.__name__: make
    for make in (
        public_graphs.needs_weights_infinitetalk,
        public_graphs.needs_weights_humo,
        converted_graphs.needs_weights_infinitetalk_own_picture,
        converted_graphs.needs_weights_humo_own_picture,
        converted_graphs.needs_weights_phantom_own_pictures,
        converted_graphs.needs_weights_s2v,
        public_dubbing.needs_weights_infinitetalk_dubbing,
        public_probe.needs_weights_infinitetalk_probe,
    )
}
ALL = {**GRAPHS, **PUBLIC}
# What stands on the canvas, where that is more than what is sent.
WHOLE = {
    **ALL,
    "needs_weights_humo_own_picture": converted_graphs.humo_with_a_second_character,
    "needs_weights_s2v": converted_graphs.s2v_with_pose,
}
ALL_PAGES = {**pages.PAGES, **public_pages.PAGES}

CARDS = {
    "needs_weights_infinitetalk": ("InfiniteTalk", "two puppets in place"),
    "needs_weights_humo": ("HuMo", "two puppets in place"),
    "needs_weights_infinitetalk_own_picture": ("InfiniteTalk", "your own picture, in turns"),
    "needs_weights_humo_own_picture": ("HuMo", "your own picture"),
    "needs_weights_phantom_own_pictures": ("Phantom", "your own pictures, in turns"),
    "needs_weights_s2v": ("Wan2.2 S2V", "your own picture, in turns"),
    "needs_weights_infinitetalk_dubbing": ("InfiniteTalk", "new words in your own video"),
    "needs_weights_infinitetalk_probe": ("InfiniteTalk", "which block knows who is where"),
}
CARD = (480, 480)  # pixels, as the pictures of the other templates


def draw_card(name: str) -> bytes:
    """A JPEG that says what the template is for; no run can be shown, as nothing here can run it."""
    canvas, half = Image.new("RGB", CARD, PAPER), CARD[0] // 2
    for number, who in enumerate(("Mira", "Tobi")):
        with Image.open(portrait_file(who)) as opened:
            picture = opened.convert("RGB")
        side = min(picture.size)
        left = (picture.width - side) // 2
        face = picture.crop((left, 0, left + side, side)).resize((half, half), Image.Resampling.LANCZOS)
        canvas.paste(face, (number * half, 0))
    pen = ImageDraw.Draw(canvas)
    for line, (words, size) in enumerate(zip((*CARDS[name], "needs public weights"), (44, 26, 26))):
        write(pen, (CARD[0] // 2, half + 50 + 55 * line), words, size, INK, anchor="mm")
    file = BytesIO()
    canvas.save(file, "JPEG", quality=88, optimize=True)
    return file.getvalue()


def api_text(name: str) -> str:
    """What workflows/api/NAME.json holds."""
    return json.dumps(PUBLIC[name](), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for graph_name in PUBLIC:
        (WORKFLOWS / "api" / f"{graph_name}.json").write_text(api_text(graph_name), encoding="utf-8")
        ui_file(graph_name).with_suffix(".jpg").write_bytes(draw_card(graph_name))
