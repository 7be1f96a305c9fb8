"""Using ComfyUI's modules outside its server: training, benches and tests."""

import torch


def prepare_comfy() -> None:
    """Call before anything else of `comfy` is imported: without a GPU, ComfyUI has to be told so.

    Its server reads `--cpu` from the command line; imported alone, comfy.model_management fails where there
    is no driver. Idempotent; changes nothing where a GPU (CUDA, XPU or MPS) is there.
    """
    from comfy.cli_args import args

    xpu = hasattr(torch, "xpu") and torch.xpu.is_available()
    if not (torch.cuda.is_available() or xpu or torch.backends.mps.is_available()):
        args.cpu = True
        # As its --use-pytorch-cross-attention, which is what a GPU has: equal to rounding, and the attention in
        # pieces that ComfyUI takes on a processor is slower (a theatre's run: 19 against 15 s).
        args.use_pytorch_cross_attention = True
