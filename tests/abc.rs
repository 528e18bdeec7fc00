//! The reader of ABC: what it makes of music, and what it says about what it cannot make sense of.

#[path = "support/abc.rs"]
mod abc;

use abc::{music, notes, tune_of};
use hornpipe::abc::{EventKind, Fraction, Note, Problem, Rest, Style, Tune, check, read};

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
