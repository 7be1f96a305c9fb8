"""`dev.py render`: a table and a graph in, a film for each row out, by one ComfyUI or many (docs/scale.md)."""
