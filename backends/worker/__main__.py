"""The worker process: `python -m backends.worker NAME`."""

import sys

from backends.worker.serving import Worker, serve

if __name__ == "__main__":
    sys.exit(serve(Worker, sys.argv[1]))
