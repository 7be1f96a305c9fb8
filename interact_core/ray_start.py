"""Ray, for what runs on several machines or on all cores of one. It is optional: who calls this asks for it."""

from __future__ import annotations

import logging
import os
from typing import Any

from .errors import InteractError, one_line


def start_ray(address: str | None, **alone: Any) -> Any:
    """The module ray, connected. address: of a cluster, None for this machine alone, which `alone` is for.

    Raises InteractError where Ray cannot be used.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use to its makers
    import ray

    here = {} if address else {"include_dashboard": False, **alone}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "this machine"
        raise InteractError(f"Ray cannot be used on {where}: {one_line(error)}.") from error
    return ray
