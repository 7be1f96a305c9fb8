"""Random models of the public annotators' architectures, as folders that transformers itself has saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPECIAL += ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "person", "the", "red", "blue", "puppet")


def save_qwen_vl(folder: Path, kind: str) -> Path:
    """kind: qwen2_vl, qwen2_5_vl or qwen3_vl."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    bytes_alone = {letter: k for k, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    letters = Tokenizer(models.BPE(vocab=bytes_alone, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = hf.Qwen2Tokenizer(tokenizer_object=letters, eos_token=SPECIAL[2], pad_token=SPECIAL[0])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    number = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    text = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": number[SPECIAL[0]]}
    text |= {"bos_token_id": number[SPECIAL[0]], "eos_token_id": number["<|im_end|>"]}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14}
    processors = {"patch_size": 14, "size": {"shortest_edge": 3136, "longest_edge": 50176}}
    if kind == "qwen2_vl":
        vision |= {"embed_dim": 32, "hidden_size": 32}
    else:
        vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32}
    if kind == "qwen3_vl":
        vision |= {"patch_size": 16, "deepstack_visual_indexes": [0], "num_position_embeddings": 16}
        text |= {"head_dim": 8}
        processors = {"patch_size": 16, "size": {"shortest_edge": 4096, "longest_edge": 65536}}
    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[kind]
    config = getattr(hf, f"{name}Config")(
        text_config=text,
        vision_config=vision,
        image_token_id=number["<|image_pad|>"],
        video_token_id=number["<|video_pad|>"],
        vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
    )
    torch.manual_seed(0)
    getattr(hf, f"{name}ForConditionalGeneration")(config).save_pretrained(folder)
    videos = hf.Qwen3VLVideoProcessor if kind == "qwen3_vl" else hf.Qwen2VLVideoProcessor
    getattr(hf, f"{name}Processor")(
        image_processor=hf.Qwen2VLImageProcessor(**processors),
        tokenizer=tokenizer,
        video_processor=videos(**processors),
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


def save_grounding_dino(folder: Path) -> Path:
    """Its scores lie around 0.5, so that random boxes are found."""
    import transformers as hf

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    tokenizer = hf.BertTokenizer(vocab={word: k for k, word in enumerate(WORDS)})
    config = hf.GroundingDinoConfig(
        backbone_config=hf.SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], out_indices=[2, 3, 4]
        ),
        text_config=hf.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        d_model=32,
        num_queries=10,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        disable_custom_kernels=True,
    )
    torch.manual_seed(0)
    hf.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    pictures = hf.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    hf.GroundingDinoProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def tracking(size: int, feed_forward: int) -> dict[str, Any]:
    """What SAM2 and the tracker of SAM3 have in common: prompts, masks and memory, for pictures of size x size."""
    return {
        "prompt_encoder_config": {"hidden_size": 128, "image_size": size, "mask_input_channels": 4},
        "mask_decoder_config": {
            "hidden_size": 128,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
        "image_size": size,
        "memory_attention_hidden_size": 128,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": feed_forward,
        "memory_attention_rope_feat_sizes": [4, 4],
        "memory_encoder_hidden_size": 128,
        "mask_downsampler_embed_dim": 128,
        "memory_fuser_embed_dim": 128,
        "memory_fuser_intermediate_dim": 32,
        "memory_fuser_num_layers": 1,
    }


def save_sam2(folder: Path) -> Path:
    """For pictures of 64 x 64."""
    import transformers as hf

    config = hf.Sam2VideoConfig(
        vision_config=hf.Sam2VisionConfig(
            backbone_config=hf.Sam2HieraDetConfig(
                hidden_size=8,
                image_size=[64, 64],
                blocks_per_stage=[1, 1, 2, 1],
                embed_dim_per_stage=[8, 16, 32, 64],
                num_attention_heads_per_stage=[1, 2, 2, 4],
                window_positional_embedding_background_size=[2, 2],
                window_size_per_stage=[4, 4, 4, 2],
                global_attention_blocks=[3],
            ),
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=128,
        ),
        **tracking(64, feed_forward=64),
        memory_encoder_output_channels=64,
    )
    torch.manual_seed(0)
    hf.Sam2VideoModel(config).save_pretrained(folder)
    size = {"height": 64, "width": 64}
    pictures = hf.Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    hf.Sam2VideoProcessor(pictures, hf.Sam2VideoVideoProcessor(size=size)).save_pretrained(folder)
    return folder


def save_sam3(folder: Path) -> Path:
    """For pictures of 56 x 56; whatever it detects counts, since random scores are low."""
    import transformers as hf

    letters = {letter: k for k, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    ends = {f"{letter}</w>": len(letters) + k for k, letter in enumerate(letters)}
    vocab = {**letters, **ends, "<|startoftext|>": 52, "<|endoftext|>": 53}
    tokenizer = hf.CLIPTokenizer(vocab=vocab, merges=[])
    vision = {
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "pretrain_image_size": 56,
            "window_size": 2,
            "global_attn_indexes": [1],
        },
        "fpn_hidden_size": 128,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }
    small = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 32}
    text = {
        "vocab_size": 54,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "projection_dim": 32,
        "bos_token_id": 52,
        "eos_token_id": 53,
    }
    detector = hf.Sam3Config(
        vision_config=vision,
        text_config=text,
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 2, "num_queries": 6},
        mask_decoder_config={"hidden_size": 128, "num_attention_heads": 2},
    )
    tracker = hf.Sam3TrackerVideoConfig(
        vision_config={**vision, "model_type": "sam3_vision_model"},
        **tracking(56, feed_forward=32),
    )
    config = hf.Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=16,
        score_threshold_detection=0.0,
        new_det_thresh=0.0,
        hotstart_delay=0,
        fill_hole_area=0,
    )
    torch.manual_seed(0)
    hf.Sam3VideoModel(config).save_pretrained(folder)
    size = {"height": 56, "width": 56}
    pictures = hf.Sam3ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    hf.Sam3VideoProcessor(pictures, hf.Sam2VideoVideoProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder
