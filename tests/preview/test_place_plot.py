"""What the plot of a probe shows, read off its pixels, and the table and the recipe beside it."""

import numpy as np
from interacthuman.interact_core.guidance.affinity_recipe import AffinityRecipe, Place, PlaceScores
from interacthuman.interact_core.preview.palette import INK
from interacthuman.interact_core.preview.place_plot import SCALE, draw_places

BEST = Place(1, "query_key", 0)


def scores(blocks: int = 2, heads: int = 2, best: Place = BEST) -> PlaceScores:
    places = [
        *(Place(block) for block in range(blocks)),
        *(Place(block, "query_key", head) for block in range(blocks) for head in range(heads)),
    ]
    return PlaceScores((0.8, 0.2), {one: (1.0, 1.0) if one == best else (0.0, 0.0) for one in places}, 0.02)


def test_the_best_place_alone_has_the_colour_of_1_and_a_frame():
    picture = draw_places(scores())
    full = (picture == np.array(SCALE[-1])).all(-1)
    rows, columns = full.sum(1), full.sum(0)
    cells = np.flatnonzero(rows > 20), np.flatnonzero(columns > 20)
    inside = picture[cells[0][0] - 3 : cells[0][-1] + 4, cells[1][0] - 3 : cells[1][-1] + 4]
    assert 40 < len(cells[0]) < 56 and 40 < len(cells[1]) < 56
    assert (inside[0] == INK).all() and (inside[:, -1] == INK).all()
    dark = (picture == np.array(SCALE[0])).all(-1)
    assert dark.sum() > 4 * 40 * 40, "the other five have that of 0"


def test_a_large_model_fits():
    assert draw_places(scores(40, 40)).shape[0] < 900
    assert draw_places(scores(3, 0, Place(2))).ndim == 3


def test_table_and_recipe_put_the_best_first():
    places = {
        Place(0): (0.5, 0.7),
        Place(1, "query_key", 3): (0.9, 0.8),
        Place(1): (0.6, 0.6),
    }
    found = PlaceScores((0.81, 0.2), places, 0.05)
    assert found.table().splitlines() == [
        "IoU at noise                  0.81    0.20    mean",
        "block 1, query_key, head 3   0.900   0.800   0.850",
        "block 0, hidden              0.500   0.700   0.600",
        "block 1, hidden              0.600   0.600   0.600",
    ]
    assert found.recipe() == AffinityRecipe((Place(1, "query_key", 3),), 0.05)
    assert np.isnan(found.mean(Place(7)))
