"""The live view of a run: what is sent, to whom, and that nothing of it can hurt the run."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

import comfy.latent_formats  # isort: skip
import comfy.model_management  # isort: skip
import latent_preview  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy_execution.utils import CurrentNodeContext  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings, MaskHistory
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run import live
from interacthuman.interact_core.host.run.latent_preview import LatentPreview
from interacthuman.interact_core.host.run.live import TEXT_EVENT, MaskStream, Origin, workflow_id
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.preview.atlas import decode_masks
from interacthuman.interact_core.preview.manifest import build_manifest, read_history
from interacthuman.interact_core.speech.peaks import peaks_on_timeline
from interacthuman.interact_core.speech.types import Speech

HALFWAY = GuidanceSettings(stage_boundary=0.5)
ORIGIN = {"workflow": "w", "source": "5:1", "prompt": "p"}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


class Browser:
    """Replaces PromptServer.send_sync, and keeps what is sent of the masks; of texts, test_notices.py."""

    def __init__(self, folder: Path, then: Callable[[], None] = lambda: None) -> None:
        self.folder, self.then = folder, then
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, event: str, content: dict[str, Any], client: str) -> None:
        assert client == "tab"
        if event == TEXT_EVENT:
            return
        self.sent.append((event, json.loads(json.dumps(content))))
        self.then()

    def open_stream(
        self, cast: Cast, total_steps: int, mask_source: str, seed: int | None, client: str | None = "tab"
    ) -> MaskStream:
        options = {"origin": ORIGIN, "folder": str(self.folder), "send": self.send, "client": client}
        return MaskStream(cast, total_steps, mask_source, seed, **options)

    @property
    def steps(self) -> list[dict[str, Any]]:
        return [content["step"] for event, content in self.sent if event == "interact.step"]


def sampled(
    model: ModelPatcher,
    stream: live.OpenStream,
    steps: int = 4,
    settings: GuidanceSettings = HALFWAY,
    layouts: torch.Tensor | None = None,
) -> tuple[torch.Tensor, MaskHistory]:
    cast = tiny_wan.make_cast(layouts=layouts)
    latent, history = sample(
        model,
        *tiny_wan.conds(cast),
        tiny_wan.empty_latent(cast),
        cast,
        settings,
        seed=5,
        steps=steps,
        cfg=3.0,
        audio_cfg=None,
        sampler="euler",
        scheduler="simple",
        open_stream=stream,
    )
    return latent["samples"], history


def test_every_step_is_told_with_its_pictures(adapted: ModelPatcher, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "temp")
    samples, history = sampled(adapted, browser.open_stream)
    assert [event for event, _ in browser.sent] == ["interact.step"] * 4 + ["interact.end"]
    first, last = browser.sent[0][1], browser.sent[-1][1]
    assert first == {
        "version": 1,
        "run": history.run,
        **ORIGIN,
        "scene": {
            "names": ["character 0", "character 1"],
            "grid": [3, 4, 6],
            "width": 96,
            "height": 64,
            "frames": 9,
            "fps": 25.0,
            "total_steps": 4,
            "mask_source": "predicted",
            "seed": "5",
        },
        "step": browser.steps[0],
        "voices": [None, None],
        "sounds": None,
        "fixed": None,
    }
    assert set(browser.sent[1][1]) == set(first) - {"voices", "sounds", "fixed"}
    assert last == {"version": 1, "run": history.run, **ORIGIN, "how": "done"}
    assert [step["index"] for step in browser.steps] == [0, 1, 2, 3]
    assert [step["steered"] for step in browser.steps] == list(history.steered)
    assert {True, False} == set(history.steered)
    quiet, other = sampled(adapted, MaskStream)
    assert torch.equal(samples, quiet) and torch.equal(history.masks, other.masks)
    assert torch.equal(history.pictures, other.pictures) and history.run != other.run


def test_the_manifest_names_the_pictures_that_were_sent(adapted: ModelPatcher, tmp_path: Path) -> None:
    """So that a viewer fetches nothing twice."""
    browser = Browser(tmp_path)
    _, history = sampled(adapted, browser.open_stream)
    before = {path.name for path in tmp_path.iterdir()}
    manifest = build_manifest(history, None, tmp_path)
    assert manifest["steps"] == browser.steps and manifest["run"] == history.run
    assert manifest["scene"] == browser.sent[0][1]["scene"]
    assert {path.name for path in tmp_path.iterdir()} == before and len(before) == 8
    assert (read_history(manifest, tmp_path).masks - history.masks).abs().max() < 0.003
    assert read_history(manifest, tmp_path).seed == history.seed == 5


def test_a_viewer_is_told_which_masks_steer(adapted: ModelPatcher, tmp_path: Path) -> None:
    for source, ever in (("fixed", True), ("none", False)):
        browser = Browser(tmp_path / source)
        settings = replace(HALFWAY, mask_source=source)
        _, history = sampled(adapted, browser.open_stream, settings=settings, layouts=torch.ones(2, 3, 4, 6))
        assert browser.sent[0][1]["scene"]["mask_source"] == source
        assert any(history.steered) is any(step["steered"] for step in browser.steps) is ever
        manifest = build_manifest(history, None, tmp_path / source)
        assert manifest["scene"]["mask_source"] == source
        fixed = browser.sent[0][1]["fixed"]
        assert manifest["fixed"] == fixed and (fixed is not None) is ever
        if fixed:
            drawn = decode_masks((tmp_path / source / fixed).read_bytes(), 2, (3, 4, 6))
            assert torch.equal(drawn, torch.ones_like(drawn))
        assert read_history(manifest, tmp_path / source).mask_source == source


def test_core_samplers_on_a_guided_model_tell_too(adapted: ModelPatcher, tmp_path: Path) -> None:
    cast = tiny_wan.make_cast()
    for sampler in ("euler", "uni_pc", "heun", "dpmpp_2m"):
        browser = Browser(tmp_path)
        guided, handle = apply_guidance(adapted, cast, HALFWAY, browser.open_stream)
        tiny_wan.core_sample(
            guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast, 2), sampler, callback=lambda *_: None
        )
        assert [step["index"] for step in browser.steps] == list(collect(handle).steps)
        assert all(step["masks"] and step["frames"] for step in browser.steps)
        assert collect(handle).pictures.shape == (len(browser.steps), 3, 8, 12, 3)


def test_without_a_browser_nothing_is_sent_or_written(adapted: ModelPatcher, tmp_path: Path) -> None:
    browser = Browser(tmp_path)
    sampled(adapted, lambda *run: browser.open_stream(*run, client=None))
    sampled(adapted, lambda *run: MaskStream(*run, folder=str(tmp_path), client="tab"))
    assert not browser.sent and not list(tmp_path.iterdir())


def test_a_view_that_fails_says_so_once_and_leaves_the_run_alone(
    adapted: ModelPatcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def closed() -> None:
        raise RuntimeError("Event loop is closed")

    full = tmp_path / "full"
    full.write_text("a file where the folder should be")
    golden, _ = sampled(adapted, MaskStream)
    for browser, events in ((Browser(tmp_path, closed), 2), (Browser(full), 1)):
        caplog.clear()
        samples, history = sampled(adapted, browser.open_stream)
        assert torch.equal(samples, golden) and len(history.masks) == 4
        assert len(browser.sent) == events and browser.sent[-1][0] == "interact.end"
        assert caplog.text.count("The live view of the masks has stopped") == 1
        assert [one.key for one in history.said] == (["view_missing"] if browser.folder is full else [])


def test_interrupts_and_errors_pass_and_end_the_view(adapted: ModelPatcher, tmp_path: Path) -> None:
    def interrupt() -> None:
        if len(browser.sent) == 2:
            raise comfy.model_management.InterruptProcessingException

    browser = Browser(tmp_path, interrupt)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sampled(adapted, browser.open_stream)
    assert [event for event, _ in browser.sent] == ["interact.step"] * 2 + ["interact.end"]
    assert browser.sent[-1][1]["how"] == "stopped"

    cast = tiny_wan.make_cast()
    browser = Browser(tmp_path)
    guided, handle = apply_guidance(adapted, cast, HALFWAY, browser.open_stream)
    with pytest.raises(InteractError, match="1 reference pictures"):
        tiny_wan.core_sample(
            guided, *tiny_wan.conds(tiny_wan.make_cast((True,))), tiny_wan.empty_latent(cast)
        )
    assert [content["how"] for _, content in browser.sent] == ["stopped"] and handle.history is None


# --- who gets the events


def fake_server(client: str | None, workflow: str | None, sent: list[tuple]) -> types.ModuleType:
    """A module as ComfyUI's server.py, with one prompt "p" that is executed now."""
    extra = {"extra_pnginfo": {"workflow": {"id": workflow}}} if workflow else {}
    queue = types.SimpleNamespace(get_current_queue_volatile=lambda: ([(0, "p", {}, extra, [], {})], []))
    instance = types.SimpleNamespace(
        client_id=client, prompt_queue=queue, send_sync=lambda *event: sent.append(event)
    )
    module = types.ModuleType("server")
    module.PromptServer = types.SimpleNamespace(instance=instance)
    return module


@pytest.mark.parametrize(
    "client, executed, expected",
    [
        ("tab", "copy", "copy"),  # the guided MODEL came from the cache, of a run of the original
        ("tab", None, "original"),
        (None, "copy", None),
    ],
)
def test_the_prompt_that_is_executed_says_who_is_told(
    client: str | None, executed: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple] = []
    monkeypatch.setitem(sys.modules, "server", fake_server(client, executed, sent))
    with CurrentNodeContext("p", "77"):
        stream = Origin("5:1", "original").open_stream(tiny_wan.make_cast(), 4)
    stream.step(0, 1.0, False, None, None)
    stream.end("done")
    if expected is None:
        assert sent == []
        return
    assert [event for event, _, _ in sent] == ["interact.step", "interact.end"]
    for _, content, to in sent:
        assert to == "tab"
        assert (content["workflow"], content["source"], content["prompt"]) == (expected, "5:1", "p")
    assert sent[0][1]["step"] == {
        "index": 0,
        "sigma": 1.0,
        "steered": False,
        "masks": None,
        "frames": None,
    }


def test_outside_a_server_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server", raising=False)
    Origin("1", "w").open_stream(tiny_wan.make_cast(), 4).end("done")
    assert "server" not in sys.modules


@pytest.mark.parametrize(
    "sent_along, expected",
    [
        (None, ""),
        ({}, ""),
        ({"workflow": None}, ""),
        ({"workflow": {}}, ""),
        ({"workflow": {"id": "w"}}, "w"),
    ],
)
def test_a_prompt_need_not_come_with_a_workflow(sent_along: Any, expected: str) -> None:
    assert workflow_id(sent_along) == expected


# --- the pictures


def test_frames_have_the_colours_of_comfyuis_own_preview() -> None:
    wan = comfy.latent_formats.Wan21()
    latent = torch.randn(2, 16, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    ours = LatentPreview(wan).pictures(latent)
    assert ours.shape == (3, 8, 12, 3) and ours.dtype == torch.uint8
    core = latent_preview.Latent2RGBPreviewer(wan.latent_rgb_factors, wan.latent_rgb_factors_bias)
    for frame in range(3):
        theirs = core.decode_latent_to_preview(latent[:, :, frame : frame + 1])
        assert abs(ours[frame].int() - torch.from_numpy(np.array(theirs)).int()).max() <= 1
    assert LatentPreview(wan).pictures(torch.zeros(1, 16, 2, 90, 160)).shape == (2, 72, 128, 3)
    for other in (torch.zeros(1, 16, 8, 8), torch.zeros(1, 48, 2, 8, 8)):
        assert LatentPreview(wan).pictures(other) is None
    assert LatentPreview(comfy.latent_formats.LatentFormat()).pictures(latent) is None


def spoken(waveform: torch.Tensor, start: float = 0.0) -> Speech:
    return Speech(torch.zeros(1, 1, 1), torch.zeros(1, 1), 25.0, waveform, 1000, start)


def test_voices_are_loud_where_they_are_heard() -> None:
    sound = torch.zeros(2, 1000)
    sound[1, 40:50] = -0.5  # the second frame's first quarter, on one channel
    sound[0, 995] = 3.0
    peaks = peaks_on_timeline(spoken(sound), 25, 25.0)
    assert peaks.dtype == torch.uint8 and peaks.shape == (100,)
    assert {place: int(peak) for place, peak in enumerate(peaks) if peak} == {4: 128, 99: 255}
    later = peaks_on_timeline(spoken(sound, 0.08), 25, 25.0)
    assert later.nonzero().flatten().tolist() == [12]
    assert peaks_on_timeline(spoken(sound, -0.04), 25, 25.0).nonzero().flatten().tolist() == [0, 95]
    assert not peaks_on_timeline(spoken(torch.zeros(1, 0)), 25, 25.0).any()
