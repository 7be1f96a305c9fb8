"""InterActHuman for ComfyUI: several characters in one video, each speaking its own recording."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """ComfyUI's way in: the extension whose nodes it registers."""
    from .nodes import InteractExtension

    return InteractExtension()
