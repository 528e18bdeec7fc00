//! What `abc2midi` says of the Nottingham tunes, and what Hornpipe says. `src/abc/README.md` has the tables that these tests print.
//!
//! They run where `HORNPIPE_ABC2MIDI` names the program and `HORNPIPE_NOTTINGHAM` the tunes; `nottingham-cleaned.abc` is read too if it
//! lies beside them.

mod support;

use hornpipe::abc::{
    EventKind, Fraction, MidiOptions, Strain, Timeline, Tune, check, midi, playing_order, read, strains,
};
use midly::{MidiMessage, Smf, TrackEventKind};
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

/// A note of a MIDI file: when it begins and ends, in ticks, and its key.
type Played = (u32, u32, u8);

/// All notes of a MIDI file by their beginnings.
fn notes(bytes: &[u8]) -> Vec<Played> {
    let smf = Smf::parse(bytes).expect("a MIDI file");
    let mut notes = Vec::new();
    for track in &smf.tracks {
        let mut now = 0;
        let mut sounding: Vec<(u32, u8, u8)> = Vec::new();
        for event in track {
            now += event.delta.as_int();
            let TrackEventKind::Midi { channel, message } = event.kind else { continue };
            let (key, starts) = match message {
                MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int() > 0),
                MidiMessage::NoteOff { key, .. } => (key.as_int(), false),
                _ => continue,
            };
            if starts {
                sounding.push((now, channel.as_int(), key));
            } else if let Some(at) = sounding.iter().position(|s| (s.1, s.2) == (channel.as_int(), key)) {
                notes.push((sounding.remove(at).0, now, key));
            }
        }
    }
    notes.sort_by_key(|n| (n.0, n.2));
    notes
}

/// Whether two notes are the same but for rounding; abc2midi begins all notes a tick late.
fn same(ours: &Played, theirs: &Played) -> bool {
    ours.2 == theirs.2 && ours.0.abs_diff(theirs.0) <= 3 && ours.1.abs_diff(theirs.1) <= 3
}

#[test]
fn melodies_note_by_note() {
    let Some((program, files)) = inputs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &files[..1] {
        let tunes = read(text);
        let lines: Vec<&str> = text.lines().collect();
        let mut agree = 0;
        let mut classes: [Vec<String>; REASONS.len()] = Default::default();
        for (at, tune) in tunes.iter().enumerate() {
            let end = tunes.get(at + 1).map_or(lines.len(), |t| t.place.line - 1);
            let text = lines[tune.place.line - 1..end].join("\n");
            let theirs = their_notes(&program, folder.path(), &text);
            let options = MidiOptions { chords: false, ..Default::default() };
            let ours = notes(&midi(tune, &Timeline::new(tune).unwrap(), options));
            if ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| same(a, b)) {
                agree += 1;
            } else {
                let counts = format!("{} and {} notes", ours.len(), theirs.len());
                classes[reason(tune)].push(format!("{} {}: {counts}", tune.place.line, tune.header.title()));
            }
        }
        eprintln!("{name}: {agree} of {} melodies agree", tunes.len());
        for (reason, tunes) in REASONS.iter().zip(&classes) {
            eprintln!("| {reason} | {} |", tunes.len());
            tunes.iter().for_each(|t| eprintln!("    {t}"));
        }
        assert!(100 * agree >= 95 * tunes.len());
        assert!(classes[REASONS.len() - 1].len() <= 10);
    }
}

/// Why a melody differs.
const REASONS: [&str; 7] = [
    "several voices",
    "abc2midi plays rolls and trills out, and doubles fermatas",
    "P:D.S. and its like are remarks, not parts",
    "a repeat without |: goes back to the last double bar or part",
    "a last ending that ends in :| repeats nothing",
    "a tie leads over a bar line with an ending",
    "the others",
];

fn reason(tune: &Tune) -> usize {
    let decorated = |name: &str| tune.notes().any(|(_, note)| note.decorations.iter().any(|d| d == name));
    let bars = &tune.voices[0].bars;
    let events = || bars.iter().flat_map(|b| &b.events);
    let label = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
    let strains = strains(bars);
    let last_ending = |s: &Strain| {
        s.endings.last().is_some_and(|e| bars[e.end - 1].line.repeats > 0 && s.endings.len() > 1)
    };
    let tied = |at: &usize| {
        let last = bars[*at].events.iter().rev().find_map(|e| match &e.kind {
            EventKind::Note(note) => Some(note),
            _ => None,
        });
        last.is_some_and(|n| n.heads[0].tied)
    };
    match () {
        () if tune.voices.len() > 1 => 0,
        () if ["roll", "trill", "fermata"].into_iter().any(decorated) => 1,
        () if events().any(|e| matches!(&e.kind, EventKind::Text(text) if label(text))) => 2,
        () if strains
            .iter()
            .any(|s| s.times(bars) > 1 && s.bars.start > 0 && bars[s.bars.start].repeat.is_none()) =>
        {
            3
        }
        () if strains.iter().any(last_ending) => 4,
        () if strains.iter().flat_map(|s| &s.endings).any(|e| tied(&(e.start - 1))) => 5,
        () => 6,
    }
}

/// The notes that abc2midi plays.
fn their_notes(program: &Path, folder: &Path, text: &str) -> Vec<Played> {
    let (abc, out) = (folder.join("tune.abc"), folder.join("tune.mid"));
    // Chords struck at once; no swing, which R:hornpipe means there.
    let text = without_blanks(text).replace("R:", "N:").replacen('\n', "\n%%MIDI chordattack 0\n", 1);
    fs::write(&abc, text).unwrap();
    let _ = fs::remove_file(&out);
    let mut command = Command::new(program);
    command.current_dir(folder).arg(&abc).arg("-o").arg(&out).args(["-NGUI", "-OCC", "-quiet"]);
    let output = command.output().expect("abc2midi runs");
    assert!(out.is_file(), "{}", String::from_utf8_lossy(&output.stdout));
    notes(&fs::read(&out).unwrap())
}
