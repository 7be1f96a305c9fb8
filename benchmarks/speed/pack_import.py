"""Time that the pack adds to ComfyUI's start: its import and its list of nodes."""

from __future__ import annotations

import subprocess
import sys

from ...interact_core.comfy_server import comfy_folder
from ..scenes.result import Figure
from .forward import Bench
from .timing import median

IMPORT = """
import sys, time, asyncio
sys.argv = sys.argv[:1]
from comfy.cli_args import args
args.cpu = {cpu}
import nodes, server, comfy.samplers, comfy.sd
from comfy_api.latest import io
begun, held = time.perf_counter(), set(sys.modules)
import interacthuman
async def listed():
    return await (await interacthuman.comfy_entrypoint()).get_node_list()
found = asyncio.run(listed())
print(time.perf_counter() - begun, len(found), len(set(sys.modules) - held))
"""


def pack_import(bench: Bench) -> list[Figure]:
    """The pack's import and node list in a fresh process that has ComfyUI's own modules."""
    script = IMPORT.format(cpu=bench.device.type == "cpu")
    taken = []
    for _ in range(max(3, bench.repeats)):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=comfy_folder(), check=True
        )
        spent, nodes, modules = done.stdout.split()[-3:]
        taken.append(float(spent))
    note = f"{nodes} nodes, {modules} modules that ComfyUI does not load itself"
    return [Figure("import_ms", *median(taken, 1000), note=note)]
