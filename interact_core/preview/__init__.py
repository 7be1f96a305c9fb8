"""Pictures of masks: overlay, contact sheet, masks at video size. Plain torch and Pillow, no ComfyUI."""
