"""All stages in their order."""

from __future__ import annotations

from .film.cuts import CUTS
from .film.duplicates import DUPLICATES, HASHES
from .film.films import FILMS
from .film.quality import QUALITY
from .people.captions import CAPTIONS
from .people.masks import MASKS
from .people.references import REFERENCES
from .people.voices import VOICES
from .shards import ENCODE, GROUPS, SHARDS

STAGES = (
    *(FILMS, CUTS, HASHES, DUPLICATES, QUALITY),
    *(CAPTIONS, MASKS, VOICES, REFERENCES),
    *(GROUPS, SHARDS, ENCODE),
)
