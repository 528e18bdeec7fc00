//! Scores that can be counted by hand, and what was there before.
#![cfg(feature = "cli")]

#[path = "support/chromium.rs"]
mod chromium;
mod support;

use chromium::Browser;
use hornpipe::abc::{Interval, read, transpose};
use hornpipe::corpus::{Corpus, Tune, composer, parse, split};
use hornpipe::judge::{Training, TuneScore, judge, rate, score};
use serde_json::Value;
use std::fs;
use std::time::Instant;
use support::{Folder, hornpipe, refused_with, succeeds, train};

/// Eight bars of 2/4 twice, in G: bars 5 and 6 repeat bars 1 and 2; bar 7 has the rhythm of bar 1; a C sharp; it ends on G.
const GOOD: &str = "X:1\nT:Good\nM:2/4\nL:1/8\nK:G\n|:GABc|d2B2|c2A2|^cdeg|GABc|d2B2|ABcA|G4:|\n\n";
/// In D: seven bars, of which the first is too long and the last too short; a repeat that never closes; it ends on E.
const BAD: &str = "X:2\nT:Bad\nM:2/4\nL:1/8\nK:D\n|:defga|f2d2|e2c2|d4|d2f2|g2e2|E2|]\n\n";
/// A character that means nothing.
const UNREADABLE: &str = "X:3\nT:Unreadable\nM:2/4\nL:1/8\nK:G\nGA?c|\n\n";

fn scored(text: &str) -> TuneScore {
    score(&read(text)[0])
}

fn tunes(text: &str) -> Vec<Tune> {
    parse("tunes", text.as_bytes()).unwrap()
}

fn built_in() -> Corpus {
    Corpus { tunes: tunes(composer::BUILT_IN) }
}

#[test]
fn scores_of_one_tune_by_counting() {
    let good = scored(GOOD);
    assert!(good.readable && good.balanced && good.in_eights());
    assert_eq!((good.bars, good.full, good.completed), (8, 8, 0));
    assert_eq!((good.strains, good.eights), (1, 1));
    assert_eq!((good.notes, good.in_key), (23, 22));
    assert_eq!((good.repeated, good.same_rhythm, good.sounding), (2, 5, 8));
    assert_eq!(good.ends_on_tonic, Some(true));
    let by_hand = 0.30 + 0.15 + 0.15 + 0.15 * 22.0 / 23.0 + 0.10 + 0.15;
    assert!((good.overall - by_hand).abs() < 1e-12, "{}", good.overall);

    let bad = scored(BAD);
    assert!(bad.readable && !bad.balanced && !bad.in_eights());
    assert_eq!((bad.bars, bad.full, bad.completed), (7, 5, 0));
    assert_eq!((bad.notes, bad.in_key), (15, 15));
    // f2d2 is the rhythm of e2c2, d2f2 and g2e2.
    assert_eq!((bad.repeated, bad.same_rhythm), (0, 3));
    assert_eq!(bad.ends_on_tonic, Some(false));
    let by_hand = 0.30 * 5.0 / 7.0 + 0.15;
    assert!((bad.overall - by_hand).abs() < 1e-12, "{}", bad.overall);

    let unreadable = scored(UNREADABLE);
    assert!(!unreadable.readable && unreadable.overall < 0.5);
    assert_eq!(scored("X:1\nK:G\n").overall, 0.0);
    assert_eq!(scored("X:1\nM:2/4\nK:none\nG4|\n").ends_on_tonic, None);
}

/// A tune in G and 2/4.
fn in_g(music: &str) -> String {
    format!("X:1\nT:In G\nM:2/4\nL:1/8\nK:G\n{music}\n\n")
}

#[test]
fn eight_bars_are_eight() {
    let seven = "GABc|d2B2|c2A2|^cdeg|GABc|d2B2|ABcA";
    let eights = |music: String| {
        let score = scored(&in_g(&music));
        (score.strains, score.eights)
    };
    assert_eq!(eights(format!("|:{seven}|G4:|")), (1, 1));
    assert_eq!(eights(format!("|:{seven}|G2:|")), (1, 0));
    assert_eq!(eights(format!("|:{seven}|G6:|")), (1, 0));
    // The pick-up that is left room for: its own, the next strain's.
    assert_eq!(eights(format!("|:d2|{seven}|G2:|")), (1, 1));
    assert_eq!(eights(format!("|:d2|{seven}|G3:|")), (1, 0));
    assert_eq!(eights(format!("{seven}|G2||d2|{seven}|G4|]")), (2, 2));
    assert_eq!(eights(format!("|:{seven}|[1G4:|[2G2c2|d4|]")), (1, 1));
    assert_eq!(eights(format!("|:{seven}|c4|{seven}|G4:|")), (1, 1));
    assert_eq!(eights("|:G4|A4|G4|A4:|".into()), (1, 0));
    // Rests of whole measures are as long as they say.
    assert_eq!(eights(format!("|:Z4|G4|A4|B4|G4:|{seven}|G4|]")), (2, 2));
}

#[test]
fn bars_without_notes_are_not_repeated() {
    let count = |music: &str| {
        let score = scored(&in_g(music));
        (score.sounding, score.repeated, score.same_rhythm)
    };
    assert_eq!(count("z4|z4|GABc|GABc|"), (2, 1, 1));
    assert_eq!(count("Z2|GABc|d2B2|z2zz|GABc|"), (3, 1, 1));
    // No note begins in the second bar.
    assert_eq!(count("G4-|G4|GABc|"), (2, 0, 0));
    // An ending within a measure.
    assert_eq!(count("|:GABc|G2[1A2:|[2B2|]"), (3, 0, 0));
}

#[test]
fn a_lag_is_a_time() {
    let training = Training::new(&[]);
    let lags = |music: &str| judge(&tunes(&in_g(music)), &training).lags[..4].to_vec();
    // Bar 3 has no note, but is a bar: bar 4 repeats the one three before.
    assert_eq!(lags("GABc|G4-|G4|GABc|"), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(lags("GABc|Z2|GABc|GABc|"), [0.5, 0.0, 0.5, 1.0]);
    // Bars of rests repeat nothing.
    assert_eq!(lags("z4|z4|GABc|z4|z4|"), [0.0; 4]);
}

#[test]
fn a_tune_may_end_with_a_chord_or_in_another_key() {
    let ends = |music: &str| scored(&in_g(music)).ends_on_tonic;
    // The root below, the melody's note above, or neither.
    assert_eq!(ends("D4|[GBd]4|"), Some(true));
    assert_eq!(ends("D4|[DBg]4|z4|"), Some(true));
    assert_eq!(ends("G4|[DGB]4|"), Some(false));
    assert_eq!(ends("G4-|G4|"), Some(true));
    assert_eq!(ends("G4|[K:D]d4|"), Some(true));
    assert_eq!(ends("G4|G2[K:D]d2|"), Some(true));
    assert_eq!(ends("G4|d2[K:D]G2|[K:G]z4|"), Some(false));
    assert_eq!(ends("z4|"), None);
}

#[test]
fn phrases_begin_with_their_notes() {
    let phrase = "zABc|d2B2|c2A2|G4|";
    let found = |training: &str, music: &str| {
        let text = in_g(music);
        let novelty = Training::new(&tunes(&in_g(training))).novelty(&text, &read(&text)[0]);
        (novelty.phrases, novelty.phrases_found)
    };
    // What stands before the rest makes no difference.
    let known = format!("d2d2|e2e2|d2d2|B4|{phrase}");
    assert_eq!(found(&known, &format!("g2g2|e2g2|f2d2|g4|{phrase}")), (2, 1));
    assert_eq!(found(&known, phrase), (1, 1));
    assert_eq!(found(phrase, &known), (2, 1));
    // A long rest counts its measures.
    assert_eq!(found(phrase, &format!("Z4|{phrase}")), (1, 1));
    assert_eq!(found(phrase, &format!("Z2|d4|f4|{phrase}")), (1, 1));
    assert_eq!(found(phrase, "z4|z4|z4|G4|"), (0, 0));
    // A measure that an ending cuts is one.
    assert_eq!(found(phrase, "|:zABc|d2B2|c2[1A2|G4:|[2c2|B4|]"), (1, 1));
}

#[test]
fn ratings_by_counting() {
    let total = |text: &str, training: Option<&Training>| rate(text, training).unwrap().total;
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    // Nothing but the tune: form and tonic are 1.
    close(total(GOOD, None), 2.0);
    // It is like itself, and all copied.
    let training = Training::new(&tunes(GOOD));
    let rating = rate(GOOD, Some(&training)).unwrap();
    assert_eq!((rating.validity, rating.likeness, rating.newness), (1.0, Some(1.0), Some(0.0)));
    close(rating.total, 1.0 + 3.0 / 4.0);
    // Five bars of seven are full, the repeat is open.
    close(total(BAD, None), (1.0 + 5.0 / 7.0) / 3.0);
    close(total(BAD, Some(&training)), (1.0 + 5.0 / 7.0) / 3.0);
    // Against BAD, GOOD shares half of its steps and so on; no tune with faults comes before it.
    let other = rate(GOOD, Some(&Training::new(&tunes(BAD)))).unwrap();
    let distances = judge(&tunes(GOOD), &Training::new(&tunes(BAD))).summary.distances;
    let mean = [distances.pitch_classes, distances.intervals, distances.durations].map(Option::unwrap);
    close(other.likeness.unwrap(), 1.0 - mean.iter().sum::<f64>() / 3.0);
    let run = judge(&tunes(GOOD), &Training::new(&tunes(BAD))).tunes[0].novelty.notes.length;
    close(other.newness.unwrap(), 1.0 - run as f64 / 23.0);
    close(other.total, 1.0 + (other.likeness.unwrap() + 1.0 + 1.0 + other.newness.unwrap()) / 4.0);
    assert!(rate("no tune", None).is_none() && rate("X:1\nK:G\n", None).is_none());
}

#[test]
fn one_bar_over_and_over_is_no_tune() {
    let over_and_over = scored(&format!("X:1\nM:2/4\nL:1/8\nK:G\n|:{}G4:|\n", "GBdB|".repeat(7)));
    assert!(over_and_over.overall < scored(GOOD).overall);
    assert_eq!(over_and_over.repeated, 6);
}

#[test]
fn summaries_by_counting() {
    let training = Training::new(&tunes(GOOD));
    let all = judge(&tunes(&format!("{GOOD}{BAD}{UNREADABLE}")), &training);
    let s = &all.summary;
    let near =
        |value: Option<f64>, by_hand: f64| assert!((value.unwrap() - by_hand).abs() < 1e-12, "{value:?}");
    assert_eq!(s.tunes, 3);
    near(s.readable, 2.0 / 3.0);
    near(s.balanced, 2.0 / 3.0);
    near(s.in_eights, 1.0 / 3.0);
    near(s.ends_on_tonic, 1.0 / 3.0);
    near(s.full_bars, 13.0 / 16.0);
    near(s.in_key, 40.0 / 41.0);
    // Two phrases each of GOOD, one of BAD's seven bars from its first full bar on.
    near(s.phrases_found, 2.0 / 3.0);
    let alone = judge(&tunes(GOOD), &training).summary;
    assert_eq!(alone.distances.intervals, Some(0.0));
    assert!(s.distances.durations.unwrap() > 0.0 && s.distances.durations.unwrap() < 1.0);
    // Bars 5 and 6 are those four before, of four bars in eight that have one there.
    near(Some(judge(&tunes(GOOD), &training).lags[3]), 0.5);
    let none = judge(&[], &training).summary;
    assert_eq!((none.tunes, none.readable, none.overall, none.distances.intervals), (0, None, None, None));
}

#[test]
fn distances_and_copies_by_hand() {
    let tune = |key: &str, music: &str| tunes(&format!("X:1\nT:{key}\nM:2/4\nL:1/8\nK:{key}\n{music}\n\n"));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    let s = judge(&tune("C", "CDEC|G4|"), &Training::new(&tune("C", "CDEF|G4|"))).summary;
    // Shares ⅖, ⅕, ⅕, 0, ⅕ of C, D, E, F, G against five times ⅕.
    let pitch_classes = 0.2 * (4.0f64 / 3.0).log2() + 0.1 * (2.0f64 / 3.0).log2() + 0.1;
    close(s.distances.pitch_classes.unwrap(), pitch_classes.sqrt());
    // Steps 2, 2, −4, 7 against 2, 2, 1, 2.
    let intervals = 0.25 * 0.8f64.log2() + 0.375 * 1.2f64.log2() + 3.0 * 0.125;
    close(s.distances.intervals.unwrap(), intervals.sqrt());
    assert_eq!(s.distances.durations, Some(0.0));
    // "|G4|", and C D E; no five notes in a row.
    assert_eq!((s.copied_characters, s.copied_notes, s.similarity), ([4, 4], [3, 3], Some(0.0)));

    // Steps 2 2 1 2 2 2 1 and, in D, 2 2 1 2 2 3 2: of four pieces on each side two are the same; six notes in a row.
    let s = judge(&tune("D", "DEFG|ABde|"), &Training::new(&tune("C", "CDEF|GABc|"))).summary;
    assert_eq!((s.similarity, s.copied_notes), (Some(0.5), [6, 6]));
    // No two bars are the same, but their lengths are.
    assert_eq!((s.repeated_bars, s.repeated_rhythms), (Some(0.0), Some(0.5)));
    // "DEF" is in both; no phrase has four bars.
    assert_eq!((s.copied_characters, s.phrases_found), ([3, 3], None));
}

#[test]
fn a_copied_tune_is_found_and_named_in_whatever_key() {
    let corpus = built_in();
    let (copied, others) = (&corpus.tunes[123], &corpus.tunes);
    let training = Training::new(others);
    let title = read(&copied.text)[0].header.title().to_string();
    for fifths in [0, 2, -3, 6] {
        let text = transpose(&copied.text, Interval::nearest(fifths)).unwrap();
        let tune = &read(&text)[0];
        let novelty = training.novelty(&text, tune);
        let nearest = novelty.nearest.clone().unwrap();
        assert_eq!((nearest.tune.as_str(), nearest.similarity), (title.as_str(), 1.0), "by {fifths} fifths");
        assert_eq!(novelty.notes.tune, title);
        assert!(novelty.notes.length >= tune.notes().count() - 8, "{novelty:?}");
        assert!(novelty.phrases >= 2 && novelty.phrases == novelty.phrases_found, "{novelty:?}");
        if fifths == 0 {
            assert_eq!(novelty.characters.tune, title);
        }
    }
    // The same text under another title, between two bars of its own, is found by its characters.
    let body = hornpipe::corpus::split::body(&copied.text).trim_end();
    let text = format!("X:1\nT:Other\nK:C\nC,,8|{body}C,,8|\n\n");
    let novelty = training.novelty(&text, &read(&text)[0]);
    assert_eq!(
        (novelty.characters.length, novelty.characters.tune.as_str()),
        (body.chars().count(), title.as_str())
    );
}

#[test]
fn what_is_new_is_not_found() {
    let training = Training::new(&tunes(GOOD));
    let novelty = training.novelty(BAD, &read(BAD)[0]);
    assert_eq!((novelty.nearest, novelty.phrases, novelty.phrases_found), (None, 1, 0));
    // d2 B2 c2 is to GOOD what f2 d2 e2 is to BAD but for a semitone; two notes are a third apart in both.
    assert!(novelty.notes.length < 5, "{:?}", novelty.notes);
}

#[test]
fn a_thousand_tunes_take_seconds() {
    let text = support::nottingham().unwrap_or_else(|| composer::compose(1000, 5));
    let corpus = Corpus { tunes: tunes(&text) };
    let began = Instant::now();
    let parts = split(&corpus, 1, 0.1);
    let training = Training::new(&parts.train);
    let judged = judge(&tunes(&composer::compose(1000, 9)), &training);
    let held_out = judge(&parts.held_out, &training);
    eprintln!("{} and {} tunes in {:?}", judged.tunes.len(), held_out.tunes.len(), began.elapsed());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert_eq!(judged.tunes.len(), 1000);
}

fn judged(folder: &Folder, more: &[&str]) -> String {
    let mut command = hornpipe(["judge"]);
    command
        .arg(folder.path("new.abc"))
        .arg(folder.path("corpus.abc"))
        .args(["--validation-fraction", "0.3", "--seed", "5"])
        .args(more);
    succeeds(&mut command)
}

#[test]
fn the_command_says_the_same_as_the_library() {
    let folder = Folder::new();
    folder.file("new.abc", format!("{GOOD}{BAD}{UNREADABLE}"));
    let json: Value = serde_json::from_str(&judged(&folder, &["--json"])).unwrap();
    let parts = split(&support::corpus(), 5, 0.3);
    assert_eq!(json["training_tunes"], parts.train.len());
    assert_eq!(json["held_out"]["summary"]["tunes"], parts.held_out.len());
    assert_eq!(json["generated"]["summary"]["in_key"], 40.0 / 41.0);
    assert_eq!(json["generated"]["tunes"][0]["name"], "Good");
    assert_eq!(json["generated"]["repetition_by_lag"].as_array().unwrap().len(), 16);
    let table = judged(&folder, &["--list"]);
    assert!(table.starts_with("0.993  Good: "), "{table}");
    assert!(table.contains("\n  readable                66.7 %     100.0 %   tunes"), "{table}");
}

#[test]
fn a_run_says_what_was_held_out() {
    let folder = Folder::new();
    folder.file("new.abc", GOOD);
    let (new, run, corpus) = (folder.arg("new.abc"), folder.arg("run"), folder.arg("corpus.abc"));
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    let of_run = |more: &[&str]| {
        let mut command = hornpipe(["judge", &new, "--json", "--run"]);
        command.args(more);
        command
    };
    let by_hand = judged(&folder, &["--json"]);
    assert_eq!(succeeds(&mut of_run(&[&run])), by_hand);
    assert_eq!(succeeds(&mut of_run(&[&folder.arg("run/last.hornpipe")])), by_hand);
    refused_with(&mut of_run(&[&run, "--seed", "5"]), "--seed");
    refused_with(&mut of_run(&[&folder.arg("none")]), "there is no");
    // The corpus has moved: it is named; another one is refused.
    fs::rename(&corpus, folder.path("moved.abc")).unwrap();
    refused_with(&mut of_run(&[&run]), "cannot read");
    let moved = folder.arg("moved.abc");
    let mut command = hornpipe(["judge", &new, &moved, "--json", "--run", &run]);
    assert_eq!(succeeds(&mut command), by_hand);
    refused_with(&mut hornpipe(["judge", &new, &new, "--run", &run]), "it is another corpus, or was changed");
    fs::remove_file(folder.path("run/run.json")).unwrap();
    refused_with(&mut of_run(&[&run]), "the folder of a run, such as runs/NAME, has that file");
}

#[test]
fn bad_input_gets_a_sentence() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let corpus = folder.arg("corpus.abc");
    let on = |file: &str, corpus: &str| hornpipe(["judge", file, corpus]);
    refused_with(&mut on(&folder.file("empty.abc", ""), &corpus), "is empty");
    refused_with(&mut on(&folder.file("words.abc", "no tune\n"), &corpus), "holds no tune");
    refused_with(&mut on(&folder.file("latin.abc", b"X:1\nT:caf\xE9\n"), &corpus), "is 0xE9");
    refused_with(&mut on(&folder.arg("nothing.abc"), &corpus), "cannot read");
    refused_with(&mut on(&good, &good), "of 1 distinct tunes none is left");
    refused_with(on(&good, &corpus).args(["--validation-fraction", "0"]), "must be above 0");
    refused_with(on(&good, &corpus).args(["--validation-fraction", "1.5"]), "1.5");
    refused_with(&mut on("-", "-"), "cannot be both");
    refused_with(on(&good, &corpus).args(["--html", &folder.arg("no/page.html")]), "cannot write");
}

#[test]
fn the_page_stands_alone_and_fits() {
    let folder = Folder::new();
    folder.file(
        "new.abc",
        format!("{GOOD}{BAD}{UNREADABLE}").replace("T:Bad", "T:<b>Bad</b> & \"co\" @tunes@"),
    );
    judged(&folder, &["--html", &folder.arg("page.html")]);
    let page = fs::read_to_string(folder.path("page.html")).unwrap();
    for tag in ["src=", "href=", "url(", "@import", "http:", "https:", "<script", "<b>", "NaN"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    assert_eq!(page.matches("<svg").count(), 5);
    let Some(program) = chromium::program() else { return };
    for (size, touch) in [((1200, 900), false), ((390, 844), true)] {
        let mut browser = Browser::start(&program, size, touch);
        browser.open(&folder.path("page.html"), "");
        let wide =
            browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wide, 0, "at {size:?} the page is wider than the window");
        assert_eq!(browser.value("document.querySelectorAll('.tunes tbody tr').length"), 3);
        assert_eq!(
            browser.value("document.querySelectorAll('.tunes tbody td')[7].textContent"),
            "<b>Bad</b> & \"co\" @tunes@"
        );
        browser.is_quiet();
    }
}
