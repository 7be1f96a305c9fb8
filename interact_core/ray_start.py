"""Ray, for what runs on several machines or on all cores of one. It is optional: who calls this asks for it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from .errors import InteractError, one_line


def start_ray(address: str | None, **alone: Any) -> Any:
    """The module ray, connected. address: of a cluster, None for this machine alone, which `alone` is for.

    Raises InteractError where Ray cannot be used.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use to its makers
    if address and _has_token():
        # Where there is one, `ray start` asks for it, and ray.init does not send it by itself.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    # Workers of a cluster are no children of this process: they find the pack and ComfyUI where these lie here.
    places = {name: os.environ[name] for name in ("PYTHONPATH", "INTERACT_COMFYUI") if name in os.environ}
    there = {"runtime_env": {"env_vars": places}}
    here = there if address else {"include_dashboard": False, **alone}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "this machine"
        raise InteractError(f"Ray cannot be used on {where}: {one_line(error)}.") from error
    return ray


def _has_token() -> bool:
    """Whether there is a token for clusters, where Ray looks for it (its page on token authentication)."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(given) or (Path.home() / ".ray" / "auth_token").is_file()
