"""What tests of the theatre's training share."""

import pytest
import torch
from interacthuman.tests.support.theatre.clips import random_vae


@pytest.fixture(scope="module")
def vae() -> torch.nn.Module:
    return random_vae()
