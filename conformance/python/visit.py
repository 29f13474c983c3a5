"""Visitors of an app, through the router."""

import http.client
import os
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

from steps import wait_for

ROUTER = urlsplit(os.environ["WINDLASS_ROUTER_HTTP"])
# Pause of a visitor between two requests: the builds beside it want the processor too.
PAUSE_S = 0.01


def ask(host, path="/", headers=None):
    """What an app answers at a path: status and text."""
    connection = http.client.HTTPConnection(ROUTER.hostname, ROUTER.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host} | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Load:
    """Asks an app all the time; counts what did not answer."""

    def __init__(self, host):
        self.host = host
        self.failed = []
        self.answered = 0
        self.texts = Counter()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stop.is_set():
            status, text = ask(self.host)
            if status == 200:
                self.answered += 1
                self.texts[text] += 1
            else:
                self.failed.append((status, text))
            time.sleep(PAUSE_S)

    def sample(self, count):
        """The next answers, by their texts."""
        before = self.answered
        # The request that is on its way was sent before.
        wait_for("an answer", lambda: self.answered > before)
        before, texts = self.answered, Counter(self.texts)
        wait_for("a sample of answers", lambda: self.answered >= before + count)
        return Counter(self.texts) - texts

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
