"""Recordings to features per video frame: wav2vec2, resampling, the video's clock. Plain torch, nothing of ComfyUI."""
