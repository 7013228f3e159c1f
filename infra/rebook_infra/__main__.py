"""`make run`: the whole of Rebook on this machine."""

from __future__ import annotations

import signal
import sys


def _main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the stack minds signals itself, Ctrl-C just ends us
    from rebook_infra.launch import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
