"""No field of a foreign file or of a request is overlooked: some that once were, and what is quick to ask.

The long form, with every field, is ``benchmarks/fields.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fromnoise.ground.errors import UserError
from fromnoise.system.opening import check_components
from fromnoise.weights import lora
from fromnoise.weights.lora_file import read_lora
from planted_fields import PEFT, Planted, judged, loras
from planted_words import pictures, requests, tokenizers


def outcomes(found: list[Planted]) -> set[str]:
    assert [each for each in found if each.outcome == "wrong"] == []
    return {each.outcome for each in found}


def test_kinds_modes_turns_and_marks_of_pictures_are_what_pillow_makes_of_them(tmp_path: Path) -> None:
    found = list(pictures(tmp_path))
    assert outcomes(found) == {"honoured", "no effect"}
    assert len(found) > 90


def test_every_field_of_a_request_changes_the_picture_or_is_refused(tmp_path: Path) -> None:
    found = list(requests(tmp_path))
    assert outcomes(found) == {"honoured", "no effect", "refused"}
    assert {each.field for each in found if each.outcome == "no effect"} == {"native", "style"}


def test_settings_of_peft_that_change_what_is_added_are_honoured_or_refused(tmp_path: Path) -> None:
    fields = ("lora_alpha", "alpha_pattern", "use_rslora", "use_dora", "init_lora_weights", "layers_to_transform")
    fields += ("target_modules", "exclude_modules", "r", "peft_type", "kasa_config")
    assert set(fields) <= PEFT.keys()
    assert outcomes(list(loras(tmp_path, fields))) == {"honoured", "no effect", "refused"}


def test_settings_of_tokenizers_that_change_ids_are_honoured_or_refused(tmp_path: Path) -> None:
    fields = ("model_max_length", "split_special_tokens", "mask_token", "unk_token", "extra_special_tokens", "padding")
    fields += ("model.vocab", "model.merges", "model.type", "pad_token")
    assert outcomes(list(tokenizers(tmp_path, fields))) == {"honoured", "no effect", "refused"}


def test_a_model_that_is_told_a_score_of_beauty_is_refused() -> None:
    file = Path("model_index.json")
    with pytest.raises(UserError, match=r"model_index.json: requires_aesthetics_score is not supported"):
        check_components({"requires_aesthetics_score": True}, file)
    check_components({"requires_aesthetics_score": False}, file)


def test_settings_of_diffusers_in_the_file_are_checked_too(tmp_path: Path) -> None:
    name, file = "unet.mid_block.attentions.0.proj_in", tmp_path / "x.safetensors"
    state = {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(8, 2)}
    for settings, word in (
        ({"unet.use_dora": True}, "use_dora = True"),
        ({"unet.r": 4}, "r = 4 for .* of rank 2"),
        ({"unet.r": 4, "unet.rank_pattern": {"proj_in": 3}}, "rank_pattern = 3"),
        ({"unet.target_modules": ["to_q"]}, "target_modules does not name"),
    ):
        save_file(state, file, {"lora_adapter_metadata": json.dumps(settings)})
        with pytest.raises(UserError, match=word):
            read_lora(file)
    fine = {"unet.r": 2, "unet.target_modules": ["proj_in"], "text_encoder.r": 9}
    save_file(state, file, {"lora_adapter_metadata": json.dumps(fine)})
    assert len(read_lora(file).changes) == 1


def test_peft_names_a_layer_of_the_u_net_itself_without_a_dot(tmp_path: Path) -> None:
    state = {"base_model.model.conv_in.lora_A.weight": torch.ones(2, 4, 3, 3)}
    save_file({**state, "base_model.model.conv_in.lora_B.weight": torch.ones(8, 2, 1, 1)}, tmp_path / "x.safetensors")
    assert set(read_lora(tmp_path / "x.safetensors").changes) == {"unet.conv_in"}


def test_words_that_a_lora_listens_to_are_not_looked_for_in_a_header_of_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.safetensors"
    with file.open("wb") as opened:  # holes take no room
        opened.write((2**32).to_bytes(8, "little") + b"{}")
        opened.truncate(2**32 + 8)
    monkeypatch.setattr(lora, "safe_open", lambda *_: pytest.fail("as much memory would be taken"))
    assert lora.trigger_of(file) == ""


def test_the_judge_sees_what_is_overlooked() -> None:
    """The oracle: each way to be wrong is told, and what is right is not."""
    plain, other = torch.ones(3), torch.zeros(3)
    refusal = ValueError("no")

    def outcome(ours: object, theirs: object) -> str:
        return judged("f", "a.steps", 1, (ours, theirs, plain)).outcome

    assert outcome(other, other) == "honoured"
    assert outcome(plain, plain) == "no effect"
    assert outcome(UserError("steps = 1 is not supported"), other) == "refused"
    assert outcome(UserError("something is not supported"), other) == "wrong"
    assert (
        outcome(plain, other) == outcome(other, plain) == outcome(plain, refusal) == outcome(refusal, plain) == "wrong"
    )
    assert judged("f", "a", 1, (plain, other, plain)).said == "overlooked"
