"""Where models are found: the user's folders first, then the pack's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)


def test_encoders_are_listed_as_files_and_as_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import folder_paths
    from interacthuman.interact_core.host import folders

    for name in ("base/config.json", "base/model.safetensors", "sub/one.safetensors", "notes.txt", "old.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "audio_encoders", ([str(tmp_path)], set()))
    names = folders.audio_encoder_names()
    assert names == ["base", str(Path("sub") / "one.safetensors")]
    assert [folders.audio_encoder_path(name) for name in names] == [tmp_path / name for name in names]
    (tmp_path.parent / "outside.safetensors").touch()
    for name in ("gone", "../outside.safetensors", str(tmp_path / "base"), "base/model.safetensors", "", "."):
        with pytest.raises(InteractError, match=f"audio encoder {name!r} is no longer"):
            folders.audio_encoder_path(name)


def test_the_packs_own_models_are_found_behind_the_users(root: Path) -> None:
    import folder_paths
    from interacthuman.interact_core.host import folders

    folders.register_folders()
    folders.register_folders()  # a second extension load changes nothing
    for name in folders.SHIPPED:
        paths = [Path(path).resolve() for path in folder_paths.get_folder_paths(name)]
        assert paths.count(root / "models" / name) == 1 and paths[0] != root / "models" / name
        for file in (root / "models" / name).glob("*.safetensors"):
            assert file.name in folder_paths.get_filename_list(name)
    assert folder_paths.folder_names_and_paths["interact"][1] == {".safetensors", ".gguf"}
