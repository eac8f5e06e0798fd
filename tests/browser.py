"""A headless Chromium, driven through its debugging pipe; no library needed."""

import base64
import json
import os
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
KEYS = {" ": "Space", "ArrowUp": "ArrowUp", "ArrowLeft": "ArrowLeft"}


class Browser:
    """One page of a browser; use it as a context.

    Args:
        folder: for its profile.
        size: of the window [pixels].
        dark: prefer dark colours.
    """

    def __init__(self, folder, size=(1280, 860), dark=False):
        to_it, from_us = os.pipe()
        to_us, from_it = os.pipe()
        os.set_inheritable(to_it, True)
        os.set_inheritable(from_it, True)
        moved = f'exec 3<&{to_it} 4>&{from_it}; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", moved, "bash", CHROMIUM, "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--remote-debugging-pipe", f"--user-data-dir={folder}/profile",
             f"--window-size={size[0]},{size[1]}", "about:blank"],
            pass_fds=(to_it, from_it), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_it)
        os.close(from_it)
        self.write, self.read = os.fdopen(from_us, "wb"), os.fdopen(to_us, "rb")
        self.count, self.rest, self.session = 0, b"", None
        self.events = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.write.close()
        self.read.close()

    def call(self, method, **params):
        """Send a command and wait for its answer; events on the way are kept."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.write.write(json.dumps(message).encode() + b"\0")
        self.write.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self.rest:
            part = os.read(self.read.fileno(), 1 << 16)
            assert part, "the browser went away"
            self.rest += part
        line, _, self.rest = self.rest.partition(b"\0")
        return json.loads(line)

    def open(self, url, ready="true"):
        """Go to a page and wait until an expression is true there."""
        self.call("Page.navigate", url=url)
        self.until(ready)

    def until(self, expression, seconds=20):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        question = (
            f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"
        )
        while not self.ask(question):
            assert time.monotonic() < end, f"never true: {expression}; {self.complaints()}"
            time.sleep(0.02)

    def ask(self, expression):
        """The value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self):
        """Errors that the page has thrown or logged so far."""
        return [
            event["params"]
            for event in self.events
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def requests(self):
        """Addresses that the page has asked the network for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def press(self, key, shift=False):
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        common = {"key": key, "code": KEYS.get(key, key), "modifiers": 8 * shift}
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, 0)
        common["windowsVirtualKeyCode"] = code
        kind = "keyDown" if text else "rawKeyDown"
        self.call("Input.dispatchKeyEvent", type=kind, **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, path):
        """A screenshot, PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
        return path
