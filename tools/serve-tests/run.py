"""The page in a real browser: what a person does with it, and what hostile texts try. See README.md."""

import argparse
import base64
import os
import re
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
import corpus
from server import Server

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def settle(page):
    """Until the answer to what was asked last is shown."""
    page.wait_for_timeout(350)
    page.wait_for_selector("#results:not([aria-busy])")
    for _ in range(100):
        # The policy of the page lets nothing be evaluated inside of it again and again.
        if page.evaluate("[...document.images].every((image) => image.complete)"):
            return
        page.wait_for_timeout(50)


def unfold(page):
    """Shows the chips, which a phone hides at first."""
    if page.locator("#facet-box:not([open])").count():
        page.click("#facet-box summary")


def fill(page, **fields):
    for name, text in fields.items():
        page.fill(f"#{name}", text)
    settle(page)


def titles(page):
    return page.locator(".card .title").all_inner_texts()


def drop(page, path):
    """Drops a file onto the page, as the browser tells it."""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    page.evaluate("""([data, name]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, { type: "image/png" }));
        for (const kind of ["dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }
    }""", [data, Path(path).name])
    settle(page)


@test
def everything_at_first(page, here):
    assert page.locator(".card").count() == 24
    expect(page.locator("#said")).to_contain_text("of 242")
    assert page.title().startswith("pictures.index")
    legends = page.locator("legend").all_inner_texts()
    assert "colour" in legends and "shape" in legends, legends
    here.shot("browse")


@test
def words_find_and_are_marked(page, here):
    fill(page, words="painted purple")
    found = page.locator(".passage mark").all_inner_texts()
    assert found and {word.lower() for word in found} <= {"painted", "purple"}, found
    assert "purple" in titles(page)[0].lower()
    here.shot("words")


@test
def a_sentence_finds_pictures(page, here):
    fill(page, text="a yellow triangle")
    assert sum("Yellow triangle" in title for title in titles(page)[:6]) >= 4, titles(page)[:6]
    assert page.locator(".probability").count() > 0
    here.shot("sentence")


@test
def a_dropped_picture_finds_its_like(page, here):
    drop(page, here.picture)
    assert page.locator("#preview").is_visible()
    top = [title.lower() for title in titles(page)[:6]]
    assert sum("stripes" in title for title in top) >= 4, top
    here.shot("picture")
    page.click("#no-picture")
    settle(page)
    assert page.locator("#preview").is_hidden()


@test
def a_chosen_and_a_pasted_picture_do_the_same(page, here):
    page.set_input_files("#file", str(here.picture))
    settle(page)
    chosen = titles(page)
    page.click("#clear")
    settle(page)
    data = base64.b64encode(here.picture.read_bytes()).decode()
    page.evaluate("""(data) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
        window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
    }""", data)
    settle(page)
    assert titles(page) == chosen
    # What is no picture is said, and what was there stays.
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"})
    expect(page.locator("#trouble")).to_contain_text("no picture")
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"hello"})
    settle(page)
    expect(page.locator("#trouble")).to_be_visible()
    here.shot("trouble")


@test
def facets_narrow_and_count(page, here):
    page.click(".chip:has-text('blue')")
    settle(page)
    assert all(title.startswith("Blue") for title in titles(page))
    page.click(".chip:has-text('triangle')")
    settle(page)
    assert set(re.sub(r",.*", "", title) for title in titles(page)) == {"Blue triangle"}
    expect(page.locator("#said")).to_contain_text("12")
    assert page.locator(".chip[aria-pressed=true]").count() == 2
    here.shot("facets")
    # The address has it.
    page.reload()
    settle(page)
    unfold(page)
    assert page.locator(".chip[aria-pressed=true]").count() == 2 and len(titles(page)) == 12
    page.click(".chip:has-text('red')")
    settle(page)
    assert {title.split()[0] for title in titles(page)} == {"Blue", "Red"}, "another value beside it"
    page.click(".chip:has-text('blue')")
    page.click(".chip[aria-pressed=true]:has-text('red')")
    settle(page)
    assert len({title.split()[0] for title in titles(page)}) == 5


@test
def words_and_picture_are_weighed(page, here):
    assert page.locator("#balance").is_disabled()
    fill(page, words="purple")
    drop(page, here.picture)
    assert page.locator("#balance").is_enabled()
    share = lambda: sum("Purple" in title for title in titles(page)[:10])
    page.locator("#balance").fill("0")
    settle(page)
    words = share()
    here.shot("balance")
    page.locator("#balance").fill("100")
    settle(page)
    assert words > share(), (words, share())
    stripes = sum("stripes" in title for title in titles(page)[:8])
    assert stripes >= 4, titles(page)[:8]


@test
def the_threshold_cuts(page, here):
    fill(page, text="a green square")
    before = page.locator("#said").inner_text()
    page.locator("#minimum").fill("50")
    settle(page)
    shown = [float(re.search(r"[\d.]+", text)[0]) for text in page.locator(".probability").all_inner_texts()]
    assert shown and min(shown) >= 50, shown
    assert page.locator("#said").inner_text() != before


@test
def what_is_looked_for_can_be_chosen(page, here):
    fill(page, text="a green square")
    choice = page.locator("#target")
    expect(choice).to_be_enabled()
    own, *others = choice.locator("option").all()
    assert own.get_attribute("value") == "" and len(others) == 2, choice.inner_text()
    before = titles(page)
    other = others[0].get_attribute("value")
    with page.expect_request("**/api/query") as asked:
        choice.select_option(other)
    assert asked.value.post_data_json["target"] == other
    settle(page)
    assert f"target={other}" in page.url and titles(page) != before
    page.reload()
    settle(page)
    assert choice.input_value() == other, "the address holds it"
    page.locator("#clear").click()
    settle(page)
    assert choice.input_value() == "" and not choice.is_enabled()


@test
def more_like_this_and_not_like_this(page, here):
    fill(page, text="a red circle")
    card = page.locator(".card").first
    name = card.locator(".title").inner_text()
    card.hover()
    card.locator("[data-act=like]").click()
    settle(page)
    expect(page.locator("#examples li.like")).to_contain_text(name[:20])
    assert name not in titles(page), "it is left out"
    second = page.locator(".card").nth(1)
    other = second.locator(".title").inner_text()
    second.locator("[data-act=unlike]").click()
    settle(page)
    expect(page.locator("#examples li.unlike")).to_contain_text("Not like")
    assert other not in titles(page)
    here.shot("examples")
    page.locator("#examples li.unlike button").click()
    settle(page)
    assert page.locator("#examples li").count() == 1 and other in titles(page)


@test
def why_draws_legs_and_heads(page, here):
    fill(page, words="blue", text="a blue circle")
    page.locator(".card").first.locator("[data-act=why]").click()
    drawer = page.locator("#drawer")
    expect(drawer).to_be_visible()
    text = drawer.inner_text()
    for word in ("Probability", "Legs", "keyword", "metric", "bilinear", "calibrated", "Words"):
        assert word in text, word
    widths = [box.bounding_box()["width"] for box in drawer.locator(".track i").all()]
    assert len(widths) >= 6 and max(widths) > 20, widths
    here.shot("why")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    # A card opens with its picture and fields.
    page.locator(".card .open").first.click()
    expect(drawer.locator(".pictures img").first).to_be_visible()
    settle(page)
    assert "colour" in drawer.inner_text()
    here.shot("record")
    page.click("#close")
    expect(drawer).to_be_hidden()


@test
def the_end_of_the_page_brings_more(page, here):
    assert page.locator(".card").count() >= 24
    for _ in range(14):
        page.mouse.wheel(0, 4000)
        settle(page)
    names = page.locator(".card").evaluate_all("(all) => all.map((card) => card.dataset.id)")
    assert len(names) == 242 and len(set(names)) == 242, len(names)
    assert page.locator("#more").is_hidden()


@test
def scripts_in_texts_ids_and_names_stay_text(page, here):
    fill(page, words="zebra window pwned")
    assert page.locator(".card").count() == 2
    here.shot("xss")
    for at in range(2):
        for kind in ("like", "unlike", "why"):
            page.locator(".card").nth(min(at, page.locator(".card").count() - 1)).locator(f"[data-act={kind}]").click()
            settle(page)
            if kind == "why":
                expect(page.locator("#drawer")).to_be_visible()
                page.click("#close")
            else:
                page.locator("#examples .remove").first.click()
                settle(page)
    page.locator(".card .open").first.click()
    expect(page.locator("#drawer")).to_be_visible()
    here.shot("xss-record")
    page.click("#close")
    # As what is asked, too, and in the address.
    fill(page, words=corpus.EVIL, text=corpus.EVIL)
    page.goto(here.url + "#words=" + "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D9%3E&like=%3Cscript%3E&filter=%7Bbad&filter=[%22__proto__%22,1]&minimum=x")
    page.reload()
    settle(page)
    page.click("#show-status")
    expect(page.locator("#drawer")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 1 and page.locator("img[src=x]").count() == 0
    assert page.locator(".passage i, .passage b, .title img, .open script").count() == 0
    here.shot("status")


@test
def by_the_keyboard_alone(page, here):
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.type("green square")
    settle(page)
    page.keyboard.press("ArrowDown")
    label = lambda: page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label().startswith("1. "), label()
    page.keyboard.press("ArrowRight")
    assert label().startswith("2. "), label()
    page.keyboard.press("ArrowDown")
    below = int(label().split(".")[0])
    assert below > 2, label()
    page.keyboard.press("Home")
    assert label().startswith("1. ")
    here.shot("focus")
    page.keyboard.press("e")
    expect(page.locator("#drawer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    assert label().startswith("1. "), "where one was"
    page.keyboard.press("m")
    settle(page)
    assert page.locator("#examples li.like").count() == 1 and label().startswith("1. ")
    page.keyboard.press("n")
    settle(page)
    assert page.locator("#examples li.unlike").count() == 1
    page.keyboard.press("Tab")
    assert "like" in page.evaluate("document.activeElement.dataset.act ?? ''")
    # All of the form and the chips by the tabulator, each with a ring that is seen.
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("""() => {
            const at = document.activeElement, box = at.closest('.drop') ?? at;
            return [at.id || at.dataset.chip || at.className, getComputedStyle(box).outlineStyle, getComputedStyle(box).outlineWidth];
        }"""))
    names = [name for name, *_ in seen]
    for wanted in ("words", "text", "file", "clear", "show-status"):
        assert wanted in names, (wanted, names)
    assert any("colour" in name for name in names), names
    bare = [name for name, style, width in seen if name and (style == "none" or width == "0px")]
    assert not bare, bare


@test
def what_is_said_is_heard(page, here):
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    unnamed = page.evaluate("""() => [...document.querySelectorAll('button, input, img, a, dialog')].filter((node) => {
        if (node.hidden || node.closest('[hidden]')) return false;
        const name = node.getAttribute('aria-label') || node.getAttribute('aria-labelledby') || node.innerText || node.labels?.length || node.hasAttribute('alt');
        return !name;
    }).map((node) => node.outerHTML)""")
    assert not unnamed, unnamed
    fill(page, words="qqqqqqq")
    expect(page.locator("#said")).to_contain_text("Nothing found")
    here.shot("nothing")


@test
def another_word_is_offered(page, here):
    fill(page, words="purpel circle")
    page.click(".instead")
    settle(page)
    assert page.input_value("#words") == "purple circle"
    assert titles(page)[0].startswith("Purple circle"), titles(page)[:3]


@test
def the_colours_can_be_read(page, here):
    fill(page, words="blue", text="a blue circle")
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        low = page.evaluate("""() => {
            const light = (c) => { const v = c / 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
            const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
            const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
            const ground = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c.length === 3 || c[3] > .5) return c; } return [255, 255, 255]; };
            const faded = (node) => { for (; node; node = node.parentElement) if (Number(getComputedStyle(node).opacity) < 1) return true; return false; };
            return [...document.querySelectorAll('label, .title, .passage, .said, .chip, mark, legend, .probability, h1, .quiet, output')].filter((node) => node.offsetParent && !faded(node)).map((node) => {
                const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))];
                return [node.className || node.tagName, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)];
            }).filter(([, ratio]) => ratio < 4.5);
        }""")
        assert not low, (theme, low[:5])
        here.shot(f"theme-{theme}")


@test
def nothing_hangs_over_the_edge(page, here):
    fill(page, words="blue", text="a blue circle")
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], wide
    over = page.evaluate("""() => [...document.querySelectorAll('.card *')].filter((node) => {
        const card = node.closest('.card').getBoundingClientRect(), box = node.getBoundingClientRect();
        return box.width && (box.right > card.right + 1 || box.left < card.left - 1);
    }).map((node) => node.className || node.tagName)""")
    assert not over, over
    page.locator(".card").first.locator("[data-act=why]").click()
    expect(page.locator("#drawer")).to_be_visible()
    box = page.locator("#drawer").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= wide[1] + 1, box
    assert page.evaluate("document.querySelector('#drawer-body').scrollWidth <= document.querySelector('#drawer-body').clientWidth")
    here.shot("why")


def other(route, folder):
    name = route.request.url.split("/")[3].split("#")[0].split("?")[0] or "index.html"
    route.fulfill(response=route.fetch(), body=(folder / name).read_text())


class Here:
    def __init__(self, page, shots, name, url, picture):
        self.page, self.shots, self.name, self.url, self.picture = page, shots, name, url, picture

    def shot(self, what):
        self.page.screenshot(path=self.shots / f"{self.name}-{what}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default="target/debug/uncsm-index", help="the program under test (default %(default)s)")
    parser.add_argument("--shots", default="target/serve-shots", type=Path, help="where pictures of the page are left (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="keeps the drawn index here for the next run (default: drawn anew, and not kept)")
    parser.add_argument("--only", default="", help="runs the tests whose name holds this (default: all)")
    parser.add_argument("--page", type=Path, help="a folder whose files take the place of those in the binary, while one works on them (default: none)")
    parser.add_argument("--widths", default="1280,390", help="of the window, by commas; below 700 it is a phone (default %(default)s)")
    args = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    args.shots.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        index = corpus.build(args.binary, folder)
        picture = Path(temporary) / "asked.png"
        corpus.draw("stripes", corpus.COLOURS["green"], 99).save(picture)
        with Server(args.binary, index) as server, sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for width in map(int, args.widths.split(",")):
                phone = width < 700
                for function in TESTS:
                    if args.only not in function.__name__:
                        continue
                    # The keys of a keyboard are those of a desk.
                    context = browser.new_context(viewport={"width": width, "height": 844 if phone else 860}, has_touch=phone, is_mobile=phone, device_scale_factor=2 if phone else 1)
                    page = context.new_page()
                    if args.page:
                        page.route(re.compile(r"^http://[^/]+/(\w+\.(js|css))?($|[?#])"), lambda route: other(route, args.page))
                    troubles = []
                    page.on("pageerror", lambda error: troubles.append(str(error)))
                    page.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") and "status of 4" not in said.text else None)
                    page.on("dialog", lambda dialog: (troubles.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
                    page.goto(server.url)
                    settle(page)
                    unfold(page)
                    here = Here(page, args.shots, f"{width}", server.url, picture)
                    name = f"{width}: {function.__name__}"
                    try:
                        function(page, here)
                        assert not troubles, troubles
                        passed += 1
                        print(f"ok      {name}", flush=True)
                    except Exception:
                        failed += 1
                        here.shot(f"failed-{function.__name__}")
                        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
                    context.close()
            browser.close()
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
