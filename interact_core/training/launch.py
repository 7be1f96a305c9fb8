"""What torchrun or `accelerate launch` runs: `launch.py PACKAGE ARGUMENTS` is `python -m PACKAGE ARGUMENTS`.

`python -m` would put the working folder first on sys.path, where this pack's nodes/ hides ComfyUI's nodes.py.
Running this file avoids that; its own folder, which Python puts there instead, is removed.
"""

import runpy
import sys

if __name__ == "__main__":
    del sys.path[0]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
