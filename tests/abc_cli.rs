//! `hornpipe abc` as it is typed.
#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use std::fs;
use support::{Folder, hornpipe, refused_with, succeeds};

const GOOD: &str = "X:1\nT:Good\nM:4/4\nL:1/4\nK:G\n|:A|BcdB|G3:|\n";
const BAD: &str = "X:2\nT:Bad\nM:4/4\nL:1/4\nK:G\n|:A4|^f3|f4|\n\nX:3\nT:Worse\nK:G\nA?|\n";

/// Runs a check that finds something: a failure that says so, and the report on stdout.
fn fails(command: &mut assert_cmd::Command, says: &str) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, format!("error: {says}\n"));
    String::from_utf8(output.stdout).unwrap()
}

fn stdout(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let bad = folder.file("bad.abc", BAD);
    let text = succeeds(&mut hornpipe(["abc", "check", &good]));
    assert!(text.contains("1 readable, 1 pass") && !text.contains("Good"), "{text}");
    let text = stdout(hornpipe(["abc", "check", "--all"]).arg(&good));
    assert!(text.contains("good.abc:1: X:1 Good: readable, 0 of 3 bars wrong; passes"), "{text}");
    let text = fails(&mut hornpipe(["abc", "check", &good, &bad]), "2 of 3 tunes do not pass");
    assert!(
        text.contains("bad.abc:1: X:2 Bad: readable, 1 of 3 bars wrong, 1 fault of repeats; does not pass"),
        "{text}"
    );
    assert!(text.contains("  6:6: warning: bar 2 is 3/4 long instead of 1"), "{text}");
    assert!(text.contains("  6:1: warning: the repeat that begins here is never closed"), "{text}");
    assert!(
        text.contains("X:3 Worse: not readable") && text.contains("  11:2: error: '?' means nothing here"),
        "{text}"
    );
    assert!(text.contains("2 readable, 1 pass"), "{text}");
    fails(&mut hornpipe(["abc", "check", &folder.file("one.abc", "X:1\nK:C\n")]), "the tune does not pass");
}

#[test]
fn check_as_json() {
    let folder = Folder::new();
    let bad = folder.file("bad.abc", BAD);
    let text = fails(&mut hornpipe(["abc", "check", "--json", &bad]), "2 of 2 tunes do not pass");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["summary"]["tunes"], 2);
    assert_eq!(json["summary"]["readable"], 1);
    assert_eq!(json["summary"]["wrong"], 1);
    let tune = &json["tunes"][0];
    assert_eq!(
        (&tune["title"], &tune["line"], &tune["bars"], &tune["full"]),
        (&"Bad".into(), &1.into(), &3.into(), &2.into())
    );
    assert_eq!(tune["outside_key_written"], 0);
    assert_eq!(tune["passes"], false);
    assert_eq!(json["tunes"][1]["diagnostics"][0]["severity"], "error");
    assert_eq!(json["tunes"][1]["diagnostics"][0]["column"], 2);
}

#[test]
fn the_built_in_tunes_pass() {
    let folder = Folder::new();
    let text = succeeds(&mut hornpipe(["corpus", "compose", "--tunes", "50", "--seed", "3"]));
    let composed = folder.file("composed.abc", &text);
    let text = succeeds(&mut hornpipe(["abc", "check", &composed]));
    assert!(text.contains("50 readable, 50 pass"), "{text}");
    let text = stdout(hornpipe(["abc", "check", "-"]).write_stdin(GOOD));
    assert!(text.contains("1 pass"), "{text}");
}

#[test]
fn files_that_hold_no_tunes() {
    let folder = Folder::new();
    for (path, says) in [
        (folder.file("empty.abc", ""), "empty.abc is empty"),
        (folder.file("none.abc", "K:C\nABC|\n"), "none.abc holds no tune"),
        (folder.file("latin.abc", b"X:1\nT:caf\xE9\n"), "latin.abc is not UTF-8: line 2, byte 9 is 0xE9"),
        (folder.arg("nowhere.abc"), "cannot read"),
    ] {
        refused_with(&mut hornpipe(["abc", "check", &path]), says);
    }
    hornpipe(["abc", "check"]).assert().failure();
}

#[test]
fn midi_of_one_tune_and_of_all() {
    let folder = Folder::new();
    let two = folder
        .file("two.abc", format!("{GOOD}\n{}", GOOD.replace("Good", "Other").replace("BcdB", "[M:3/4]Bcd")));
    let out = folder.path("one.mid");
    let midi = |args: &[&str]| {
        let mut command = hornpipe(["abc", "midi", &two]);
        command.args(args);
        command
    };
    let stderr = String::from_utf8(midi(&["-o"]).arg(&out).output().unwrap().stderr).unwrap();
    assert!(stderr.contains("the first of 2 tunes") && stderr.contains("wrote "), "{stderr}");
    let first = fs::read(&out).unwrap();
    assert!(first.starts_with(b"MThd"));
    midi(&["--tune", "2", "-o"]).arg(&out).assert().success();
    assert_ne!(fs::read(&out).unwrap(), first);
    let piped = midi(&["--tune", "1", "-o", "-"]).output().unwrap().stdout;
    assert_eq!(piped, first);
    midi(&["-o"]).arg(folder.path("all/")).assert().success();
    assert_eq!(fs::read(folder.path("all/0001-good.mid")).unwrap(), first);
    assert!(folder.path("all/0002-other.mid").is_file());
    let alone = midi(&["--tune", "1", "--program", "73", "--no-chords", "-o", "-"]).output().unwrap().stdout;
    assert_ne!(alone, first);
}

#[test]
fn midi_that_cannot_be() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let out = folder.arg("out.mid");
    let refused_as = |args: &[&str], says: &str| {
        refused_with(hornpipe(["abc", "midi"]).args(args), says);
        assert!(!folder.path("out.mid").exists());
    };
    refused_as(&[&good, "--tune", "2", "-o", &out], "has 1 tunes; there is no tune 2");
    refused_as(&[&good, "--tune", "0", "-o", &out], "0 is not in 1..");
    refused_as(&[&good, "--program", "128", "-o", &out], "128 is not in 0..");
    refused_as(&[&folder.arg("nowhere.abc"), "-o", &out], "cannot read");
    refused_as(&[&folder.file("none.abc", "K:C\n"), "-o", &out], "holds no tune");
    refused_as(
        &[&folder.file("silent.abc", "X:1\nT:Si\nK:C\n"), "-o", &out],
        "tune 1, \"Si\": it has no notes",
    );
    refused_as(
        &[&folder.file("silent.abc", "X:1\nT:Si\nK:C\n"), "-o", &folder.arg("all/")],
        "none of the tunes could be converted",
    );
    refused_as(&[&good, "-o", &folder.arg("nowhere/out.mid")], "cannot write");
    let endless = format!("X:1\nL:1/8\nP:A999\nK:C\nP:A\n{}\n", "C::::::|".repeat(30));
    refused_as(&[&folder.file("endless.abc", endless), "-o", &out], "more than 100000 bars");
    let cut = folder.file("cut.abc", "X:1\nT:Cut\nK:C\nA?B|\n");
    let output = hornpipe(["abc", "midi", &cut, "-o", &out]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("some of \"Cut\" cannot be read"));
}

#[test]
fn musicxml_of_a_tune() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let xml = succeeds(&mut hornpipe(["abc", "musicxml", &good, "-o", "-"]));
    assert!(
        xml.contains("<work-title>Good</work-title>") && xml.contains("<repeat direction=\"backward\"/>"),
        "{xml}"
    );
    succeeds(&mut hornpipe(["abc", "musicxml", &good, "-o", &folder.arg("all/")]));
    assert_eq!(fs::read_to_string(folder.path("all/0001-good.musicxml")).unwrap(), xml);
}

#[test]
fn sound_of_a_tune() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let out = folder.path("good.wav");
    hornpipe(["abc", "wav", &good, "-o"]).arg(&out).assert().success();
    let wav = fs::read(&out).unwrap();
    assert!(wav.starts_with(b"RIFF") && wav.len() > 400_000);
    let again = hornpipe(["abc", "wav", &good, "-o", "-"]).output().unwrap().stdout;
    assert_eq!(again, wav);
    let alone = hornpipe(["abc", "wav", &good, "--no-chords", "-o", "-"]).output().unwrap().stdout;
    // There are no chord symbols.
    assert_eq!(alone, wav);
    let long = folder.file("long.abc", format!("X:1\nL:1\nM:none\nQ:1/4=20\nK:C\n{}\n", "A8|".repeat(50)));
    refused_with(
        &mut hornpipe(["abc", "wav", &long, "-o", &folder.arg("long.wav")]),
        "lasts 4801 s; more than 1200 s",
    );
}

/// A SoundFont with one preset: a sine that goes round for ever.
fn tiny_soundfont() -> Vec<u8> {
    let chunk = |id: &[u8], data: Vec<u8>| {
        let length = (data.len() as u32).to_le_bytes();
        [id, &length, &data].concat()
    };
    let list = |id: &[u8], chunks: &[Vec<u8>]| chunk(b"LIST", [id.to_vec(), chunks.concat()].concat());
    let words = |words: &[u16]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let name = |name: &str| name.bytes().chain([0; 20]).take(20).collect::<Vec<u8>>();
    let samples: Vec<i16> =
        (0..1000).map(|n| (12_000.0 * (std::f64::consts::TAU * f64::from(n) / 100.0).sin()) as i16).collect();
    let smpl: Vec<u8> = samples.iter().chain(&[0; 46]).flat_map(|s| s.to_le_bytes()).collect();
    let preset = |title: &str, bag: u16| [name(title), words(&[0, 0, bag, 0, 0, 0, 0, 0, 0])].concat();
    let header = |title: &str, places: [u32; 5], pitch: u8, kind: u16| {
        let places: Vec<u8> = places.iter().flat_map(|p| p.to_le_bytes()).collect();
        [name(title), places, vec![pitch, 0], words(&[0, kind])].concat()
    };
    let pdta = list(
        b"pdta",
        &[
            chunk(b"phdr", [preset("Sine", 0), preset("EOP", 1)].concat()),
            chunk(b"pbag", words(&[0, 0, 1, 0])),
            chunk(b"pmod", vec![0; 10]),
            chunk(b"pgen", words(&[41, 0, 0, 0])),
            chunk(b"inst", [name("Sine"), words(&[0]), name("EOI"), words(&[1])].concat()),
            chunk(b"ibag", words(&[0, 0, 2, 0])),
            chunk(b"imod", vec![0; 10]),
            // Looped; sample 0.
            chunk(b"igen", words(&[54, 1, 53, 0, 0, 0])),
            chunk(
                b"shdr",
                [header("Sine", [0, 1000, 100, 900, 44_100], 69, 1), header("EOS", [0; 5], 0, 0)].concat(),
            ),
        ],
    );
    let info = list(b"INFO", &[chunk(b"ifil", words(&[2, 1])), chunk(b"INAM", b"Tiny\0\0".to_vec())]);
    let sdta = list(b"sdta", &[chunk(b"smpl", smpl)]);
    chunk(b"RIFF", [b"sfbk".to_vec(), info, sdta, pdta].concat())
}

#[test]
fn sound_with_a_soundfont() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let bytes = tiny_soundfont();
    let font = folder.file("tiny.sf2", &bytes);
    let wav = |font: &str| hornpipe(["abc", "wav", &good, "--soundfont", font, "-o", "-"]).output().unwrap();
    let output = wav(&font);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sound = output.stdout;
    let samples: Vec<i16> = sound[44..].chunks(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    assert!(samples.iter().any(|s| s.unsigned_abs() > 20_000), "it is not silent");
    assert_eq!(samples.last(), Some(&0));
    assert_eq!(wav(&font).stdout, sound, "the same again");
    // Every truncation is refused with a sentence.
    for length in (0..bytes.len()).step_by(331) {
        let cut = folder.file("cut.sf2", &bytes[..length]);
        refused_with(
            &mut hornpipe(["abc", "wav", &good, "--soundfont", &cut, "-o", "-"]),
            "no SoundFont that can be used",
        );
    }
    let missing = folder.arg("nowhere.sf2");
    refused_with(&mut hornpipe(["abc", "wav", &good, "--soundfont", &missing, "-o", "-"]), "cannot read");
    hornpipe(["abc", "wav", &good, "--program", "3", "-o", "-"]).assert().failure();
}

#[test]
fn picture_of_a_tune() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let output = hornpipe(["abc", "score", &good, "-o", &folder.arg("good.svg")]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("hornpipe abc musicxml"), "{stderr}");
    let svg = fs::read_to_string(folder.path("good.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(">Good<"), "{svg}");
}
