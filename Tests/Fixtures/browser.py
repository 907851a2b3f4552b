"""Chromium without a window, driven over its DevTools protocol: a line of JSON in for each step, one out.

    {"open": URL, "width": 1280, "height": 900, "dark": false}
    {"evaluate": EXPRESSION}                what it is, also of a promise
    {"wait": EXPRESSION, "seconds": 20}     until it is true
    {"keys": ["Tab", "Enter", "/"]}
    {"screenshot": PATH}
    {"troubles": true}                      what the console, the page and the network complained of, and requests to elsewhere
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import websocket

KEYS = {"Tab": (9, None), "Enter": (13, "\r"), "/": (191, "/"), "ArrowDown": (40, None)}


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="browser-")
        program = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if not program:
            sys.exit("chromium is not installed")
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--hide-scrollbars",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.number = 0
        self.troubles = []
        self.origin = None
        self.is_cut_off = False
        port_file = os.path.join(self.profile, "DevToolsActivePort")
        deadline = time.monotonic() + 60
        while not (os.path.exists(port_file) and os.path.getsize(port_file)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("chromium doesn't start")
            time.sleep(0.05)
        port = open(port_file).readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        pages = json.load(opener.open(f"http://127.0.0.1:{port}/json"))
        page = next(one for one in pages if one["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=60, http_no_proxy=["127.0.0.1"])
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message.get("method", ""), message.get("params", {}))

    def note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.troubles.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.troubles.append("console: " + json.dumps([one.get("value", one.get("description")) for one in parameters["args"]]))
        elif method == "Log.entryAdded" and "ERR_NETWORK_CHANGED" in parameters["entry"]["text"]:
            # Chromium drops all requests when an interface comes or goes, as they do where tasks start. A page asks again by itself.
            self.is_cut_off = True
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.troubles.append("log: " + parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if self.origin and not url.startswith(self.origin):
                self.troubles.append("request to elsewhere: " + url[:200])
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append("dialog: " + parameters["message"])

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, expression, seconds):
        deadline = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if value or time.monotonic() > deadline:
                return value
            time.sleep(0.1)

    def step(self, step):
        if "open" in step:
            width = step.get("width", 1280)
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=step.get("height", 900), deviceScaleFactor=1, mobile=width < 700)
            scheme = "dark" if step.get("dark") else "light"
            self.call("Emulation.setEmulatedMedia", features=[
                {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}])
            parts = urllib.parse.urlsplit(step["open"])
            self.origin = f"{parts.scheme}://{parts.netloc}/"
            for _ in range(5):
                self.is_cut_off = False
                self.call("Page.navigate", url="about:blank")
                self.call("Page.navigate", url=step["open"])
                loaded = self.wait("document.readyState === 'complete' && location.protocol !== 'about:'", 30)
                if not self.is_cut_off:
                    break
            return loaded
        if "evaluate" in step:
            return self.evaluate(step["evaluate"])
        if "wait" in step:
            return self.wait(step["wait"], step.get("seconds", 20))
        if "keys" in step:
            for key in step["keys"]:
                code, text = KEYS[key]
                event = {"key": key, "windowsVirtualKeyCode": code}
                if text:
                    event["text"] = text
                self.call("Input.dispatchKeyEvent", type="keyDown", **event)
                self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
            return True
        if "screenshot" in step:
            import base64
            data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=bool(step.get("whole")))["data"]
            open(step["screenshot"], "wb").write(base64.b64decode(data))
            return True
        if "troubles" in step:
            # What is under way is heard of first.
            self.evaluate("new Promise((done) => setTimeout(done, 50))")
            return self.troubles
        raise RuntimeError(f"no such step: {step}")


browser = Browser()
try:
    for line in sys.stdin:
        try:
            answer = {"value": browser.step(json.loads(line))}
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
finally:
    browser.close()
