"""Adapters in GGUF files: read here, kept packed, and unpacked by the layer that needs them."""
