"""Coroutines in tests that may run after a browser test."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_aside(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run` in a thread of its own: playwright keeps a loop running in the main thread once a browser
    test was there, and a second one in the same thread is refused.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
