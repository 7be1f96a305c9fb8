"""A small part of the campaigns against broken files, and that the campaigns would see a fault."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from interacthuman.benchmarks.scenes import result
from interacthuman.benchmarks.trust import adapters, encoders, inputs, training
from interacthuman.benchmarks.trust.campaign import Order, Tally, exact_interval, faulty_share
from interacthuman.benchmarks.trust.damage import DAMAGES
from interacthuman.benchmarks.trust.watch import fault_of_sentence
from safetensors.torch import load_file

pytest.importorskip("resource")
SEED = 7


def lasting_faults(tally: Tally) -> list[str]:
    """All but those that a busy machine can make."""
    return [f"{fault.tried}: {fault.found}" for fault in tally.faults if not fault.found.startswith("took")]


def tallied(campaign: ModuleType, order: Order) -> Tally:
    campaign.run(order)
    return order.tally


def test_broken_adapters_are_refused_or_work(tmp_path: Path) -> None:
    tally = tallied(adapters, Order(SEED, range(24), tmp_path))
    assert lasting_faults(tally) == [] and len(tally.kept) == 24
    assert tally.outcomes[adapters.REFUSED] > 10 and tally.outcomes[adapters.FINITE] > 0


def test_broken_encoders_are_refused_or_work(tmp_path: Path) -> None:
    tally = tallied(encoders, Order(SEED, range(20), tmp_path))
    assert lasting_faults(tally) == [] and len(tally.kept) == 20
    assert tally.outcomes[encoders.REFUSED] > 5 and tally.outcomes[encoders.FINITE] > 0


def test_unusual_inputs_end_in_a_sentence_or_in_the_right_result(tmp_path: Path) -> None:
    import folder_paths

    temp = folder_paths.get_temp_directory()
    try:
        tally = tallied(inputs, Order(SEED, range(1, 9), tmp_path))
    finally:
        folder_paths.set_temp_directory(temp)
    assert lasting_faults(tally) == [] and len(tally.kept) == 8
    assert tally.outcomes[inputs.SENTENCE] > 0 and tally.outcomes[inputs.ENCODED] > 0


def test_training_that_is_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """And a shard that rots is told; full disks and rotten caches are left to the campaign, for their time."""
    kinds = ("killed", "rotten shard")
    numbers = [next(n for n in range(training.TRIALS) if training.kind_of(n) == kind) for kind in kinds]
    tally = tallied(training, Order(SEED, numbers, tmp_path))
    assert lasting_faults(tally) == [] and tally.outcomes == dict.fromkeys(kinds, 1)


def test_a_fault_is_seen_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: Path) -> None:
        raise KeyError("audio_blocks.0.q.weight")

    monkeypatch.setattr(adapters, "load_adapter", careless)
    monkeypatch.setattr(adapters, "sampled", lambda whole, path: True)
    tally = tallied(adapters, Order(SEED, (3, 5), tmp_path))
    assert [fault.number for fault in tally.faults] == [3, 5] and "KeyError" in tally.faults[0].found
    assert faulty_share(tally).value == 1.0 and not faulty_share(tally).holds


def test_a_campaign_that_was_killed_goes_on(tmp_path: Path) -> None:
    """With a line that was cut while it was written; trials that were a fault are run again, and counted once."""
    journal = tmp_path / "kept.jsonl"
    first = Tally.of(journal)
    first.count(0, "well", seconds=1.0)
    first.fault(1, "a file", "KeyError", seconds=9.0)
    first.count(3, "well", seconds=2.0)
    with journal.open("a", encoding="utf-8") as lines:
        lines.write('\n{"number": 4, "outc')
    second = Tally.of(journal, "abc")
    order = Order(SEED, range(5), tmp_path, second)
    assert list(order.left()) == [1, 2, 4] and second.session == 1
    assert list(replace(order, until=0.0).left()) == []
    assert list(replace(order, numbers=[3], anew=True).left()) == [3]
    second.count(1, "well", seconds=0.5)
    again = Tally.of(journal)
    assert again.outcomes == {"well": 3} and again.values("seconds") == [1.0, 0.5, 2.0]
    assert [trial.code for trial in again.trials] == ["", "abc", ""]


def test_campaigns_that_end_together_keep_each_others_figures(tmp_path: Path) -> None:
    path, figure = tmp_path / "trust.json", faulty_share(Tally())
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda title: result.merge(path, title, [figure], {}, {}, "", "trials"), "abcdefgh" * 4)
        )
    assert sorted(json.loads(path.read_text(encoding="utf-8"))) == list("abcdefgh")


def test_a_trial_can_be_had_again(tmp_path: Path) -> None:
    order = Order(SEED, range(4), tmp_path)
    whole = adapters.whole_adapters(tmp_path)["float8"].contents
    for damage in DAMAGES.values():
        again = [damage(whole, order.draw(11)) for _ in range(2)]
        assert again[0] == again[1] and again[0] != whole.packed()
    (tmp_path / "whole.safetensors").write_bytes(whole.packed())
    again = load_file(tmp_path / "whole.safetensors")
    assert again.keys() == whole.weights.keys()
    assert all(torch.equal(again[key].float(), value.float()) for key, value in whole.weights.items())


@pytest.mark.parametrize(
    "said, fault",
    [
        ("/a/b.safetensors is broken.", None),
        ("/a/b.safetensors is\nbroken.", "not one line"),
        ("the file is broken.", "does not name"),
        ("/a/b.safetensors is broken: " + 1000 * "x" + ".", "characters"),
        ("/a/b.safetensors is", "in the middle"),
    ],
)
def test_what_counts_as_a_sentence(said: str, fault: str | None) -> None:
    found = fault_of_sentence(said, Path("/a/b.safetensors"))
    assert found is None if fault is None else fault in (found or "")


def test_the_interval_of_a_share() -> None:
    """No fault in n trials leaves a share of up to 1 - 0.025^(1/n), about 3.7 / n."""
    assert exact_interval(0, 1000) == pytest.approx((0.0, 1 - 0.025**0.001))
    low, high = exact_interval(5, 10)
    assert (low, high) == pytest.approx((0.1871, 0.8129), abs=1e-4)
