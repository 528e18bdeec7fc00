//! What `abc2midi` says of the Nottingham tunes, and what Hornpipe says. `src/abc/README.md` has the tables that these tests print.
//!
//! They run where `HORNPIPE_ABC2MIDI` names the program and `HORNPIPE_NOTTINGHAM` the tunes; `nottingham-cleaned.abc` is read too if it
//! lies beside them.

mod support;

use hornpipe::abc::{Fraction, Tune, check, playing_order, read};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program and the files to compare on.
fn inputs() -> Option<(PathBuf, Vec<(String, String)>)> {
    let Some(program) = std::env::var_os("HORNPIPE_ABC2MIDI") else {
        eprintln!("skipped: HORNPIPE_ABC2MIDI does not name abc2midi");
        return None;
    };
    let text = support::nottingham()?;
    let mut files = vec![("nottingham.abc".to_string(), text)];
    let beside =
        PathBuf::from(std::env::var_os("HORNPIPE_NOTTINGHAM")?).with_file_name("nottingham-cleaned.abc");
    if beside.is_file() {
        files.push(("nottingham-cleaned.abc".to_string(), fs::read_to_string(beside).unwrap()));
    }
    Some((program.into(), files))
}

/// The text as abc2midi can read it: lines of spaces would end a tune there.
fn without_blanks(text: &str) -> String {
    text.lines()
        .map(|l| if !l.is_empty() && l.trim().is_empty() { "%\n".to_string() } else { format!("{l}\n") })
        .collect()
}

/// The lines in which abc2midi finds bars of the wrong length.
fn their_bars(program: &Path, folder: &Path, text: &str) -> BTreeSet<usize> {
    let path = folder.join("tunes.abc");
    fs::write(&path, without_blanks(text)).unwrap();
    // -OCC: +CE+ is a chord.
    let output = Command::new(program)
        .current_dir(folder)
        .arg(&path)
        .args(["-c", "-OCC"])
        .output()
        .expect("abc2midi runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = |said: &str| -> Option<usize> {
        let (place, message) = said.split_once("line-char ")?.1.split_once(" : ")?;
        message.contains("time units while").then(|| place.split_once('-')?.0.parse().ok())?
    };
    said.lines().filter_map(line).collect()
}

/// The lines where the music, as it is played, makes a measure that is not full: abc2midi's rule on our reading. Time adds up from one
/// plain bar line to the next; other lines end a measure only when it is full. The first bar may be short.
fn uneven_when_played(tune: &Tune) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let voice = &tune.voices[0];
    let order = playing_order(tune).unwrap();
    let (mut sum, mut first) = (Fraction::ZERO, true);
    let mut seen = BTreeSet::new();
    for &at in order.iter().flat_map(|s| &s.voices[0]) {
        let bar = &voice.bars[at];
        sum += bar.length();
        let Some(meter) = bar.meter else { continue };
        let plain = bar.line.is_plain() && voice.bars.get(at + 1).is_none_or(|b| b.repeat.is_none());
        if plain || sum >= meter.length() || first {
            if sum != meter.length() && !(first && seen.is_empty()) {
                lines.insert(bar.line.place.line);
            }
            (sum, first) = (Fraction::ZERO, false);
        }
        seen.insert(at);
    }
    lines
}

/// The classes of `src/abc/README.md`.
const CLASSES: [&str; 9] = [
    "no bar is wrong for either",
    "the same bars are uneven when played, and some are wrong",
    "abc2midi alone: strains with and without a pick-up meet",
    "Hornpipe alone: the last bar is short",
    "abc2midi counts anew where a part is played again (P: in the header)",
    "a plain bar line and |: on the next line are two lines for abc2midi",
    "fermatas and trills change lengths in abc2midi",
    "abc2midi counts anew where a part begins (P: in the music)",
    "the others",
];

fn class(tune: &Tune, text: &str, theirs: &BTreeSet<usize>, wrong: usize) -> usize {
    if uneven_when_played(tune) == *theirs {
        return match (theirs.is_empty(), wrong) {
            (true, 0) => 0,
            (false, 0) => 2,
            (true, _) => 3,
            (false, _) => 1,
        };
    }
    let decorated = |name: &str| tune.notes().any(|(_, note)| note.decorations.iter().any(|d| d == name));
    let labelled = tune.voices[0].bars.iter().any(|b| b.part.is_some());
    let repeat_on_the_next_line = || {
        let lines: Vec<&str> = text.lines().filter(|l| !l.contains(':') || l.contains('|')).collect();
        let plain = |l: &str| l.ends_with('|') && !l.ends_with("||") && !l.ends_with(":|");
        lines.windows(2).any(|l| plain(l[0]) && l[1].starts_with("|:"))
    };
    match () {
        () if labelled && !tune.header.parts.is_empty() => 4,
        () if repeat_on_the_next_line() => 5,
        () if decorated("fermata") || decorated("trill") => 6,
        () if labelled => 7,
        () => 8,
    }
}

#[test]
fn bars_of_the_wrong_length() {
    let Some((program, files)) = inputs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let theirs = their_bars(&program, folder.path(), &text);
        let tunes = read(&text);
        let lines: Vec<&str> = text.lines().collect();
        let mut classes: [Vec<String>; CLASSES.len()] = Default::default();
        for (at, tune) in tunes.iter().enumerate() {
            let (begin, end) = (tune.place.line, tunes.get(at + 1).map_or(lines.len() + 1, |t| t.place.line));
            let theirs: BTreeSet<usize> = theirs.range(begin..end).copied().collect();
            let text = lines[begin - 1..end - 1].join("\n");
            let class = class(tune, &text, &theirs, check(tune).wrong);
            classes[class].push(format!("{begin} {}", tune.header.title()));
        }
        eprintln!("{name}, {} tunes", tunes.len());
        for (class, tunes) in CLASSES.iter().zip(&classes) {
            eprintln!("| {class} | {} |", tunes.len());
        }
        eprintln!("the others: {:?}", classes[8]);
        let same_lines: usize = classes[..4].iter().map(Vec::len).sum();
        assert!(100 * same_lines >= 94 * tunes.len(), "{same_lines} of {}", tunes.len());
        assert!(classes[8].len() <= 15);
    }
}
