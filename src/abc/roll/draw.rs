//! What stands in a system: bar lines and beats, notes, names.

use super::layout::{Canvas, ROW, System};
use super::{degree, rect, words};
use crate::abc::Fraction;
use crate::abc::key::Key;
use crate::abc::strain::Strain;
use crate::abc::tune::{Bar, EventKind, Style};
use crate::abc::xml::Xml;

/// Colours of the first voice's notes, in the key and outside, and of other voices'.
const IN_KEY: &str = "#2b6cb0";
const OUTSIDE: &str = "#c2571a";
const OTHERS: [&str; 3] = ["#2f855a", "#805ad5", "#b7791f"];

fn vertical(xml: &mut Xml, canvas: &Canvas, x: f64, width: f64, colour: &str, dashes: Option<&str>) {
    let (x, width) = (format!("{x:.1}"), format!("{width:.1}"));
    let (y1, y2) = (format!("{:.1}", canvas.y(canvas.high)), format!("{:.1}", canvas.bottom()));
    let mut attributes: Vec<(&str, &dyn std::fmt::Display)> =
        vec![("x1", &x), ("x2", &x), ("y1", &y1), ("y2", &y2), ("stroke", &colour), ("stroke-width", &width)];
    if let Some(dashes) = &dashes {
        attributes.push(("stroke-dasharray", dashes));
    }
    xml.empty("line", &attributes);
}

/// A strain's repeat: two dots beside a heavy and a light line. `side` is 1 where the dots stand to the right.
fn repeat(xml: &mut Xml, canvas: &Canvas, x: f64, side: f64) {
    vertical(xml, canvas, x, 3.0, "#222", None);
    vertical(xml, canvas, x + side * 4.0, 1.0, "#222", None);
    let middle = (canvas.y(canvas.high) + canvas.bottom()) / 2.0;
    for y in [middle - 6.0, middle + 6.0] {
        let (cx, cy) = (format!("{:.1}", x + side * 9.0), format!("{y:.1}"));
        xml.empty(
            "circle",
            &[("cx", &cx), ("cy", &cy), ("r", &"2.4"), ("fill", &"#222"), ("stroke", &"#fff")],
        );
    }
}

/// Bar lines, repeats, endings and parts.
pub(super) fn draw_lines(xml: &mut Xml, canvas: &Canvas, bars: &[Bar], strains: &[Strain], system: &System) {
    let mut now = Fraction::ZERO;
    // Strains stand in order, and so do their endings.
    let mut strain = strains.partition_point(|s| s.bars.end <= system.bars.start);
    // A system begins with a line.
    vertical(xml, canvas, canvas.x(now), 1.0, "#222", None);
    for at in system.bars.clone() {
        let bar = &bars[at];
        let length = bar.length();
        while strains[strain].bars.end <= at {
            strain += 1;
        }
        let strain = &strains[strain];
        if strain.bars.start == at && (at > 0 || bar.repeat.is_some()) && strain.times(bars) > 1 {
            repeat(xml, canvas, canvas.x(now) + 1.5, 1.0);
        }
        if let Some(part) = bar.part.filter(|_| bar.begins_part) {
            let x = canvas.x(now) + 2.0;
            text(xml, x, 11.0, "start", 12, "bold", "#222", &part.to_string());
        }
        let of = strain.endings.partition_point(|e| e.end <= at);
        if let Some(range) = strain.endings.get(of).filter(|e| e.contains(&at)) {
            ending(xml, canvas, bars, range, at, now, length);
        }
        now += length;
        let x = canvas.x(now);
        match bar.line.style {
            _ if bar.line.repeats > 0 => repeat(xml, canvas, x - 1.5, -1.0),
            Style::None | Style::Invisible => {}
            Style::Dotted => vertical(xml, canvas, x, 1.0, "#222", Some("4 4")),
            Style::Single => vertical(xml, canvas, x, 1.0, "#222", None),
            Style::Double => {
                vertical(xml, canvas, x, 1.0, "#222", None);
                vertical(xml, canvas, x - 4.0, 1.0, "#222", None);
            }
            Style::Heavy | Style::Final => {
                vertical(xml, canvas, x - 1.0, 3.0, "#222", None);
                vertical(xml, canvas, x - 5.0, 1.0, "#222", None);
            }
        }
    }
}

/// Faint lines where beats fall; so much of the measure is over where the bar begins.
fn beats(xml: &mut Xml, canvas: &Canvas, bar: &Bar, start: Fraction, phase: Fraction) {
    let Some(meter) = bar.meter else { return };
    let length = bar.length();
    let count = ((length + phase) / meter.beat()).to_f64().ceil().min(256.0) as i64;
    for beat in 1..count {
        let time = meter.beat() * Fraction::from(beat) - phase;
        if time > Fraction::ZERO && time < length {
            vertical(xml, canvas, canvas.x(start + time), 1.0, "#bbb", Some("2 3"));
        }
    }
}

/// The bracket above an ending, over one of its bars.
fn ending(
    xml: &mut Xml,
    canvas: &Canvas,
    bars: &[Bar],
    range: &std::ops::Range<usize>,
    at: usize,
    start: Fraction,
    length: Fraction,
) {
    let (first, last) = (at == range.start, at + 1 == range.end);
    let (left, right) = (
        canvas.x(start) + if first { 3.0 } else { 0.0 },
        canvas.x(start + length) - if last { 3.0 } else { 0.0 },
    );
    let down = |yes: bool| if yes { 13.0 } else { 3.0 };
    let closed = last && (bars[at].line.repeats > 0 || bars[at].line.style == Style::Final);
    let path = format!("M{left:.1} {} V3 H{right:.1} V{}", down(first), down(closed),);
    xml.empty("path", &[("d", &path), ("fill", &"none"), ("stroke", &"#222")]);
    if let Some(ending) = bars[at].ending.as_ref().filter(|_| first) {
        let numbers: Vec<String> = ending.numbers.iter().map(|n| format!("{n}.")).collect();
        text(xml, left + 4.0, 13.0, "start", 10, "normal", "#222", &numbers.join(" "));
    }
}

#[expect(clippy::too_many_arguments, reason = "each is an attribute")]
fn text(xml: &mut Xml, x: f64, y: f64, anchor: &str, size: u32, weight: &str, fill: &str, content: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    let attributes: [(&str, &dyn std::fmt::Display); 6] = [
        ("x", &x),
        ("y", &y),
        ("text-anchor", &anchor),
        ("font-size", &size),
        ("font-weight", &weight),
        ("fill", &fill),
    ];
    xml.leaf_with("text", &attributes, content);
}

/// The background: rows outside the key grey, the tonic's tinted, and beats.
pub(super) fn draw_rows(xml: &mut Xml, canvas: &Canvas, bars: &[Bar], phases: &[Fraction], system: &System) {
    let mut now = Fraction::ZERO;
    let (mut from, mut key) = (now, bars[system.bars.start].key);
    for at in system.bars.clone() {
        if bars[at].key != key {
            rows(xml, canvas, key, canvas.x(from), canvas.x(now));
            (from, key) = (now, bars[at].key);
        }
        now += bars[at].length();
    }
    rows(xml, canvas, key, canvas.x(from), canvas.x(now));
    now = Fraction::ZERO;
    for at in system.bars.clone() {
        beats(xml, canvas, &bars[at], now, phases[at]);
        now += bars[at].length();
    }
}

fn rows(xml: &mut Xml, canvas: &Canvas, key: Key, left: f64, right: f64) {
    for midi in canvas.low..=canvas.high {
        let fill = match degree(key, midi) {
            (_, true) => "#dcebfa",
            (None, _) => "#f0f0f0",
            _ => continue,
        };
        rect(xml, left, canvas.y(midi), right - left, ROW, fill, None);
    }
}

/// The notes of a bar that begins at this time of its system.
pub(super) fn draw_notes(xml: &mut Xml, canvas: &Canvas, bar: &Bar, start: Fraction, voice: usize) {
    let (mut now, mut key) = (start, bar.key);
    for event in &bar.events {
        match &event.kind {
            EventKind::Key(new) => key = *new,
            EventKind::Note(note) => {
                let class = format!("n n{}", event.place.offset);
                let (left, right) = (canvas.x(now), canvas.x(now + note.length));
                for (n, grace) in note.grace.iter().enumerate() {
                    let x = left - 4.0 * (note.grace.len() - n) as f64;
                    rect(xml, x, canvas.y(grace.pitch.midi()) + 1.5, 3.0, 4.0, "#718096", None);
                }
                for head in &note.heads {
                    let outside = head.pitch.alter != key.signature[usize::from(head.pitch.step % 7)];
                    let fill = match (voice, outside) {
                        (0, false) => IN_KEY,
                        (0, true) => OUTSIDE,
                        (n, _) => OTHERS[(n - 1) % OTHERS.len()],
                    };
                    // A tie closes the gap to the next note.
                    let gap = if head.tied { 0.0 } else { 1.5 };
                    let width = (right - left - gap).max(1.0);
                    let y = canvas.y(head.pitch.midi()) + 0.5;
                    rect(xml, left + 0.5, y, width, ROW - 1.0, fill, Some(&class));
                }
            }
            _ => {}
        }
        now += event.kind.length().unwrap_or(Fraction::ZERO);
    }
}

/// Chord names and remarks, where they do not run into one another.
pub(super) fn draw_symbols(xml: &mut Xml, canvas: &Canvas, bars: &[Bar], system: &System) {
    let mut now = Fraction::ZERO;
    let mut free = 0.0;
    for event in bars[system.bars.clone()].iter().flat_map(|b| &b.events) {
        if let Some((content, chord)) = words(&event.kind) {
            let x = canvas.x(now).max(free);
            let (size, colour) = if chord { (12, "#222") } else { (10, "#777") };
            text(xml, x, canvas.chords(), "start", size, "normal", colour, content);
            free = x + 0.7 * f64::from(size) * content.chars().count() as f64 + 4.0;
        }
        now += event.kind.length().unwrap_or(Fraction::ZERO);
    }
}
