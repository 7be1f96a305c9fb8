"""Recordings to features per video frame: wav2vec2, resampling, the video's clock. No ComfyUI in here."""
