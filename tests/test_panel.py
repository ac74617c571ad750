"""The panel of a surface's report: what is embedded, and a click on it in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest

from sim.run import conduct
from sim.study import Study
from sim.views.surface_records import SurfaceRecords

SIDE = 9
OTHERS = ["rprop", "nesterov", "adagrad", "adamax", "nadam", "amsgrad", "yogi", "lion"]
STUDY = {
    "descent": [
        {
            "name": "explore",
            "map": SIDE,
            "positions": 20,
            "steps": 200,
            "surface": {"name": "two_wells"},
            "optimizer": [
                {"name": "sgd", "lr": 0.02},
                {"name": "adam", "lr": 0.05},
                *({"name": name, "lr": 0.05} for name in OTHERS),
            ],
        },
        {"name": "plain", "map": 5, "steps": 5},
    ]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return conduct(Study.load(STUDY), tmp_path_factory.mktemp("panel") / "out").directory


def content(folder):
    page = (folder / "report.html").read_text()
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_the_page_holds_the_recorded_paths(folder):
    told, records = content(folder), SurfaceRecords.read(folder)
    assert (told["side"], told["positions"]) == (SIDE, 20)
    assert [walk["founding"] for walk in told["walks"]] == [True, True, *[False] * 8]
    assert [walk["name"] for walk in told["walks"]] == ["sgd", "adam", *OTHERS]
    for number, walk in enumerate(told["walks"]):
        codes = np.frombuffer(base64.b64decode(walk["points"]), "<u2").reshape(-1, 2)
        points = (codes / 65535 * 3 - 1) * 4 - 2
        path = records.paths[records.paths["run"] == number]
        assert np.abs(points - path[["x", "y"]].to_numpy()).max() < 12 / 65535
        ends = records.ends[records.ends["run"] == number]
        for text, status, steps in zip(walk["ends"], ends["status"], ends["steps_to_reach"], strict=True):
            assert (f"after {steps:.0f} steps" in text) == (status == "reached")


def test_a_page_without_kept_paths_has_no_panel(folder):
    page = (folder / "report.html").read_text()
    assert 'id="explore-panel"' in page
    assert 'id="plain-panel"' not in page


def test_the_page_asks_nothing_of_the_network(folder):
    page = (folder / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#|figures/|tables/)', page)


@pytest.fixture
def browser():
    """Headless Chromium; nothing is downloaded for it."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver")
    from selenium.common.exceptions import WebDriverException

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,1400"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {error.msg}")
    yield session
    session.quit()


def test_a_click_draws_every_path(folder, browser):
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get((folder / "report.html").as_uri())
    panel = browser.find_element("id", "explore-panel")
    WebDriverWait(browser, 20).until(lambda _: panel.get_attribute("data-paths") == "10")
    canvas = panel.find_element("tag name", "canvas")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    before = canvas.screenshot_as_png
    side = canvas.size["width"]
    # a quarter of the way from the left, and from the top: column 2, row 6 of 9
    ActionChains(browser).move_to_element_with_offset(canvas, -side // 4, -side // 4).click().perform()
    start = 6 * SIDE + 2
    assert panel.get_attribute("data-start") == str(start)
    assert canvas.screenshot_as_png != before
    walks = content(folder)["walks"]
    lines = [item.text for item in panel.find_elements("tag name", "li")]
    assert lines == [f"{walk['name']}: {walk['ends'][start]}" for walk in walks]
    coloured = browser.execute_script(COLOURS, canvas, [walk["colour"] for walk in walks])
    assert all(count > 20 for count in coloured), coloured
    assert all(box.is_selected() for box in panel.find_elements("css selector", "input"))
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert panel.get_attribute("data-start") == str(start + 1)
    with_all = canvas.screenshot_as_png
    panel.find_element("css selector", "input").click()  # sgd is not drawn any more
    assert panel.get_attribute("data-paths") == "9"
    assert canvas.screenshot_as_png != with_all
    log = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert [entry for entry in log if "getImageData" not in entry["message"]] == []  # that is this test's


COLOURS = """
const [canvas, colours] = arguments;
const boxes = [...canvas.parentElement.querySelectorAll("input")];
const turn = () => boxes.forEach((box) => box.click());
turn();
const counts = colours.map((colour, index) => {  // each alone: paths may lie under others
  boxes[index].click();
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  boxes[index].click();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b;
  return count;
});
turn();
return counts;
"""
