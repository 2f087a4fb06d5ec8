"""What libraries in C++ write to standard error, as lines of our log."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2

log = logging.getLogger(__name__)


@contextmanager
def log_native_messages() -> Iterator[None]:
    """Log at level DEBUG whatever is written to the process's standard error within.

    MediaPipe and TensorFlow Lite announce there, in several lines and past their own settings, how
    they were started.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as messages:
        before = os.dup(_STDERR)
        try:
            os.dup2(messages.fileno(), _STDERR)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, _STDERR)
            os.close(before)
            messages.seek(0)
            for line in messages.read().decode("utf-8", "replace").splitlines():
                log.debug("%s", line)
