//! The reader of ABC: what it makes of music, what it says about what it cannot make sense of, and that no text stops it.

mod support;

use hornpipe::abc::{
    EventKind, Fraction, MidiOptions, Note, Problem, Report, Rest, Severity, Style, Timeline, Tune, check,
    midi, musicxml, perform, playing_order, read, roll, strains,
};
use hornpipe::corpus::composer::{BUILT_IN, compose};
use proptest::prelude::*;

fn tune_of(text: &str) -> Tune {
    let mut tunes = read(text);
    assert_eq!(tunes.len(), 1, "{text}");
    tunes.remove(0)
}

/// A tune in C, 4/4, quarter notes, with this music.
fn music(music: &str) -> Tune {
    tune_of(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{music}\n"))
}

fn notes(tune: &Tune) -> Vec<&Note> {
    tune.notes().map(|(_, note)| note).collect()
}

/// `C4:1/4 F#5:1/8`, and `[C4 E4]:1/2` for a chord.
fn shown(tune: &Tune) -> String {
    let show = |note: &Note| {
        let heads: Vec<String> = note.heads.iter().map(|h| h.pitch.to_string()).collect();
        let heads = heads.join(" ");
        if note.heads.len() == 1 {
            format!("{heads}:{}", note.length)
        } else {
            format!("[{heads}]:{}", note.length)
        }
    };
    notes(tune).into_iter().map(show).collect::<Vec<_>>().join(" ")
}

fn problems(tune: &Tune) -> Vec<&Problem> {
    tune.diagnostics.iter().map(|d| &d.problem).collect()
}

/// That the music reads as these notes, and nothing is said.
fn reads(text: &str, as_notes: &str) {
    let tune = music(text);
    assert_eq!(shown(&tune), as_notes, "{text}");
    assert_eq!(problems(&tune), Vec::<&Problem>::new(), "{text}");
}

/// That something is said of the music, at this column.
fn says(text: &str, column: usize, sentence: &str) {
    let tune = music(text);
    let said = tune.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains(&format!("5:{column}: ")) && said.contains(sentence), "{text}: {said}");
}

#[test]
fn pitches_and_lengths() {
    reads("C D/ E2|c' d,, B,,|", "C4:1/4 D4:1/8 E4:1/2 C6:1/4 D3:1/4 B2:1/4");
    reads("A3/2 A/4 A// A3/|", "A4:3/8 A4:1/16 A4:1/16 A4:3/8");
    reads("z A x2 A|", "A4:1/4 A4:1/4");
    reads("C,',', D''", "C3:1/4 D6:1/4");
}

#[test]
fn accidentals_hold_to_the_end_of_the_bar_in_all_octaves() {
    reads("^F f =F _B|f F B|", "F#4:1/4 F#5:1/4 F4:1/4 Bb4:1/4 F5:1/4 F4:1/4 B4:1/4");
    reads("^^c __d ^^c|", "C##5:1/4 Dbb5:1/4 C##5:1/4");
    let tune = tune_of("X:1\nL:1/4\nM:4/4\nK:D\nf c =c c|[K:F] B c ^c c|\n");
    assert_eq!(shown(&tune), "F#5:1/4 C#5:1/4 C5:1/4 C5:1/4 Bb4:1/4 C5:1/4 C#5:1/4 C#5:1/4");
    // A tie carries one over the bar line, for its own note alone.
    reads("^c4-|c2 c2|", "C#5:1 C#5:1/2 C5:1/2");
}

#[test]
fn broken_rhythm_and_tuplets() {
    reads("A>B A<B A>>B A<<B|", "A4:3/8 B4:1/8 A4:1/8 B4:3/8 A4:7/16 B4:1/16 A4:1/16 B4:7/16");
    reads("A > B z<A|", "A4:3/8 B4:1/8 A4:3/8");
    reads("(3ABc (3A2B2c2|", "A4:1/6 B4:1/6 C5:1/6 A4:1/3 B4:1/3 C5:1/3");
    reads(
        "(3:2:4AB/c/d (2AB (4ABcd|",
        "A4:1/6 B4:1/12 C5:1/12 D5:1/6 A4:3/8 B4:3/8 A4:3/16 B4:3/16 C5:3/16 D5:3/16",
    );
    reads("(3zAB (3A>Bc|", "A4:1/6 B4:1/6 A4:1/4 B4:1/12 C5:1/6");
    let tune = music("(3ABc d (3::2ef|");
    let marks: Vec<_> =
        notes(&tune).iter().map(|n| n.tuplet.map(|t| (t.actual, t.normal, t.first, t.last))).collect();
    assert_eq!(marks[0], Some((3, 2, true, false)));
    assert_eq!(marks[2], Some((3, 2, false, true)));
    assert_eq!(marks[3], None);
    assert_eq!(marks[5], Some((3, 2, false, true)));
    assert_eq!(notes(&tune)[0].written(), Fraction::new(1, 4));
    // In a compound meter a quintuplet takes the time of three.
    let tune = tune_of("X:1\nL:1/8\nM:6/8\nK:C\n(5ABcde A3|\n");
    assert_eq!(notes(&tune)[0].length, Fraction::new(3, 40));
}

#[test]
fn chords_ties_slurs_grace_and_decorations() {
    reads("[CEG]2 [C2E2] [c e ]/|", "[C4 E4 G4]:1/2 [C4 E4]:1/2 [C5 E5]:1/8");
    reads("+CE+ +c/2e/2+ +CE+2|", "[C4 E4]:1/4 [C5 E5]:1/8 [C4 E4]:1/2");
    let tune = music("A-A (Bc) [C-E]C {/ga}!trill!~c +fermata+.d H-e|");
    let notes = notes(&tune);
    assert!(notes[0].heads[0].tied && !notes[1].heads[0].tied);
    assert_eq!((notes[2].slurs_begin, notes[3].slurs_end), (1, 1));
    assert_eq!(notes[4].heads.iter().map(|h| h.tied).collect::<Vec<_>>(), [true, false]);
    assert_eq!(notes[6].grace.len(), 2);
    assert_eq!(notes[6].decorations, ["trill", "roll"]);
    assert_eq!(notes[7].decorations, ["fermata", "staccato"]);
    // The tie of the last note but one, though written apart.
    assert!(notes[7].heads[0].tied);
    let beamed: Vec<bool> = music("A/B/ c/`d/ e/|f/").notes().map(|(_, n)| n.beamed).collect();
    assert_eq!(beamed, [false, true, false, true, false, false]);
}

#[test]
fn chord_symbols_and_texts() {
    let tune = music("\"Am7\"A \"^slow\"B \"D/f+\"z|");
    let texts: Vec<_> = tune.voices[0].bars[0]
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            EventKind::Chord(text) => Some(format!("chord {text}")),
            EventKind::Text(text) => Some(format!("text {text}")),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["chord Am7", "text slow", "chord D/f+"]);
}

#[test]
fn bar_lines_of_all_kinds() {
    let kinds = |text: &str| -> Vec<(Style, u32, bool)> {
        let tune = music(text);
        assert_eq!(problems(&tune), Vec::<&Problem>::new(), "{text}");
        let bars = &tune.voices[0].bars;
        let next = |at: usize| bars.get(at + 1).is_some_and(|b| b.repeat.is_some());
        bars.iter().enumerate().map(|(at, b)| (b.line.style, b.line.repeats, next(at))).collect()
    };
    use Style::*;
    assert_eq!(kinds("A|B||c|]"), [(Single, 0, false), (Double, 0, false), (Final, 0, false)]);
    assert_eq!(
        kinds("A[|B.|c[|]d"),
        [(Heavy, 0, false), (Dotted, 0, false), (Invisible, 0, false), (None, 0, false)]
    );
    assert_eq!(kinds("A|:B:|c"), [(Single, 0, true), (Single, 1, false), (None, 0, false)]);
    for text in ["A::B:|", "A:|:B:|", "A:||:B:|", "A:| |:B:|", "A:|\n|:B:|", "A:|\n[K:D] |:B:|"] {
        let found = kinds(text);
        assert_eq!(
            found.iter().map(|(_, r, b)| (*r, *b)).collect::<Vec<_>>(),
            [(1, true), (1, false)],
            "{text}"
        );
    }
    assert_eq!(kinds("A::|B: |c:|]"), [(Single, 2, false), (Single, 1, false), (Final, 1, false)]);
    assert!(music("|:A").voices[0].bars[0].repeat.is_some());
    assert_eq!(kinds("A||\n|:B:|")[0], (Double, 0, true));
}

#[test]
fn endings() {
    let numbers = |text: &str| -> Vec<Option<Vec<u32>>> {
        let tune = music(text);
        assert_eq!(problems(&tune), Vec::<&Problem>::new(), "{text}");
        tune.voices[0].bars.iter().map(|b| b.ending.as_ref().map(|e| e.numbers.clone())).collect()
    };
    for text in ["A|1B:|2c|", "A|[1B:|[2c|", "A| [1 B:| [2c|", "A|\n[1B:|\n[2c|", "A | 1B :| 2c|"] {
        assert_eq!(numbers(text), [None, Some(vec![1]), Some(vec![2])], "{text}");
    }
    assert_eq!(numbers("A|[1,3B:|[2-2,4c|"), [None, Some(vec![1, 3]), Some(vec![2, 4])]);
    // Within a measure.
    assert_eq!(numbers("A [1B:|[2c|"), [None, Some(vec![1]), Some(vec![2])]);
    let tune = music("A \"G\"[1B:|[2c|");
    assert_eq!(tune.voices[0].bars[0].line.style, Style::None);
}

#[test]
fn headers() {
    let tune = tune_of(
        "X: 7 % seven\nT:One\nT:Two\nR:jig\nC:Trad.\nM:6/8\nQ:3/8=120\nP:A2B\n \nK:Edor % dorian\nP:A\nEFG|\nP:B\nE|\n",
    );
    let header = &tune.header;
    assert_eq!((header.text('X'), header.title(), header.text('R')), (Some("7"), "One", Some("jig")));
    assert_eq!(header.fields.iter().filter(|f| f.name == 'T').count(), 2);
    assert_eq!(header.meter.map(|m| m.to_string()).as_deref(), Some("6/8"));
    assert_eq!((header.unit, header.key.sharps), (Fraction::new(1, 8), 2));
    assert_eq!(header.parts, ['A', 'A', 'B']);
    assert_eq!(header.tempo.map(|t| t.per_minute), Some(120.0));
    assert_eq!(problems(&tune), Vec::<&Problem>::new());
    assert_eq!(tune_of("X:1\nM:2/4\nK:C\nA\n").header.unit, Fraction::new(1, 16));
    // Fields before the first tune hold for all.
    let tunes = read("M:3/4\nL:1/4\n\nX:1\nK:C\nABC|\n\nX:2\nM:2/4\nK:C\nAB|\n");
    let shown: Vec<_> =
        tunes.iter().map(|t| (t.header.meter.map(|m| m.to_string()), t.header.unit)).collect();
    let quarter = Fraction::new(1, 4);
    assert_eq!(shown, [(Some("3/4".into()), quarter), (Some("2/4".into()), quarter)]);
}

#[test]
fn fields_within_the_music() {
    let tune = music(
        "A B c d|[M:3/4]A B c|\nM:2/4\nL:1/8\nK:G\nf f f f|[K:C][L:1/4] f f|\nw:la la\nN:a note\nQ:1/4=90\nf2|",
    );
    assert_eq!(problems(&tune), Vec::<&Problem>::new());
    assert!(shown(&tune).contains("F#5:1/8") && shown(&tune).ends_with("F5:1/4 F5:1/4 F5:1/2"));
    let report = check(&tune);
    assert_eq!((report.bars, report.full, report.wrong), (5, 5, 0));
    let kinds = |tune: &Tune| -> usize {
        let events = tune.voices[0].bars.iter().flat_map(|b| &b.events);
        events
            .filter(|e| matches!(e.kind, EventKind::Tempo(_) | EventKind::Key(_) | EventKind::Meter(_)))
            .count()
    };
    assert_eq!(kinds(&tune), 5);
    let tune = music("A4|\nP:B\nc4|\nP:last time\nd4|");
    assert_eq!(tune.voices[0].bars.iter().map(|b| b.part).collect::<Vec<_>>(), [None, Some('B'), Some('B')]);
}

#[test]
fn lines_comments_and_what_stands_between_tunes() {
    let text = "Free text\n\nX:1\nT:A\nK:C\nA B \\\nc d|% not |: this\n%%MIDI program 3\ne4|\n\nSome words.\n\nX:2\nK:C\n\
                A4|\n\nB4|\n";
    let tunes = read(text);
    assert_eq!(tunes.len(), 2);
    assert_eq!(notes(&tunes[0]).len(), 5);
    assert_eq!(problems(&tunes[0]), Vec::<&Problem>::new());
    assert_eq!(problems(&tunes[1]), [&Problem::BlankLine]);
    assert_eq!(notes(&tunes[1]).len(), 2);
    let ends = |tune: &Tune| {
        let events = tune.voices[0].bars.iter().flat_map(|b| &b.events);
        events.filter(|e| e.kind == EventKind::LineEnd).count()
    };
    // The first line goes on; what ends the second begins the third bar; the end of the last has no bar.
    assert_eq!(ends(&tunes[0]), 1);
    let same = |text: &str| shown(&tune_of(text));
    assert_eq!(same("X:1\r\nK:C\r\nA B|\r\n"), same("X:1\nK:C\nA B|\n"));
    assert_eq!(same("X:1\rK:C\rA B|\r"), same("X:1\nK:C\nA B|"));
    assert!(read("").is_empty() && read("no tune\n").is_empty());
}

#[test]
fn voices() {
    let tune = tune_of("X:1\nM:4/4\nL:1/4\nK:C\nV:1 name=\"Fiddle one\"\nA4|\nV:2\nC4|\n[V:1]B4|\n");
    let ids: Vec<_> = tune.voices.iter().map(|v| (v.id.as_str(), v.name.as_deref(), v.bars.len())).collect();
    assert_eq!(ids, [("1", Some("Fiddle one"), 2), ("2", None, 1)]);
    let tune = tune_of("X:1\nV:low\nV:high\nK:C\nA|\nV:high\nC|D|\n");
    let ids: Vec<_> = tune.voices.iter().map(|v| (v.id.as_str(), v.bars.len())).collect();
    assert_eq!(ids, [("low", 1), ("high", 2)]);
}

#[test]
fn places_are_of_the_whole_text() {
    let tunes = read("X:1\nK:C\nA|\n\nX:2\nT:é\nK:C\n\"é\"B/ c#|\n");
    let diagnostic = &tunes[1].diagnostics[0];
    assert_eq!(diagnostic.to_string(), "8:8: '#' means nothing here; it is left out");
    let text = "X:1\nK:C\nA|\n\nX:2\nT:é\nK:C\n\"é\"B/ c#|\n";
    assert_eq!(&text[diagnostic.place.offset..][..1], "#");
    let (event, _) = tunes[1].notes().next().unwrap();
    assert_eq!(&text[event.place.offset..][..2], "B/");
}

#[test]
fn what_means_nothing_is_told_and_left_out() {
    for (text, column, sentence) in [
        ("A # B|", 3, "'#' means nothing"),
        ("A é|", 3, "'é' means nothing"),
        ("A ] B|", 3, "']' means nothing"),
        ("A 3|", 3, "'3' means nothing"),
        ("A : B|", 3, "':' means nothing"),
        ("A \\ B|", 3, "'\\\\' means nothing"),
        ("\"Am A B|", 1, "no closing quotation mark"),
        ("A0|", 2, "0 is no length"),
        ("A99999|", 2, "99999 is no length"),
        ("A/17|", 2, "/17 is no length"),
        ("A/1024|", 2, "/1024 is no length"),
        ("A1000|", 2, "1000 is no length"),
        ("c''''''|", 1, "outside the pitches"),
        ("^ A|", 1, "no note follows this accidental"),
        ("^=A|", 1, "no note follows this accidental"),
        ("(99A|", 1, "(99 is no tuplet"),
        ("(3:0A|", 1, "(3:0 is no tuplet"),
        ("A|0B|", 3, "0 is no ending"),
        ("A|[99B|", 3, "99 is no ending"),
        ("A|[3-1B|", 3, "3-1 is no ending"),
    ] {
        says(text, column, sentence);
        assert!(!music(text).is_readable(), "{text}");
    }
    assert!(!tune_of("X:1\nT:no key\nAB|\n").is_readable());
    assert!(!tune_of("X:1\nK:C\n").is_readable());
    assert!(!tune_of("X:1\n").is_readable());
}

#[test]
fn what_is_meant_is_read_and_told() {
    for (text, column, sentence) in [
        ("[CE A|", 1, "is not closed"),
        ("[CE|G4|", 1, "is not closed"),
        ("[a2c2+c|", 1, "is not closed"),
        ("[]A|", 1, "has no notes"),
        ("[C2E]|", 1, "differ in length (2 and 1)"),
        ("{ga|A4|", 1, "grace notes that begin here are not closed"),
        ("(3AB|c|", 1, "the tuplet is not complete; 1 of its notes"),
        ("A>|B|", 2, "a note on each side"),
        ("|>B|", 2, "a note on each side"),
        ("-A|", 1, "no note stands before this tie"),
        ("A-B|", 3, "the tie leads to no note of the same pitch"),
        ("A & B|A|", 3, "a second voice within a bar"),
        ("A:| :|", 5, "nothing to repeat"),
        ("A/4/B", 4, "this / says nothing"),
        ("[M:5]A|", 1, "M:5 says no meter"),
        ("[K:H]A|", 1, "K:H says no key"),
        ("[L:x]A|", 1, "L:x says no unit of length"),
    ] {
        says(text, column, sentence);
        assert!(music(text).is_readable(), "{text}");
    }
    // An ending or a repeat may lie between: no tie fails.
    assert_eq!(problems(&music("|:A4-|1A4-:|2A4|")), Vec::<&Problem>::new());
    let tune = tune_of("X:1\nM:x\nL:x\nP:x\nT:\nsome words\nK:x\nA\n");
    assert_eq!(tune.diagnostics.len(), 5);
    assert!(tune.is_readable());
    let tune = tune_of("X:1\nP:AC\nK:C\nP:A\nA|\n");
    assert_eq!(problems(&tune), [&Problem::MissingPart('C')]);
}

#[test]
fn rests_of_whole_measures() {
    let tune = music("Z2|z4|");
    let rests: Vec<&Rest> = tune.voices[0]
        .bars
        .iter()
        .flat_map(|b| &b.events)
        .filter_map(|e| match &e.kind {
            EventKind::Rest(rest) => Some(rest),
            _ => None,
        })
        .collect();
    assert_eq!((rests[0].length, rests[0].measures), (Fraction::from(2), Some(2)));
    assert_eq!((rests[1].length, rests[1].measures), (Fraction::ONE, None));
}

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
