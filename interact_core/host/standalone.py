"""Using ComfyUI's modules outside its server: training, benches and tests."""

import torch


def prepare_comfy() -> None:
    """Set ComfyUI to the CPU if there is no GPU. Call it before anything else of `comfy` is imported.

    Its server reads `--cpu` from the command line; imported alone, comfy.model_management fails without a driver.
    Idempotent; changes nothing if there is a GPU (CUDA, XPU or MPS).
    """
    from comfy.cli_args import args

    xpu = hasattr(torch, "xpu") and torch.xpu.is_available()
    if not (torch.cuda.is_available() or xpu or torch.backends.mps.is_available()):
        args.cpu = True
        # As its --use-pytorch-cross-attention, which a GPU uses: the same up to rounding, and faster than the split
        # attention that ComfyUI takes on a CPU (a run of the theatre: 15 s instead of 19 s).
        args.use_pytorch_cross_attention = True
