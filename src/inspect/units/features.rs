//! What a unit may follow in a tune: a number for each character, by the ABC reader.
//!
//! The label of a character is what is true after it was read, as the state of a network at a character is what the step leaves that read
//! it: inside a quoted chord from the opening quotation mark on and until the closing one, for example.

use crate::abc::{Bar, Fraction, Style, is_field, read};

/// What kind of label a feature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 0 or 1.
    Flag,
    /// A number.
    Number,
    /// One of several: from -7 to 7.
    Class,
}

/// Something that a unit may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// A short name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What its labels are.
    pub kind: Kind,
    /// Whether only characters of music within a meter have it.
    pub music: bool,
}

/// How many features there are.
pub const COUNT: usize = 10;

const fn feature(name: &'static str, about: &'static str, kind: Kind, music: bool) -> Feature {
    Feature { name, about, kind, music }
}

/// All features.
pub const FEATURES: [Feature; COUNT] = [
    feature("header", "inside a header line, such as T:", Kind::Flag, false),
    feature("chord", "inside a quoted chord", Kind::Flag, false),
    feature("line length", "characters since the line began", Kind::Number, false),
    feature("bar line", "characters since the last bar line", Kind::Number, true),
    feature("bar position", "time since the last bar line, in bars", Kind::Number, true),
    feature("beat", "the last note begins on a beat", Kind::Flag, true),
    feature("repeat", "between |: and :|", Kind::Flag, true),
    feature("first ending", "inside a first ending", Kind::Flag, true),
    feature("second ending", "inside a second ending", Kind::Flag, true),
    feature("key", "sharps of the key, flats below zero", Kind::Class, true),
];

const HEADER: usize = 0;
const CHORD: usize = 1;
const LINE_LENGTH: usize = 2;
const BAR_LINE: usize = 3;
const BAR_POSITION: usize = 4;
const BEAT: usize = 5;
const REPEAT: usize = 6;
const FIRST_ENDING: usize = 7;
const SECOND_ENDING: usize = 8;
const KEY: usize = 9;

/// The labels of one character; NaN where a feature says nothing of it.
pub type Labels = [f32; COUNT];

/// The labels of every character of a tune.
pub fn labels(tune: &str) -> Vec<Labels> {
    // By bytes first, since the reader counts those.
    let mut bytes = vec![[f32::NAN; COUNT]; tune.len()];
    lines(tune, &mut bytes);
    for parsed in read(tune) {
        for voice in &parsed.voices {
            music(tune, &voice.bars, &mut bytes);
        }
    }
    tune.char_indices().map(|(at, _)| bytes[at]).collect()
}

fn flag(is: bool) -> f32 {
    if is { 1.0 } else { 0.0 }
}

/// What lines alone tell.
fn lines(tune: &str, labels: &mut [Labels]) {
    let mut start = 0;
    for line in tune.split_inclusive('\n') {
        let field = is_field(line);
        let mut quoted = false;
        for (column, (at, c)) in line.char_indices().enumerate() {
            quoted = !field && c != '\n' && (quoted != (c == '"'));
            let labels = &mut labels[start + at];
            labels[HEADER] = flag(field && c != '\n');
            labels[CHORD] = flag(quoted);
            labels[LINE_LENGTH] = column as f32;
        }
        start += line.len();
    }
}

/// What the bars of a voice tell.
fn music(tune: &str, bars: &[Bar], labels: &mut [Labels]) {
    // Where the present bar's characters begin: right after the bar line before it.
    let Some(first) = bars.first() else { return };
    let before =
        |bar: &Bar| bar.repeat.iter().chain(bar.ending.iter().map(|e| &e.place)).map(|p| p.offset).min();
    let mut start = before(first).unwrap_or(first.place.offset).min(first.place.offset);
    let (mut repeat, mut ending, mut since) = (false, 0, start);
    // The line that the music may begin with.
    let lead = start + tune.get(start..).map_or(0, line_length);
    for bar in bars {
        let line = bar.line.place.offset.min(tune.len());
        let end = line + tune.get(line..).map_or(0, line_length);
        let begins_repeat = bar.repeat.map(|place| place.offset);
        let sign =
            begins_repeat.map_or(0..0, |place| place..place + tune.get(place..).map_or(0, line_length));
        // Its number, behind a bracket where there is one.
        let begins_ending = bar.ending.as_ref().map(|ending| {
            let place = ending.place.offset;
            place + usize::from(tune.as_bytes().get(place) == Some(&b'['))
        });
        let mut onset = Fraction::ZERO;
        let mut events =
            bar.events.iter().filter_map(|e| Some((e.place.offset, e.kind.length()?))).peekable();
        let mut elapsed = Fraction::ZERO;
        // Of signs of the line before that the bar knows of, such as the colon of `|:`.
        let from = start.min(begins_repeat.unwrap_or(start));
        for at in from..end.min(labels.len()) {
            repeat |= begins_repeat.is_some_and(|place| at == place + 1);
            if begins_ending == Some(at) {
                let numbers = &bar.ending.as_ref().expect("it begins").numbers;
                ending = if numbers.contains(&1) { 1 } else { u8::from(numbers.contains(&2)) * 2 };
            }
            while let Some(&(_, length)) = events.peek().filter(|(place, _)| *place <= at) {
                onset = elapsed;
                elapsed += length;
                events.next();
            }
            if at == line {
                repeat &= bar.line.repeats == 0;
                let goes_on = bar.line.repeats == 0
                    && matches!(bar.line.style, Style::Single | Style::Dotted | Style::None);
                ending = if goes_on { ending } else { 0 };
            }
            if at >= line {
                // On the bar line: the bar is over.
                (onset, elapsed) = (Fraction::ZERO, Fraction::ZERO);
            }
            if at >= line || at < lead || sign.contains(&at) {
                since = at;
            }
            let labels = &mut labels[at];
            let Some(meter) = bar.meter.filter(|_| labels[HEADER] == 0.0) else { continue };
            labels[BAR_LINE] = tune.get(since..at).map_or(f32::NAN, |text| text.chars().count() as f32);
            labels[BAR_POSITION] = (onset.to_f64() / meter.length().to_f64()) as f32;
            let beats = onset.to_f64() / meter.beat().to_f64();
            labels[BEAT] = flag((beats - beats.round()).abs() < 1e-6);
            labels[REPEAT] = flag(repeat);
            labels[FIRST_ENDING] = flag(ending == 1);
            labels[SECOND_ENDING] = flag(ending == 2);
            labels[KEY] = f32::from(bar.key.sharps);
        }
        start = end;
    }
}

/// The length of the bar line that begins a text: `|`, `:|`, `|]`, `::` and the like.
fn line_length(text: &str) -> usize {
    let rest = text.strip_prefix(['[', '.']).filter(|rest| rest.starts_with('|')).unwrap_or(text);
    let signs = rest.len() - rest.trim_start_matches(['|', ':', ']']).len();
    text.len() - rest.len() + signs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of signs for one feature, under the text.
    fn row(tune: &str, feature: usize, sign: impl Fn(f32) -> char) -> String {
        let labels = labels(tune);
        let of = |label: &Labels| if label[feature].is_nan() { ' ' } else { sign(label[feature]) };
        tune.chars().zip(&labels).map(|(c, label)| if c == '\n' { '\n' } else { of(label) }).collect()
    }

    fn on(label: f32) -> char {
        if label == 1.0 { '#' } else { '.' }
    }

    fn digit(label: f32) -> char {
        char::from_digit(label as u32, 36).unwrap()
    }

    const TUNE: &str = "X: 1\nM:3/4\nK:D\n\
                        |:A|\"D\"d2 ef/2g/2 d|[1\"A7\"e6:|[2 e4 z||\n\
                        P:B\n\
                        \"G\"(3BcB A2 dB|]\n\n";

    #[test]
    fn lines_and_chords() {
        let rows = [
            "####",
            "#####",
            "###",
            ".......................................",
            "###",
            "................",
            "",
            "",
        ];
        assert_eq!(row(TUNE, HEADER, on), rows.join("\n"));
        assert_eq!(row("K:D\n\"Am\"a\"\"b\"G\nA\"\n", CHORD, on), "...\n###..#..##\n.#\n");
        assert_eq!(row("abc\nd\n", LINE_LENGTH, digit), "012\n0\n");
    }

    #[test]
    fn music_by_bars() {
        let line = |feature: usize, sign: fn(f32) -> char| {
            row(TUNE, feature, sign).lines().nth(3).unwrap().to_string()
        };
        // In sixteenths of the bar's twelve: the onset of the last note that has begun.
        let sixteenths = |label: f32| digit((12.0 * label).round());
        for (got, want) in [
            (TUNE.lines().nth(3).unwrap().to_string(), r#"|:A|"D"d2 ef/2g/2 d|[1"A7"e6:|[2 e4 z||"#),
            (line(BAR_LINE, digit), "0010123456789abcdef01234567800123456700"),
            (line(BAR_POSITION, sixteenths), "000000000046667777800000000000000000800"),
            (line(BEAT, on), "###########.......#####################"),
            (line(REPEAT, on), ".###########################..........."),
            (line(FIRST_ENDING, on), ".....................#######..........."),
            (line(SECOND_ENDING, on), "...............................######.."),
            (line(KEY, digit), "222222222222222222222222222222222222222"),
        ] {
            assert_eq!(got, want);
        }
        // Triplets, after a field in the midst.
        let last = row(TUNE, BAR_POSITION, |label| digit((36.0 * label).round()));
        assert_eq!(last.lines().nth(4), Some("   "));
        // B c B take a third of a quarter each, so 4 of these 36ths; A2 begins at 12, d at 24.
        assert_eq!(last.lines().nth(5), Some("000000488cccou00"));
    }

    /// Signs in the midst of lines and over line ends, endings without a bracket, dotted bar lines, notes before a double sign.
    #[test]
    fn bars_begin_after_every_sign() {
        let bars = |music: &str, feature: usize, sign: fn(f32) -> char| {
            row(&format!("X:1\nM:2/4\nL:1/4\nK:C\n{music}\n\n"), feature, sign)
                .lines()
                .skip(4)
                .take(music.lines().count())
                .map(String::from)
                .collect::<Vec<_>>()
        };
        assert_eq!(bars("A2|:B2|c2:|", BAR_LINE, digit), ["01001201200"]);
        assert_eq!(bars("A2::B2|", BAR_LINE, digit), ["0100120"]);
        assert_eq!(bars("A2|B2:|\n|:c2|", BAR_LINE, digit), ["0101200", "00120"]);
        assert_eq!(bars("A2.|B2|", BAR_LINE, digit), ["0100120"]);
        assert_eq!(bars("|:A2|1B2:|2c2|]", FIRST_ENDING, on), [".....###......."]);
        assert_eq!(bars("|:A2|1B2:|2c2|]", SECOND_ENDING, on), ["..........###.."]);
        assert_eq!(bars("|:AB|\nA:|\n", HEADER, on), [".....", "..."]);
        assert_eq!(bars("\"é\"A2|", BAR_LINE, digit), ["012340"]);
    }

    #[test]
    fn what_has_no_meter_has_no_bars() {
        let free = labels("X:1\nM:none\nK:C\nCDEF|\n\n");
        assert!(free.iter().all(|label| label[BAR_POSITION].is_nan() && !label[HEADER].is_nan()));
        for odd in [
            "",
            "\n",
            "no tune",
            "X:1\n",
            "X:1\nK:C\n\"",
            "X:1\nT:é\nK:C\nC\u{301}é|é\"é",
            "X:1\nK:C\n|:|:[1[2|||",
        ] {
            assert_eq!(labels(odd).len(), odd.chars().count(), "{odd:?}");
        }
    }
}
