//! `generate --format`: what tunes become, and the page with its player in a real browser.
#![cfg(feature = "cli")]

#[path = "support/chromium.rs"]
mod chromium;
mod support;

use chromium::Browser;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused_with, succeeds, train};

/// A model, `run`, and a tune of its corpus to begin with: a small model by itself writes nothing that can be played.
static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("generate_format");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    folder.file("tune.abc", support::text().split("\n\n").next().unwrap());
    folder
});

fn generate(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe(["generate"]);
    command.arg(MODEL.path("run")).arg("--prime-file").arg(MODEL.path("tune.abc"));
    command.args(["--length", "20", "--seed", "3"]).args(arguments);
    command
}

#[test]
fn files_of_every_kind() {
    let folder = Folder::new();
    let text = succeeds(&mut generate(&[]));
    assert_eq!(succeeds(&mut generate(&["--format", "abc"])), text);
    for (format, begins) in [
        ("midi", &b"MThd"[..]),
        ("wav", b"RIFF"),
        ("musicxml", b"<?xml"),
        ("svg", b"<svg"),
        ("html", b"<!doctype html>"),
    ] {
        let out = folder.path("out");
        generate(&["--format", format, "-o"]).arg(&out).assert().success();
        let bytes = fs::read(&out).unwrap();
        assert!(bytes.starts_with(begins), "{format}");
        let piped = if format == "html" { &[][..] } else { &["-o", "-"] };
        let piped = generate(&[&["--format", format], piped].concat()).output().unwrap().stdout;
        assert!(piped == bytes, "{format}");
    }
    generate(&["--tunes", "2", "--format", "midi", "-o"]).arg(folder.path("all/")).assert().success();
    assert_eq!(fs::read_dir(folder.path("all")).unwrap().count(), 2);
}

#[test]
fn what_is_refused() {
    let folder = Folder::new();
    refused_with(&mut generate(&["--format", "wav"]), "this format needs -o");
    let out = folder.arg("out.mid");
    refused_with(
        &mut generate(&["--tunes", "2", "--format", "midi", "-o", &out]),
        "2 tunes need a folder: -o",
    );
    generate(&["--format", "midi", "--json"]).assert().failure();
    // Without notes there is nothing to play; the seed tells how to see the text.
    let mut command = hornpipe(["generate"]);
    command.arg(MODEL.path("run")).args(["--prime", "X:1\\nK:G\\n\\n", "--length", "1", "--seed", "9"]);
    refused_with(
        command.args(["--format", "html"]),
        "with --seed 9: the model wrote no tune that can be played",
    );
}

/// A page of two tunes.
fn page(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path("page.html");
    generate(&["--tunes", "2", "--format", "html", "-o"]).arg(&path).assert().success();
    path
}

#[test]
fn the_page_needs_nothing_else() {
    let folder = Folder::new();
    let page = fs::read_to_string(page(&folder)).unwrap();
    for tag in ["src=", "href=", "url(", "@import", "https:", "fetch(", "import("] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("{{").count(), 0);
}

#[test]
fn the_player_plays() {
    let Some(program) = chromium::program() else { return };
    let folder = Folder::new();
    let mut browser = Browser::start(&program, (1000, 800), false);
    browser.open(&page(&folder), "");
    assert_eq!(browser.value("document.querySelectorAll('.tune').length"), 2);
    let tune = fs::read_to_string(MODEL.path("tune.abc")).unwrap();
    let first = tune.lines().find(|l| l.starts_with("T:")).unwrap();
    assert!(browser.text("pre").contains(first));
    assert_eq!(browser.value("document.querySelectorAll('.n.on').length"), 0);
    let place = "Number(document.querySelector('.place').value)";

    // Every time that is shown from here on.
    browser.value(
        "(() => { window.shown = new Set(); const show = Player.prototype.show; \
         Player.prototype.show = function () { show.call(this); shown.add(this.time.textContent + ' ' + this.now()); }; })()",
    );
    browser.click_on(".play");
    browser.until("document.querySelectorAll('.n.on').length > 0");
    // The clock stands at nought until the first note begins.
    assert_eq!(browser.value("[...shown].filter(text => text.includes('-')).length"), 0);
    // The strings sound: samples are there, and they are not silent.
    let loud = "strings.size > 0 && [...strings.values()].every(b => b.getChannelData(0).some(x => x > 0.01 && x < 3))";
    assert_eq!(browser.value(loud), true);
    browser.until(&format!("{place} > 10"));
    assert_eq!(browser.value("players[0].sounding.size > 0"), true);

    // The other tune stops the first.
    browser.click_on("[data-tune='1'] .play");
    browser.until("players[1].now() > 0.2");
    assert_eq!(browser.value("players[0].since === null && players[0].sounding.size === 0"), true);
    // A string that is stopped dies away: its gain is led to nought, not cut off.
    browser.value(
        "(() => { window.ends = []; const stop = AudioScheduledSourceNode.prototype.stop; \
         AudioScheduledSourceNode.prototype.stop = function (when) { ends.push((when || 0) - audio.currentTime); stop.call(this, when); }; })()",
    );
    browser.until("players[1].sounding.size > 0");
    browser.value("(() => { ends.length = 0; players[1].pause(); players[1].play(); })()");
    assert_eq!(browser.value("ends.some(left => left > 0.05)"), true);
    browser.click_on("[data-tune='1'] .play");
    assert_eq!(browser.value("players[1].since"), serde_json::Value::Null);
    assert_eq!(browser.value("document.querySelectorAll('.n.on').length"), 0);

    // At another place and tempo, without chords.
    browser.value(
        "(() => { const p = players[1]; p.place.value = 500; p.place.dispatchEvent(new Event('input')); })()",
    );
    let half = browser.value("players[1].now() / players[1].tune.seconds").as_f64().unwrap();
    assert!((half - 0.5).abs() < 0.01, "{half}");
    browser.click_on("[data-tune='1'] .chords");
    browser.value(
        "(() => { const p = players[1]; p.tempo.value = 160; p.tempo.dispatchEvent(new Event('input')); })()",
    );
    assert_eq!(browser.text("[data-tune='1'] .percent"), "160 %");
    browser.click_on("[data-tune='1'] .play");
    browser.until("players[1].now() > players[1].tune.seconds * 0.52");
    // It ends at the end, and stands at the beginning again.
    browser.value("(() => { players[1].seek(players[1].tune.seconds - 0.3); ends.length = 0; })()");
    browser.until("players[1].since === null && players[1].at === 0");
    assert_eq!(browser.value("ends.every(left => left > 0.05)"), true, "the last notes ring on");
    browser.is_quiet();
}
