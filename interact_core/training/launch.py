"""What torchrun or `accelerate launch` runs: `launch.py PACKAGE words...` is `python -m PACKAGE words...`.

A file and not "-m", which would put the working folder first on sys.path, where our nodes/ hides ComfyUI's nodes.py;
for the same reason this file's own folder leaves it.
"""

import runpy
import sys

if __name__ == "__main__":
    del sys.path[0]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
