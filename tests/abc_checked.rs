//! What follows from a tune that was read: full bars and balanced repeats, playing order, time, the picture; and that no text stops
//! any of it.

#[path = "support/abc.rs"]
mod abc;
mod support;

use abc::{music, notes, tune_of};
use hornpipe::abc::{
    Fraction, Interval, MidiOptions, Problem, Report, Severity, Timeline, check, midi, musicxml, perform,
    playing_order, read, roll, strains, transpose,
};
use hornpipe::corpus::composer::{BUILT_IN, compose};
use proptest::prelude::*;

/// Bars: full, completed, wrong; faults of repeats.
fn counts(text: &str) -> (usize, usize, usize, usize) {
    let report = check(&music(text));
    assert_eq!(report.bars, report.full + report.completed + report.wrong, "{text}");
    (report.full, report.completed, report.wrong, report.unbalanced)
}

#[test]
fn full_bars_and_those_that_a_neighbour_completes() {
    for text in [
        "A4|B4|c4|]",
        // A pick-up and the bar that completes it, with and without a repeat.
        "A|B4|c3:|",
        "A|B4|c3|]",
        "|:A|B4|c3:|",
        // A pick-up outside the repeat, which nothing completes.
        "A|:B4|c4:|",
        // Strains with pick-ups of their own, and one of the first only.
        "A|B4|c3:|A2|B4|c2:|",
        "A|B4|c3:|B4|c3|]",
        // Endings of different lengths.
        "|:A|B4|1c3:|2c2||A2|B4|c2|]",
        "A|B4|1c2 A:|2c3||A|B4|c3|]",
        // A repeat, a double bar, an ending, a part within a measure.
        "A4|B2:|c2|B4|]",
        "A4|B2||c2|B4|]",
        "|:A4|B2[1c2:|[2d2|]",
        "A4|B2\nP:B\nc2|B4|]",
        // Three parts of one measure.
        "A4|B:|:c2:|B|A4|]",
        // A meter that changes.
        "A4|[M:3/4]A3|[M:none]A|A9|",
        // Rests of measures, and a bar without notes.
        "Z3|A4| \"G\" |A4|",
    ] {
        let report = check(&music(text));
        assert_eq!((report.wrong, report.unbalanced), (0, 0), "{text}: {:?}", report.diagnostics);
        assert!(report.passes());
    }
    assert_eq!(counts("A|B4|c3:|"), (1, 2, 0, 0));
}

#[test]
fn wrong_bars() {
    let wrong = |text: &str| -> Vec<Problem> {
        let report = check(&music(text));
        assert_eq!(report.wrong, report.diagnostics.len(), "{text}");
        assert!(!report.passes() && report.is_readable());
        report.diagnostics.into_iter().map(|d| d.problem).collect()
    };
    let (quarter, half) = (Fraction::new(1, 4), Fraction::new(1, 2));
    let full = Fraction::ONE;
    assert_eq!(wrong("A4|B2|c4|"), [Problem::WrongBar { bar: 2, length: half, full }]);
    assert_eq!(wrong("A4|B5|c4|"), [Problem::WrongBar { bar: 2, length: Fraction::new(5, 4), full }]);
    assert_eq!(wrong("A2|B2|c4|"), [Problem::WrongBar { bar: 2, length: half, full }]);
    assert_eq!(wrong("A|B4|c4:|"), [Problem::OpenPickUp { bar: 1, length: quarter, full }]);
    assert_eq!(wrong("A4|B4|c2|]"), [Problem::OpenEnd { bar: 3, length: half, full }]);
    assert_eq!(wrong("A4|B4||A|B4|c4||"), [Problem::OpenPickUp { bar: 3, length: quarter, full }]);
    assert_eq!(wrong("A|B4|c2:|").len(), 2);
    // Twice too long is not completed by nothing.
    assert_eq!(wrong("A4|B8|]").len(), 1);
}

/// What is long is read, checked, played and drawn in a time that grows with its length.
#[test]
fn long_tunes_take_no_longer_than_they_are() {
    let many = [
        ("C8|", 20_000),
        ("|:C:|", 20_000),
        ("C4|C2:|", 20_000),
        ("[1C4:|", 20_000),
        ("\"C\"-", 100_000),
        ("\"C\"", 100_000),
        ("[K:", 200_000),
        ("!", 100_000),
        ("+A", 100_000),
        ("{a", 100_000),
        ("[Q:1/4=99]C", 30_000),
        ("\nP:A\nC8|", 10_000),
        ("C4||", 20_000),
    ];
    for (piece, times) in many {
        let began = std::time::Instant::now();
        let text = format!("X:1\nL:1/8\nM:4/4\nK:C\n{}C8|\n", piece.repeat(times));
        let tune = tune_of(&text);
        check(&tune);
        let seconds = |what: &str| {
            let spent = began.elapsed().as_secs_f64();
            assert!(spent < 10.0, "{what} of {times} times {piece:?} took {spent:.1} s");
        };
        seconds("check");
        if let Ok(timeline) = Timeline::new(&tune) {
            midi(&tune, &timeline, MidiOptions::default());
        }
        seconds("midi");
        musicxml(&tune);
        seconds("musicxml");
        roll(&tune);
        seconds("roll");
        transpose(&text, Interval::nearest(1));
        seconds("transpose");
        println!("{:.2} s for {times} times {piece:?}", began.elapsed().as_secs_f64());
    }
}

/// Faint lines stand where beats fall, in pick-ups too, wherever they stand.
#[test]
fn beats_are_drawn_where_they_fall() {
    // Places of the faint lines, in eighths from the left.
    let beats = |meter: &str, music: &str| -> Vec<f64> {
        let tune = tune_of(&format!("X:1\nM:{meter}\nL:1/8\nK:C\n{music}\n"));
        let svg = roll(&tune);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let lines = document.descendants().filter(|n| n.attribute("stroke-dasharray") == Some("2 3"));
        let eighths = 8.0 * tune.voices[0].bars.iter().map(|b| b.length()).sum::<Fraction>().to_f64();
        let place = |x: f64| (x - 34.0) / (1000.0 - 34.0 - 14.0) * eighths;
        lines.map(|n| (place(n.attribute("x1").unwrap().parse().unwrap()) * 10.0).round() / 10.0).collect()
    };
    assert_eq!(beats("6/8", "C6|"), [3.0]);
    assert_eq!(beats("9/8", "C9|"), [3.0, 6.0]);
    assert_eq!(beats("6/4", "C12|"), [6.0]);
    assert_eq!(beats("C|", "C8|"), [4.0]);
    assert_eq!(beats("C", "C8|"), [2.0, 4.0, 6.0]);
    assert_eq!(beats("6/8", "C4|D6|"), [1.0, 7.0]);
    // The second strain's pick-up.
    assert_eq!(beats("6/8", "C6|D2:|E4|F6|"), [3.0, 9.0, 15.0]);
    assert_eq!(beats("C|", "C8:|D3|C8|"), [4.0, 15.0]);
    assert_eq!(beats("C|", "C5|D8|C3:|"), [1.0, 9.0]);
    // The last bar begins a measure.
    assert_eq!(beats("C", "D2|C8|C6|"), [4.0, 6.0, 8.0, 12.0, 14.0]);
}

/// A part that is written twice is played as it is written first.
#[test]
fn parts_have_names() {
    let order = |header: &str| {
        let tune = tune_of(&format!("X:1\n{header}M:4/4\nL:1/4\nK:C\nC4|\nP:B part\nD4|\n"));
        assert_eq!(tune.diagnostics, []);
        let bars: Vec<Option<char>> = tune.voices[0].bars.iter().map(|b| b.part).collect();
        (bars, playing_order(&tune).unwrap().iter().flat_map(|s| s.voices[0].clone()).collect::<Vec<_>>())
    };
    assert_eq!(order(""), (vec![None, Some('B')], vec![0, 1]));
    assert_eq!(order("P:A part\n"), (vec![Some('A'), Some('B')], vec![0, 1]));
    assert_eq!(order("P:BB\n"), (vec![None, Some('B')], vec![0, 1, 1]));
}

#[test]
fn a_pick_up_is_completed_by_what_is_played_before_it() {
    let wrong = |music: &str| check(&tune_of(&format!("X:1\nP:AB\nL:1/4\nM:4/4\nK:C\n{music}\n"))).wrong;
    assert_eq!(wrong("P:A\nA4|B3|\nP:B\nc|A4|c3|\n"), 0);
    // Completed by no A that is played.
    assert_eq!(wrong("P:A\nA4|B4|\nP:B\nc|A4|c4:|\nP:A\nB4|A3|]"), 2);
}

#[test]
fn repeats_and_endings_are_balanced() {
    for text in ["A4|B4:|", "|:A4:|:B4:|", "A4::B4:|c4|1d4:|2e4|]", "|:A4|[1,3B4:|[2c4:|[4d4|]", "|:A4||B4:|"]
    {
        assert_eq!(counts(text).3, 0, "{text}");
    }
    for (text, problem) in [
        ("|:A4|B4|", Problem::UnclosedRepeat),
        ("|:A4|:B4:|", Problem::UnclosedRepeat),
        ("A4:|:", Problem::UnclosedRepeat),
        (":|A4|", Problem::NothingToRepeat),
        ("|:A4|1B4:|c4|", Problem::MissingEnding(1, 2)),
        ("|:A4|2B4:|", Problem::LoneEnding(2)),
        ("|:A4|1B4:|3c4|]", Problem::LoneEnding(3)),
        ("|:A4|1,4B4:|2c4|]", Problem::LoneEnding(4)),
        ("|:A4|1B4||2c4|]", Problem::EndingNotRepeated(1)),
    ] {
        let report = check(&music(text));
        assert_eq!(report.unbalanced, 1, "{text}: {:?}", report.diagnostics);
        assert!(report.diagnostics.iter().any(|d| d.problem == problem), "{text}: {:?}", report.diagnostics);
        assert!(!report.passes());
    }
}

#[test]
fn notes_outside_the_key_are_counted() {
    let tune = tune_of("X:1\nL:1/4\nM:4/4\nK:G\nf =f f ^f|f [K:C] f ^f f|^g4-|g4|\n");
    let report = check(&tune);
    assert_eq!((report.notes, report.outside_written, report.outside_carried), (10, 3, 3));
}

#[test]
fn every_composed_tune_passes() {
    for text in [BUILT_IN.to_string(), compose(300, 77)] {
        let tunes = read(&text);
        assert_eq!(tunes.len(), text.matches("X: ").count());
        for tune in &tunes {
            let report = check(tune);
            assert!(report.diagnostics.is_empty(), "{}: {:?}", tune.header.title(), report.diagnostics);
            assert!(report.passes() && report.bars >= 8);
        }
    }
    assert_eq!(read(BUILT_IN).len(), 400);
}

#[test]
fn every_tune_of_nottingham_is_read() {
    let Some(text) = support::nottingham() else { return };
    let tunes = read(&text);
    assert_eq!(tunes.len(), 1037);
    let reports: Vec<Report> = tunes.iter().map(check).collect();
    for (tune, report) in tunes.iter().zip(&reports) {
        assert!(report.is_readable(), "{}: {:?}", tune.header.title(), report.diagnostics);
        assert!(playing_order(tune).is_ok());
    }
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let passes = reports.iter().filter(|r| r.passes()).count();
    eprintln!(
        "{passes} pass; {} of {} bars wrong, {} notes",
        sum(|r| r.wrong),
        sum(|r| r.bars),
        sum(|r| r.notes)
    );
    assert!(passes >= 950 && sum(|r| r.wrong) < 150);
}

#[test]
fn ties_and_repeats_are_played() {
    let played = |text: &str| -> String {
        let timeline = Timeline::new(&music(text)).unwrap();
        let notes = timeline.voices[0].iter();
        notes
            .map(|s| format!("{}-{} {}", s.start, s.start + s.length, s.pitch))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(played("A2-|A2 A|"), "0-1 A4, 1-5/4 A4");
    assert_eq!(played("[CE-]E- C|"), "0-1/4 C4, 0-1/2 E4, 1/2-3/4 C4");
    assert_eq!(played("A-B A- z A|"), "0-1/4 A4, 1/4-1/2 B4, 1/2-3/4 A4, 1-5/4 A4");
    // Over the repeat sign, and into the second ending.
    assert_eq!(played("A B A-:|"), "0-1/4 A4, 1/4-1/2 B4, 1/2-1 A4, 1-5/4 B4, 5/4-3/2 A4");
    assert_eq!(played("A-|1A B:|2A|"), "0-1/2 A4, 1/2-3/4 B4, 3/4-5/4 A4");
}

#[test]
fn tempos_come_from_the_tune_its_dance_or_its_meter() {
    let seconds = |header: &str| -> f64 {
        let tune = tune_of(&format!("X:1\n{header}\nL:1/8\nK:C\nA8|\n"));
        let timeline = Timeline::new(&tune).unwrap();
        (10.0 * timeline.seconds(timeline.length)).round() / 10.0
    };
    assert_eq!(seconds("M:4/4\nQ:1/4=120"), 2.0);
    assert_eq!(seconds("M:4/4\nR:reel\nQ:1/4=120"), 2.0);
    assert_eq!(seconds("M:4/4\nR:Reel"), 1.3);
    assert_eq!(seconds("M:6/8\nR:Slip jig"), seconds("M:6/8"));
    assert_eq!(seconds("M:3/4\nR:waltz"), 1.7);
    assert_eq!(seconds("M:4/4\nR:jig"), seconds("M:4/4"));
    let tune = music("Q:1/4=60\nA2 [Q:1/4=120]A2|");
    let timeline = Timeline::new(&tune).unwrap();
    assert_eq!(timeline.seconds(timeline.length), 3.0);
    assert_eq!(timeline.seconds(Fraction::new(1, 4)), 1.0);
}

#[test]
fn the_picture_has_what_the_tune_has() {
    let text = "X:1\nT:Ti & tle\nR:jig\nM:6/8\nL:1/8\nK:D\nP:A\n|:A|\"D/F#\"[DF]FA {g}=f3-|f3 z3|1\"^slow\"a3 a2:|2a3 A3||\nP:B\n\
                |:[K:G]\"G\"G6:|\n";
    let tune = tune_of(text);
    let svg = roll(&tune);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let tagged = |name: &'static str| document.descendants().filter(move |n| n.has_tag_name(name));
    let texts: Vec<&str> = tagged("text").filter_map(|n| n.text()).collect();
    for wanted in ["Ti & tle", "jig · key D · 6/8", "A", "B", "D/F#", "slow", "1.", "2.", "G", "C#"] {
        assert!(texts.contains(&wanted), "{wanted}: {texts:?}");
    }
    let heads = notes(&tune).iter().map(|n| n.heads.len()).sum::<usize>();
    let classes: Vec<&str> = tagged("rect").filter_map(|n| n.attribute("class")).collect();
    assert_eq!(classes.len(), heads);
    for (event, _) in tune.notes() {
        assert!(classes.contains(&format!("n n{}", event.place.offset).as_str()));
    }
    // Two dots at each end of two repeats.
    assert_eq!(tagged("circle").count(), 8);
    // All of it stands within the picture.
    let number = |n: &roxmltree::Node, name: &str| n.attribute(name).unwrap().parse::<f64>().unwrap();
    for note in tagged("rect").filter(|n| n.has_attribute("class")) {
        assert!(number(&note, "x") >= 0.0 && number(&note, "x") + number(&note, "width") <= 1000.0);
        assert!(number(&note, "y") >= 0.0);
    }
}

/// Whatever the text, reading ends, and what was read holds together.
fn holds_together(text: &str) {
    for tune in read(text) {
        for voice in &tune.voices {
            let strains = strains(&voice.bars);
            assert_eq!(strains.iter().map(|s| s.bars.len()).sum::<usize>(), voice.bars.len());
            for bar in &voice.bars {
                assert!(bar.sounds() && bar.length() > Fraction::ZERO);
            }
        }
        for (event, note) in tune.notes() {
            assert!(!note.heads.is_empty() && note.length > Fraction::ZERO);
            assert!(note.heads.iter().all(|h| (0..=140).contains(&h.pitch.midi())));
            assert!(text.is_char_boundary(event.place.offset) && event.place.offset < text.len());
        }
        let report = check(&tune);
        assert_eq!(report.bars, report.full + report.completed + report.wrong);
        for diagnostic in &report.diagnostics {
            assert!(text.is_char_boundary(diagnostic.place.offset) && diagnostic.place.offset <= text.len());
            assert!(!diagnostic.to_string().is_empty());
            let error = diagnostic.problem.severity() == Severity::Error;
            assert!(!error || !report.is_readable());
        }
        let Ok(timeline) = Timeline::new(&tune) else { continue };
        assert!(playing_order(&tune).is_ok());
        for sound in timeline.voices.iter().flatten() {
            assert!(sound.length > Fraction::ZERO && sound.start + sound.length <= timeline.length);
        }
        for strike in perform(&timeline, true) {
            assert!(strike.start < strike.end && strike.end <= timeline.length, "{strike:?}");
        }
        assert!(timeline.seconds(timeline.length).is_finite());
        let midi = midi(&tune, &timeline, MidiOptions::default());
        assert!(midly::Smf::parse(&midi).is_ok());
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let xml = musicxml(&tune);
        let document = roxmltree::Document::parse_with_options(&xml, options).expect("XML");
        let svg = roll(&tune);
        assert!(roxmltree::Document::parse(&svg).is_ok());
        for duration in document.descendants().filter(|n| n.has_tag_name("duration")) {
            assert!(duration.text().is_some_and(|d| d.parse::<u64>().is_ok_and(|d| d > 0)), "{duration:?}");
        }
    }
}

/// Found by `any_signs_of_music`: of a note in nine parts, one is finer than the whole.
#[test]
fn tied_parts_of_a_tuplet() {
    holds_together("X:1\nM:4/4\nL:1/8\nK:G\na(9$<A[>  ${");
    holds_together("X:1\nM:4/4\nL:1/8\nK:G\n(5:4:2a>A|(7A5/2B3/8c/27");
}

/// One tune of the built-in corpus and what Nottingham has besides.
fn real_tune() -> impl Strategy<Value = String> {
    let rare = "X:1\nT:rare\n \nP:AAB\nM:4/4\nL:1/4\nK:Ddor\nP:A\n|:c/2d/2\\\n!segno! \"G\"B>B {ga}[B2e2]|+Ae+~c ^c-|\
                [1(3abc Z:|\n [2 d2-[K:F]d ze||\nM:3/4\n%%MIDI program 3\nV:2 name=\"x\"\nP:B\n.a (bc) H=d/4/|]\n";
    (0usize..400).prop_map(move |n| match n {
        0..100 => rare.to_string(),
        n => BUILT_IN.split("\n\n").nth(n).unwrap_or(rare).to_string(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        holds_together(&text);
        holds_together(&format!("X:1\nK:C\n{text}"));
    }

    #[test]
    fn any_signs_of_music(music in "[A-Ga-gzxZ0-9/|:\\[\\]()<>{}^_=,'\"!+\\-.~&$ \n\\\\KMLPV%y]{0,200}") {
        holds_together(&format!("X:1\nM:4/4\nL:1/8\nK:G\n{music}"));
        holds_together(&format!("X:1\n{music}"));
    }

    #[test]
    fn mutated_tunes(tune in real_tune(), edits in proptest::collection::vec((any::<usize>(), any::<char>(), 0u8..4), 1..20)) {
        let mut chars: Vec<char> = tune.chars().collect();
        for (at, c, edit) in edits {
            let at = at % chars.len().max(1);
            match edit {
                0 => chars.insert(at, c),
                1 if at < chars.len() => { chars.remove(at); }
                2 if at < chars.len() => chars.swap(at, 0),
                // A sign that the tune has itself.
                3 if at < chars.len() => { let c = chars[(c as usize) % chars.len()]; chars[at] = c; }
                _ => {}
            }
        }
        holds_together(&chars.into_iter().collect::<String>());
    }
}
