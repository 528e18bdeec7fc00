//! A tune as a picture: a piano roll as SVG, bar by bar as it is written, with bar lines, beats, chord names, repeats, endings and parts.
//!
//! Time goes to the right, pitch goes up; a row is a semitone. Rows outside the key are grey, the tonic's are tinted. A score shows more,
//! but engraving is the craft of other programs: see [`musicxml`](super::musicxml).

mod draw;
mod layout;

use super::fraction::Fraction;
use super::key::Key;
use super::order::aligned;
use super::pitch::{LETTERS, SEMITONES, accidental};
use super::strain::strains;
use super::timeline::measure;
use super::tune::{Bar, EventKind, Tune, Voice};
use super::xml::Xml;
use draw::{draw_lines, draw_notes, draw_rows, draw_symbols};
use layout::{Canvas, LEFT, ROW, TITLE, WIDTH, systems};
use std::fmt::Display;

/// The picture of a tune as the text of an SVG file.
///
/// Each note is a rectangle of class `n` and `n` with the byte at which it stands in the text, [`Place::offset`](super::Place::offset).
pub fn roll(tune: &Tune) -> String {
    let mut xml = Xml::new("");
    write_roll(tune, &mut xml);
    xml.finish()
}

/// The same, within what is open.
pub(super) fn write_roll(tune: &Tune, xml: &mut Xml) {
    let voices: Vec<&Voice> = tune.voices.iter().filter(|v| !v.bars.is_empty()).collect();
    let Some(voice) = voices.first() else {
        return xml.empty("svg", &[("xmlns", &"http://www.w3.org/2000/svg")]);
    };
    let (low, high) = range(tune);
    let systems = systems(&voice.bars, tune.header.meter);
    let columns = aligned(&voices);
    let canvas = Canvas::new(low, high, &systems);
    let height = canvas.top(systems.len());
    xml.open(
        "svg",
        &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("viewBox", &format_args!("0 0 {WIDTH} {height:.0}")),
            ("font-family", &"sans-serif"),
            ("role", &"img"),
        ],
    );
    xml.leaf("title", tune.header.title());
    xml.empty("rect", &[("width", &WIDTH), ("height", &format_args!("{height:.0}")), ("fill", &"#fff")]);
    heading(tune, xml);
    let strains = strains(&voice.bars);
    let phases = phases(&voice.bars);
    // For each bar of the first voice, the bars of all voices that stand at its place.
    let mut places = vec![0; voice.bars.len()];
    for (place, bar) in columns[0].iter().enumerate() {
        bar.iter().for_each(|bar| places[*bar] = place);
    }
    for (at, system) in systems.iter().enumerate() {
        xml.open("g", &[("transform", &format_args!("translate(0 {:.0})", canvas.top(at)))]);
        names(xml, &canvas, voice.bars[system.bars.start].key);
        draw_rows(xml, &canvas, &voice.bars, &phases, system);
        for (number, other) in voices.iter().enumerate() {
            let mut now = Fraction::ZERO;
            for bar in system.bars.clone() {
                if let Some(Some(own)) = columns[number].get(places[bar]) {
                    draw_notes(xml, &canvas, &other.bars[*own], now, number);
                }
                now += voice.bars[bar].length();
            }
        }
        draw_lines(xml, &canvas, &voice.bars, &strains, system);
        draw_symbols(xml, &canvas, &voice.bars, system);
        xml.close();
    }
    xml.close();
}

/// How much of its measure is over where each bar begins, as the bars are written.
fn phases(bars: &[Bar]) -> Vec<Fraction> {
    let mut last = None;
    let phases = (0..bars.len()).map(|number| {
        let here = measure(bars, number, Fraction::ZERO, last.as_ref());
        last = Some(here);
        here.phase
    });
    phases.collect()
}

/// The lowest and the highest key, one more on either side.
fn range(tune: &Tune) -> (i32, i32) {
    let keys = || tune.notes().flat_map(|(_, note)| &note.heads).map(|h| h.pitch.midi());
    let (low, high) = (keys().min().unwrap_or(60), keys().max().unwrap_or(72));
    (low - 1, high + 1)
}

/// Title, and what there is to say about the tune.
fn heading(tune: &Tune, xml: &mut Xml) {
    let header = &tune.header;
    let text = |xml: &mut Xml, y: f64, size: u32, weight: &str, content: &str| {
        let attributes: [(&str, &dyn Display); 6] = [
            ("x", &(WIDTH / 2)),
            ("y", &y),
            ("text-anchor", &"middle"),
            ("font-size", &size),
            ("font-weight", &weight),
            ("fill", &"#222"),
        ];
        xml.leaf_with("text", &attributes, content);
    };
    text(xml, TITLE / 2.0, 20, "bold", header.title());
    let mut about: Vec<String> = Vec::new();
    about.extend(header.text('R').map(str::to_string));
    about.extend(header.text('K').map(|k| format!("key {k}")).filter(|k| k.len() > 4));
    let bars = tune.voices.iter().flat_map(|v| &v.bars);
    about.extend(bars.map(|b| b.meter).next().flatten().map(|m| m.to_string()));
    about.extend(header.tempo.map(|t| format!("{} = {}", t.beat, t.per_minute)));
    about.extend(header.text('C').map(str::to_string));
    text(xml, TITLE - 8.0, 12, "normal", &about.join(" · "));
}

/// The letter whose note in this key is `midi`, and whether that is the tonic.
fn degree(key: Key, midi: i32) -> (Option<usize>, bool) {
    let semitone = |step: usize| i32::from(SEMITONES[step]) + i32::from(key.signature[step]);
    let step = (0..7).find(|step| (semitone(*step) - midi).rem_euclid(12) == 0);
    (step, key.tonic.is_some_and(|t| (t.semitone() - midi).rem_euclid(12) == 0))
}

/// The names of the rows that the key has.
fn names(xml: &mut Xml, canvas: &Canvas, key: Key) {
    for midi in canvas.low..=canvas.high {
        let Some(step) = degree(key, midi).0 else { continue };
        let y = format!("{:.1}", canvas.y(midi) + ROW - 0.8);
        let attributes: [(&str, &dyn Display); 5] = [
            ("x", &(LEFT - 4.0)),
            ("y", &y),
            ("text-anchor", &"end"),
            ("font-size", &"7.5"),
            ("fill", &"#777"),
        ];
        xml.leaf_with(
            "text",
            &attributes,
            format_args!("{}{}", LETTERS[step], accidental(key.signature[step])),
        );
    }
}

/// A rectangle without a border.
fn rect(xml: &mut Xml, x: f64, y: f64, width: f64, height: f64, fill: &str, class: Option<&str>) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    let (width, height) = (format!("{width:.1}"), format!("{height:.1}"));
    let mut attributes: Vec<(&str, &dyn Display)> =
        vec![("x", &x), ("y", &y), ("width", &width), ("height", &height), ("fill", &fill)];
    if let Some(class) = &class {
        attributes.extend([("rx", &"2" as &dyn Display), ("class", class)]);
    }
    xml.empty("rect", &attributes);
}

/// Whether an event is a chord symbol or a remark, with its text.
fn words(kind: &EventKind) -> Option<(&str, bool)> {
    match kind {
        EventKind::Chord(text) => Some((text, true)),
        EventKind::Text(text) => Some((text, false)),
        _ => None,
    }
}
