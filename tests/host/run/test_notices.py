"""What a run says on its node: that it runs otherwise than its settings and its cast suggest."""

from __future__ import annotations

import logging
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run import notices
from interacthuman.interact_core.host.run.live import TEXT_EVENT, MaskStream, Origin
from interacthuman.interact_core.sentences import sentence
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy

FPS_SENTENCE = "The adapter was trained at 25 frames per second, but the video has 30: mouths may lag."


def said_by(
    folder: Path,
    cast: Cast,
    settings: GuidanceSettings | None = None,
    strength: float = 1.0,
    steps: int = 3,
) -> list[str]:
    """The texts of one run, in order; the last is what the node shows afterwards."""
    texts: list[str] = []

    def send(event: str, content: dict[str, Any], client: str) -> None:
        if event == TEXT_EVENT:
            texts.append("\n".join(line["text"] for line in content["lines"]))

    model = apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder), strength)
    guided, _ = apply_guidance(
        model,
        cast,
        settings or GuidanceSettings(),
        lambda *run: MaskStream(*run, folder=str(folder), send=send, client="tab"),
    )
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=steps)
    return texts


def with_layout(cast: Cast, number: int, layout: torch.Tensor) -> Cast:
    characters = list(cast.characters)
    characters[number] = replace(characters[number], layout=layout)
    return replace(cast, characters=tuple(characters))


def test_a_run_that_does_what_it_was_told_takes_an_earlier_text_away(tmp_path: Path) -> None:
    assert set(said_by(tmp_path, tiny_wan.make_cast())) == {""}


def test_another_frame_rate_is_said_before_the_first_step_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = said_by(tmp_path, replace(tiny_wan.make_cast(), fps=30.0))
    assert texts[0] == texts[-1] == FPS_SENTENCE
    assert [record.levelno for record in caplog.records if record.getMessage() == FPS_SENTENCE] == [
        logging.WARNING
    ]
    near = replace(tiny_wan.make_cast(), fps=25.05)
    assert FPS_SENTENCE not in said_by(tmp_path, near)


def test_a_run_that_uses_nothing_of_what_was_given_says_so(tmp_path: Path) -> None:
    cast = tiny_wan.make_cast()
    assert "strength of the adapter is 0" in said_by(tmp_path, cast, strength=0.0)[0]
    late = GuidanceSettings(stage_boundary=1.0, stage_one_audio="mute")
    assert said_by(tmp_path, cast, late)[-1] == (
        "No masks steered any of the 3 steps: stage_boundary is 1, and before it the audio is 'mute'."
    )
    drawn = with_layout(cast, 1, torch.ones(1, 64, 96))
    for source, said in (("predicted", True), ("none", True), ("fixed", False)):
        layouts = torch.ones(2, *cast.grid)
        texts = said_by(tmp_path, replace(drawn, layouts=layouts), GuidanceSettings(mask_source=source))
        assert ("The layout of character 1 is not used" in texts[0]) is said


def test_several_sentences_are_shown_together(tmp_path: Path) -> None:
    late = GuidanceSettings(stage_boundary=1.0)
    texts = said_by(tmp_path, replace(tiny_wan.make_cast(), fps=30.0), late)
    assert texts[0] == FPS_SENTENCE
    assert texts[-1].splitlines()[0] == FPS_SENTENCE and "No masks steered" in texts[-1].splitlines()[1]


# --- masks


@pytest.mark.parametrize(
    "strongest, speaking, said",
    [
        ((0.9, 0.9), (True, True), None),
        ((0.9, 0.26), (True, True), None),  # mask_gain is 2
        ((0.9, 0.2), (True, True), "character 1 had an empty mask"),
        ((0.0, 0.0), (True, True), "character 0 and character 1 had empty masks, so no mouth followed those"),
        ((0.9, 0.0), (True, False), None),
    ],
)
def test_an_empty_mask_is_said_by_name(
    strongest: tuple[float, float], speaking: tuple[bool, bool], said: str | None
) -> None:
    cast = tiny_wan.make_cast(speaking)
    masks = torch.zeros(2, *cast.grid)
    masks[:, 1, 2, 3] = torch.tensor(strongest)
    found = notices.after_run(cast, GuidanceSettings(), True, 4, masks.half())
    assert found == [] if said is None else str(*found).startswith(said)


def test_who_speaks_without_a_layout_is_said_where_layouts_steer() -> None:
    cast = tiny_wan.make_cast()
    layouts = torch.zeros(2, *cast.grid)
    layouts[0] = 1.0
    found = notices.after_run(
        replace(cast, layouts=layouts), GuidanceSettings(mask_source="fixed"), True, 4, None
    )
    assert str(*found).startswith("character 1 had no layout")


# --- the way to the node


def test_a_run_tells_its_node_in_the_browser_that_queued_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody where no browser did."""
    sent: list[tuple[Any, ...]] = []
    instance = types.SimpleNamespace(client_id="tab", send_sync=lambda *given: sent.append(given))
    module = types.ModuleType("server")
    module.PromptServer = types.SimpleNamespace(instance=instance)
    monkeypatch.setitem(sys.modules, "server", module)
    said = sentence("run_strength")
    Origin("5:1", "w").open_stream(tiny_wan.make_cast(), 4).say([said])
    ((event, content, client),) = sent
    assert (event, client) == ("interact.text", "tab")
    assert (content["source"], content["workflow"], content["lines"]) == ("5:1", "w", [said.record()])
    instance.client_id = None
    Origin("5:1", "w").open_stream(tiny_wan.make_cast(), 4).say([said])
    assert len(sent) == 1
