"""InterActHuman for ComfyUI: several characters in one video, each speaking its own recording."""

# InteractError says that this is its module, and a worker process can hand on only what is found where it says it is.
from .interact_core.errors import InteractError

__all__ = ["WEB_DIRECTORY", "InteractError", "comfy_entrypoint"]

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """ComfyUI's way in: the extension whose nodes it registers."""
    from .nodes import InteractExtension

    return InteractExtension()
