"""A headless Chromium on the page, and what can be seen of it: pixels, text, requests, violations of the policy."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-prefers-reduced-motion",
]  # fmt: skip
LISTEN = """window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));"""
PATIENCE_S = 60  # how long to wait for something on a busy machine before it counts as missing


class Browser:
    """start() skips the test by name where Chromium, its driver or selenium is absent."""

    @classmethod
    def start(cls, folder: Path) -> Browser:
        selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
        if not (CHROMIUM and DRIVER):
            pytest.skip("chromium and chromedriver are not installed")
        os.environ["SE_OFFLINE"] = "true"  # selenium may fetch no driver
        options = selenium.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        from selenium.webdriver.chrome.service import Service

        return cls(selenium.Chrome(options=options, service=Service(DRIVER)), folder / "downloads")

    def __init__(self, driver, downloads: Path):
        self.driver, self.downloads, self.base = driver, downloads, ""
        downloads.mkdir()
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
        self.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def cdp(self, command: str, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(self, base: str, width: int = 1600, height: int = 1000) -> None:
        self.base = base
        self.resize(width, height)
        self.cdp("Browser.grantPermissions", origin=base, permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        self.driver.get(base)

    def resize(self, width: int, height: int) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def js(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def later(self, script: str):
        """The value of a promise, the last expression of `script`."""
        wait = f"const done = arguments[arguments.length - 1]; ({script}).then(done, (e) => done(String(e)));"
        return self.driver.execute_async_script(wait)

    def wait(self, what: str, true: Callable[[], object]):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if value := true():
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited {PATIENCE_S} s in vain: {what}; the page says: {self.text('body')[:600]}")

    def wait_text(self, selector: str, words: str) -> None:
        self.wait(f"{words!r} in {selector}", lambda: words in self.text(selector))

    def text(self, selector: str) -> str:
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)

    def visible(self, selector: str) -> bool:
        return self.js("return Boolean(document.querySelector(arguments[0])?.getClientRects().length)", selector)

    def find(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def hover(self, selector: str) -> None:
        self.actions().move_to_element(self.find(selector)).perform()

    def drag(self, selector: str, dx: int, dy: int) -> None:
        self.actions().move_to_element(self.find(selector)).click_and_hold().move_by_offset(dx, dy).release().perform()

    def keys(self, *keys: str) -> None:
        self.actions().send_keys(*keys).perform()

    def chord(self, modifier: str, key: str) -> None:
        self.actions().key_down(modifier).send_keys(key).key_up(modifier).perform()

    def actions(self):
        from selenium.webdriver import ActionChains

        return ActionChains(self.driver, duration=50)

    def choose(self, films: Sequence[Path]) -> None:
        self.find("#files").send_keys("\n".join(str(film) for film in films))

    def drop(self, films: Sequence[Path]) -> None:
        files = [[film.name, base64.b64encode(film.read_bytes()).decode()] for film in films]
        self.js(
            """const transfer = new DataTransfer();
            for (const [name, text] of arguments[0])
              transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
            document.querySelector("#stage").dispatchEvent(
              new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));""",
            files,
        )

    def pixels(self, selector: str) -> list[float]:
        """[mean red, mean alpha, a hash] of a canvas, after the frame that is being drawn."""
        return self.later(
            f"""new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {{
              const canvas = document.querySelector({json.dumps(selector)});
              const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              let [red, alpha, hash] = [0, 0, 0];
              for (let i = 0; i < data.length; i += 4) {{
                red += data[i]; alpha += data[i + 3]; hash = (hash * 31 + data[i] + 7 * data[i + 3]) | 0;
              }}
              done([red * 4 / data.length, alpha * 4 / data.length, hash]);
            }})))"""
        )

    def download(self, act: Callable[..., object], *arguments: str) -> Path:
        """The one file that `act` brings; an earlier one of the same name would be written over, so none is left."""
        for path in self.downloads.iterdir():
            path.unlink()
        act(*arguments)

        def whole():
            files = list(self.downloads.iterdir())
            return files[0] if len(files) == 1 and files[0].suffix != ".crdownload" else None

        return self.wait("a file to be downloaded", whole)

    def misdeeds(self) -> list[str]:
        """Violations of the content security policy, uncaught errors, and requests to anywhere but the server."""
        found = list(self.js("return window.violations"))
        logged = self.driver.get_log("browser")
        found += [e["message"] for e in logged if e["source"] in ("javascript", "console-api", "security")]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith((self.base, "blob:", "data:", "about:", "chrome:")):
                    found.append(address)
        return found
