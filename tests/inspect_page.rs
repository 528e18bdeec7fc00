//! The trace page in a real browser: its numbers, and what a person does with it.
#![cfg(feature = "cli")]

#[path = "support/chromium.rs"]
mod chromium;
mod support;

use chromium::Browser;
use hornpipe::checkpoint::Checkpoint;
use hornpipe::nn::Batch;
use hornpipe::nn::reference::{Network, forward, zero_states};
use hornpipe::train::Snapshot;
use serde_json::json;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, succeeds, train};

/// A small trained model, `run`, and a page of a text of its corpus, `trace.html`.
static PAGE: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("inspect_page");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 3"));
    let text = text();
    let mut command = hornpipe(["inspect", "trace"]);
    command.arg(folder.path("run")).args(["--text", &text, "-o"]).arg(folder.path("trace.html"));
    succeeds(&mut command);
    folder
});

fn text() -> String {
    support::text().chars().take(700).collect()
}

#[test]
fn the_page_asks_for_nothing() {
    let page = fs::read_to_string(PAGE.path("trace.html")).unwrap();
    for tag in ["src=", "href=", "url(", "@import", "http:", "https:", "fetch(", "import("] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
}

#[test]
fn its_numbers_are_the_references() {
    let Some(program) = chromium::program() else { return };
    let mut browser = Browser::start(&program, (1200, 900), false);
    browser.open(&PAGE.path("trace.html"), "");

    let checkpoint = Checkpoint::load(&PAGE.path("run/best.hornpipe")).unwrap();
    let snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
    let tokens = snapshot.vocabulary.encode(&text()).unwrap();
    let newline = snapshot.vocabulary.newline();
    let network = Network::<f64>::from_parameters(&snapshot.model(), &snapshot.parameters);
    let mut batch = Batch::zeros(tokens.len() + 1, 1);
    batch.tokens[[0, 0]] = newline;
    tokens.iter().enumerate().for_each(|(t, &token)| batch.tokens[[t + 1, 0]] = token);
    (2..=tokens.len()).for_each(|t| {
        batch.resets[[t, 0]] = batch.tokens[[t - 1, 0]] == newline && batch.tokens[[t, 0]] == newline;
    });
    assert!(batch.resets.iter().any(|&reset| reset), "the text has the end of a tune");
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);

    let hidden = snapshot.model().hidden;
    for (at, &token) in tokens.iter().enumerate().step_by(37) {
        for l in 0..2 {
            for u in [0, 4, hidden - 1] {
                let cache = &pass.layers[l];
                let gate = |q: usize| cache.gates[[at + 1, 0, q * hidden + u]];
                let (c, h) = (cache.c[[at + 1, 0, u]], cache.h[[at + 1, 0, u]]);
                let want = [gate(0), gate(1), gate(2), gate(3), c, h];
                for (k, want) in want.into_iter().enumerate() {
                    let got =
                        browser.value(&format!("hornpipe.value({l}, {k}, {u}, {at})")).as_f64().unwrap();
                    let scale = pass.layers[l].c.iter().fold(1.0f64, |m, c| m.max(c.abs()));
                    assert!((got - want).abs() <= scale / 254.0 + 1e-5, "{l} {k} {u} {at}: {got} for {want}");
                }
            }
        }
        let logits: Vec<f64> = pass.logits.slice(ndarray::s![at, 0, ..]).to_vec();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        let got = browser.value(&format!("hornpipe.nats[{at}]")).as_f64().unwrap();
        let want = sum.ln() - logits[token as usize];
        assert!((got - want).abs() <= 1e-5 * want + 1e-5, "{at}: {got} nats for {want}");
        let expected = browser.value(&format!("hornpipe.expected({at})"));
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        for (k, &want) in order[..5].iter().enumerate() {
            let character = snapshot.vocabulary.char_at(want as u32).to_string();
            assert_eq!(expected[k]["character"], json!(character), "character {at}");
            let got = expected[k]["probability"].as_f64().unwrap();
            assert!((got - logits[want].exp() / sum).abs() <= 1e-5);
        }
    }
    browser.is_quiet();
}

/// Where the second character of the text stands.
fn second_character(browser: &mut Browser) -> (f64, f64) {
    browser.drawn();
    let place = browser.value(
        "(() => { document.getElementById('reader').scrollTop = 0; scrollTo(0, 0); \
         const b = document.getElementById('sheet').getBoundingClientRect(); return [b.left + 13, b.top + 10]; })()",
    );
    browser.drawn();
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

#[test]
fn a_person_clicks_through_layers_and_units_and_reads_a_tooltip() {
    let Some(program) = chromium::program() else { return };
    let mut browser = Browser::start(&program, (1200, 900), false);
    browser.open(&PAGE.path("trace.html"), "");
    assert!(browser.text("#about").starts_with("700 characters, "), "{}", browser.text("#about"));
    let shown = browser.value("document.getElementById('text').textContent");
    // Long lines are broken; each line feed has its sign.
    assert_eq!(shown.as_str().unwrap().replace('\n', "").replace('↵', "\n"), text());

    // What is under the text changes with what is chosen.
    let painted = |browser: &mut Browser| {
        browser.drawn();
        browser.value("document.querySelector('#under canvas').toDataURL()").as_str().unwrap().to_string()
    };
    let mut seen = vec![painted(&mut browser)];
    for by in ["i", "f", "g", "o", "h", "surprise", "confidence"] {
        browser.select("by", by);
        seen.push(painted(&mut browser));
    }
    browser.select("by", "c");
    browser.select("layer", "0");
    seen.push(painted(&mut browser));
    browser.click_on("#next");
    assert_eq!(browser.value("hornpipe.state.unit"), 1);
    seen.push(painted(&mut browser));
    // A unit is found by typing its number.
    browser.click_on("#unit");
    browser.value("document.getElementById('unit').select()");
    browser.key("8");
    assert_eq!(browser.value("[hornpipe.state.layer, hornpipe.state.unit]"), json!([0, 8]));
    seen.push(painted(&mut browser));
    browser.key("7");
    assert_eq!(browser.text("#complaint"), "units are numbered from 0 to 8");
    assert_eq!(browser.value("hornpipe.state.unit"), 8, "an impossible number changes nothing");
    browser.select("show", "bars");
    seen.push(painted(&mut browser));
    // A memory on a scale of its own: from its greatest magnitude below zero to the same above.
    browser.select("show", "own");
    seen.push(painted(&mut browser));
    let greatest = browser.value("hornpipe.block(0, hornpipe.state.signal).scale[8].toFixed(3)");
    assert_eq!(browser.text("#high"), greatest.as_str().unwrap());
    browser.select("show", "bars");
    assert_eq!(browser.text("#complaint"), "");
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "each choice has its own picture");

    // The tooltip of the second character, the colon of `X: 1`.
    let place = second_character(&mut browser);
    browser.mouse("mouseMoved", place, json!({}));
    let tip = browser.text("#tip");
    assert!(tip.contains("character 1, line 1, column 2"), "{tip}");
    let nats = browser.value("hornpipe.nats[1].toFixed(3)");
    assert!(tip.contains(&format!("surprise {} nats", nats.as_str().unwrap())), "{tip}");
    assert!(tip.contains("unit 8, layer 0"), "{tip}");
    let tables = browser.value("[...document.querySelectorAll('#tip table')].map(t => t.rows.length)");
    assert_eq!(tables, json!([5, 5]), "five predictions here and five next");
    let first = browser.value("document.querySelectorAll('#tip table')[1].rows[0].innerText");
    let best = browser.value("hornpipe.expected(2)[0].character");
    let best = best.as_str().unwrap().replace('\n', "↵").replace(' ', "␣");
    assert!(first.as_str().unwrap().starts_with(&best), "{first} for {best}");

    // By keyboard.
    browser.click(place, 1);
    for key in ["ArrowRight", "ArrowRight", "ArrowDown", "Home", "End", "ArrowLeft"] {
        browser.key(key);
    }
    let line: Vec<String> = text().lines().map(str::to_string).collect();
    let want = line[0].chars().count() + line[1].chars().count();
    assert_eq!(browser.value("hornpipe.state.at"), want, "the last letter of the title");
    assert!(browser.text("#tip").contains("line 2,"));
    assert!(browser.text("#spoken").contains("Expected next:"));
    browser.key("[");
    browser.key("}");
    browser.key("s");
    let state = browser.value("[hornpipe.state.unit, hornpipe.state.layer, hornpipe.state.by]");
    assert_eq!(state, json!([7, 1, "h"]));
    browser.key("u");
    assert_eq!(browser.value("document.activeElement.id"), "unit");
    browser.is_quiet();
}

#[test]
fn the_maps_zoom_and_choose() {
    let Some(program) = chromium::program() else { return };
    let mut browser = Browser::start(&program, (1200, 900), false);
    browser.open(&PAGE.path("trace.html"), "#by=f&layer=0&unit=3&at=200&show=bars");
    let state = "[hornpipe.state.by, hornpipe.state.layer, hornpipe.state.unit, hornpipe.state.at, hornpipe.state.show]";
    assert_eq!(browser.value(state), json!(["f", 0, 3, 200, "bars"]), "a link says what to show");
    browser.value("location.hash = '#by=zz&show=zz'");
    browser.drawn();
    assert_eq!(browser.value(state), json!(["f", 0, 3, 200, "colours"]), "what there is not is passed over");
    browser.value("location.hash = '#show=bars'");
    browser.drawn();
    let view = "[hornpipe.view.x0, hornpipe.view.x1, hornpipe.view.y0, hornpipe.view.y1]";
    assert_eq!(browser.value(view), json!([0, 700, 0, 9]));
    let width =
        |browser: &mut Browser| browser.value("hornpipe.view.x1 - hornpipe.view.x0").as_f64().unwrap();
    let pixels = |browser: &mut Browser| {
        browser.drawn();
        browser.value("document.getElementById('map-1').toDataURL()")
    };
    let whole = pixels(&mut browser);
    browser.click_on("#here");
    assert_eq!(width(&mut browser), 80.0);
    assert_ne!(pixels(&mut browser), whole);
    let at = browser.middle("#map-1");
    browser.mouse("mouseWheel", at, json!({"deltaX": 0, "deltaY": -120, "modifiers": 2}));
    browser.drawn();
    assert!(width(&mut browser) < 80.0, "the wheel with Ctrl zooms");
    browser.click_on("#taller");
    let rows = browser.value("hornpipe.view.y1 - hornpipe.view.y0").as_f64().unwrap();
    assert!(rows < 9.0);
    browser.click_on("#whole");
    assert_eq!(browser.value(view), json!([0, 700, 0, 9]));
    assert_eq!(pixels(&mut browser), whole, "back where it was");

    // A click chooses layer, unit and character; dragging moves and chooses nothing.
    let at = browser.middle("#map-1");
    browser.click(at, 1);
    assert_eq!(browser.value("[hornpipe.state.layer, hornpipe.state.unit]"), json!([1, 5]));
    let chosen = browser.value("hornpipe.state.at").as_u64().unwrap();
    assert!((325..375).contains(&chosen), "{chosen}");
    browser.click_on("#closer");
    let before = browser.value("hornpipe.view.x0").as_f64().unwrap();
    let at = browser.middle("#map-0");
    browser.mouse("mousePressed", at, json!({"button": "left", "clickCount": 1}));
    for step in 1..=5 {
        let to = (at.0 - 20.0 * f64::from(step), at.1);
        browser.mouse("mouseMoved", to, json!({"button": "left", "buttons": 1}));
    }
    browser.mouse("mouseReleased", (at.0 - 100.0, at.1), json!({"button": "left", "clickCount": 1}));
    assert!(browser.value("hornpipe.view.x0").as_f64().unwrap() > before);
    assert_eq!(browser.value("[hornpipe.state.layer, hornpipe.state.at]"), json!([1, chosen]));
    browser.is_quiet();
}

#[test]
fn it_fits_a_phone() {
    let Some(program) = chromium::program() else { return };
    let mut browser = Browser::start(&program, (360, 740), true);
    browser.open(&PAGE.path("trace.html"), "");
    let wide = browser.value("document.documentElement.scrollWidth");
    assert_eq!(wide, 360, "nothing sticks out");
    let columns = browser
        .value("Math.max(...document.getElementById('text').textContent.split('\\n').map(l => l.length))");
    assert!(columns.as_f64().unwrap() <= 45.0, "lines are broken where the window ends");
    let place = second_character(&mut browser);
    browser.tap(place);
    browser.until("!document.getElementById('tip').hidden");
    assert!(browser.text("#tip").contains("expected next"));
    let bottom = browser.value("(() => { const b = document.getElementById('tip').getBoundingClientRect(); return [b.left, b.bottom, b.right]; })()");
    assert_eq!(bottom, json!([0, 740, 360]), "at the foot of the window");
    browser.is_quiet();
}

/// Ten thousand characters of the article's 768 units stay fluid. The bounds are generous, for slow machines without a graphics card.
#[test]
fn ten_thousand_characters_stay_fluid() {
    let Some(program) = chromium::program() else { return };
    let folder = Folder::new();
    let corpus = folder.file("long.abc", hornpipe::corpus::composer::compose(40, 9));
    let mut command = hornpipe(["train", &corpus, "--steps", "1", "--hidden", "256", "--layers", "3"]);
    succeeds(command.arg("--out").arg(folder.path("run")));
    let mut command = hornpipe(["inspect", "trace"]);
    command.arg(folder.path("run")).args(["--file", &corpus, "--length", "10000", "-o"]);
    succeeds(command.arg(folder.path("trace.html")));
    let mut browser = Browser::start(&program, (1200, 900), false);
    browser.open(&folder.path("trace.html"), "");
    assert!(browser.text("#about").starts_with("10,000 characters"), "{}", browser.text("#about"));
    let mut frames = |what: &str| {
        let script = format!(
            "(async () => {{ const reader = document.getElementById('reader'); \
             let last = performance.now(), times = []; \
             for (let k = 0; k < 40; k++) {{ {what}; await new Promise(requestAnimationFrame); \
             const now = performance.now(); times.push(now - last); last = now; }} \
             return times.sort((a, b) => a - b)[20]; }})()"
        );
        let median = browser.value(&script).as_f64().unwrap();
        println!("{what}: {median:.0} ms a frame");
        assert!(median < 150.0, "{what}: {median} ms a frame");
    };
    frames("reader.scrollTop = 90 * k");
    frames("hornpipe.choose({ unit: k })");
    frames("hornpipe.choose({ at: 200 * k })");
    frames("document.getElementById(k % 2 ? 'closer' : 'farther').click()");
    browser.is_quiet();
}
