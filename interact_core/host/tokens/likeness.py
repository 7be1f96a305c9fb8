"""What a cast's masks by likeness are compared with: pictures, regions of the first frame, or one picture of all."""

from ...adapter.affinity import AffinityHead, LikenessHead, PictureHead, RegionHead
from ...guidance import Cast
from .geometry import Geometry
from .reference_images import person_tokens


def likeness_of(cast: Cast, geometry: Geometry, temperature: float) -> LikenessHead:
    """The head for a cast in calls of this geometry; temperature of the softmax over cosines."""
    if cast.regions is None:
        return AffinityHead(person_tokens(cast), temperature)
    kind = PictureHead if geometry.group_picture else RegionHead
    return kind(cast.regions, temperature)


def shows_examples(cast: Cast, geometry: Geometry) -> bool:
    """Whether a call has examples in it: regions are only in the first frame, or in a picture of all."""
    return cast.regions is None or geometry.frames[0] == 0 or geometry.group_picture
