"""A small part of the campaign of browsers, on the server of the tests."""

from __future__ import annotations

import random
from typing import Any

import pytest
from interacthuman.benchmarks.trust import browsers
from interacthuman.interact_core.comfy_server import ComfyServer


def test_two_browsers_are_told_of_their_own_runs_alone(
    server: ComfyServer, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a cast of its own, and prompts of both wait at once; nobody sees the other's names or masks."""
    monkeypatch.setattr(browsers, "PROMPTS", 3)
    stage = browsers.Stage(server, browser, expected="")
    assert browsers.two_browsers(stage, random.Random(2)) is None
