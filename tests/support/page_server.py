"""A page served to a test, and stopped after it."""

import threading
from contextlib import contextmanager

from affect4d.local_page.server import PageServer


@contextmanager
def serving(page):
    """The address of a page while it is served."""
    server = PageServer(page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
