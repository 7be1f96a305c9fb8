"""The live view: while a run samples, each step's masks and frames go to the browser that queued it.

Pictures are written to ComfyUI's temp folder, from where /view serves them; one small event a step names them.
What is to be said of the run goes the same way.
Nothing is sent to any other client, and nothing at all outside ComfyUI's server or for a prompt that no browser
queued.
"""

import logging
import sys
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import folder_paths
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...guidance import Cast
from ...preview.manifest import FORMAT, cast_record, scene_record, step_record
from ...sentences import Sentence
from ..node_text import records, view_missing
from .cast_view import fixed_masks, loudness_of, sounds_of

logger = logging.getLogger(__name__)

STEP_EVENT = "interact.step"
END_EVENT = "interact.end"
TEXT_EVENT = "interact.text"
DONE, STOPPED = "done", "stopped"

Send = Callable[[str, dict[str, Any], str], None]


class MaskStream:
    """Reports one run to one browser. If that fails, the run goes on and the log gets one warning."""

    def __init__(
        self,
        cast: Cast,
        total_steps: int,
        mask_source: str = "predicted",
        seed: int | None = None,
        *,
        origin: dict[str, str] | None = None,
        folder: str = "",
        send: Send | None = None,
        client: str | None = None,
    ) -> None:
        """origin: workflow, source and prompt, as events carry them. folder: where pictures are written.

        send: as PromptServer.send_sync, called with event, JSON and `client`; without either, nothing is sent.
        """
        self.run = uuid.uuid4().hex
        self._origin = {"version": FORMAT, "run": self.run, **(origin or {})}
        self.seed = seed
        self._scene = scene_record(cast, cast.grid, total_steps, mask_source, seed)
        self._cast: Cast | None = cast  # until it is told of
        self._mask_source = mask_source
        self._folder = folder
        self._send: Callable[[str, dict[str, Any]], None] | None = None
        if send is not None and client is not None:
            self._send = lambda event, content: send(event, content, client)
        self._failed = False

    def say(self, sentences: Iterable[Sentence]) -> None:
        """Show sentences under the node that the run belongs to, in place of earlier ones."""
        if self._send is None:
            return
        try:
            self._send(TEXT_EVENT, {**self._origin, "lines": records(sentences)})
        except Exception as error:  # as in step
            self._fail(error)

    def step(
        self, index: int, sigma: float, steered: bool, masks: Tensor | None, pictures: Tensor | None
    ) -> Sentence | None:
        """A sampler step is done: masks [N, T, h, w], pictures uint8 [T, h', w', 3], both on the CPU.

        Returns what to say where the pictures cannot be written, once.
        """
        if self._send is None or self._failed:
            return None
        try:
            step = step_record(self._folder, index, sigma, steered, masks, pictures)
            self._send(STEP_EVENT, {**self._origin, "scene": self._scene, "step": step, **self._once()})
        except Exception as error:  # nobody may lose a run for a picture of it; interrupts are not caught
            self._fail(error)
            return view_missing(error) if isinstance(error, OSError) else None
        return None

    def _once(self) -> dict[str, Any]:
        """What the first event tells besides: voices and fixed masks, which a long film has much of."""
        cast, self._cast = self._cast, None
        if cast is None:
            return {}
        fixed = fixed_masks(cast, self._mask_source)
        return cast_record(self._folder, loudness_of(cast), sounds_of(cast), fixed)

    def end(self, how: str) -> None:
        """The run has ended: DONE, or STOPPED by an interrupt or an error."""
        if self._send is None:
            return
        try:
            self._send(END_EVENT, {**self._origin, "how": how})
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            logger.warning("The live view of the masks has stopped; the run goes on.", exc_info=error)
        self._failed = True


OpenStream = Callable[[Cast, int, str, int | None], MaskStream]
"""From cast, number of steps, mask source and seed to the stream of a run. MaskStream itself makes one that sends
nothing."""


@dataclass(frozen=True)
class Origin:
    """The node and the workflow whose viewers a run belongs to.

    source: execution id of the node, such as "5:1"; workflow: its id, or "" if it is unknown.
    """

    source: str
    workflow: str

    def open_stream(
        self, cast: Cast, total_steps: int, mask_source: str = "predicted", seed: int | None = None
    ) -> MaskStream:
        """A stream to the browser that queued the prompt being executed."""
        # Not imported: outside ComfyUI's server there is none, and importing its module would start half of it.
        server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
        if server is None or server.client_id is None:
            return MaskStream(cast, total_steps, mask_source, seed)
        context = get_executing_context()
        prompt = context.prompt_id if context is not None else ""
        origin = {
            "workflow": running_workflow(server, prompt) or self.workflow,
            "source": self.source,
            "prompt": prompt,
        }
        return MaskStream(
            cast,
            total_steps,
            mask_source,
            seed,
            origin=origin,
            folder=folder_paths.get_temp_directory(),
            send=server.send_sync,
            client=server.client_id,
        )


def running_workflow(server: Any, prompt: str) -> str:
    """The id of the workflow whose prompt is executed, "" if it has none.

    A guided MODEL may come from ComfyUI's cache, made when another workflow with the same nodes ran (a copy of it,
    say): the workflow id that its node got is then out of date.
    """
    try:
        running, _ = server.prompt_queue.get_current_queue_volatile()
        extra = next(item[3] for item in running if item[1] == prompt)
    except (AttributeError, IndexError, StopIteration):  # another ComfyUI's queue
        return ""
    return workflow_id(extra.get("extra_pnginfo"))


def workflow_id(extra_pnginfo: Any) -> str:
    """The id in what a browser sends along with a prompt, "" if there is none."""
    workflow = extra_pnginfo.get("workflow") if isinstance(extra_pnginfo, dict) else None
    found = workflow.get("id") if isinstance(workflow, dict) else None
    return str(found) if found else ""
