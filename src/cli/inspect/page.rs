//! HTML files that need nothing else: a trace, and a table of units.

use super::units::Found;
use crate::cli::output::thousands;
use crate::corpus::Vocabulary;
use crate::html::{escaped, fill, filled};
use crate::inspect::Span;
use crate::inspect::trace::{TOP, Trace};
use crate::inspect::units::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::fmt::Write;

const FRAME: &str = include_str!("page/trace.html");
const STYLE: &str = include_str!("page/trace.css");
const SCRIPTS: [&str; 5] = [
    include_str!("page/data.js"),
    include_str!("page/colours.js"),
    include_str!("page/text.js"),
    include_str!("page/maps.js"),
    include_str!("page/page.js"),
];

/// What the page's scripts know besides the blocks of numbers.
#[derive(Serialize)]
struct Meta<'a> {
    text: &'a str,
    vocabulary: Vec<String>,
    layers: usize,
    hidden: usize,
    signals: Vec<SignalMeta>,
    /// Predictions of each step.
    top: usize,
    note: &'a str,
}

#[derive(Serialize)]
struct SignalMeta {
    name: &'static str,
    about: &'static str,
    span: &'static str,
}

/// The bytes of a page for a trace whose gates and states take so many: base64 takes four for three.
pub fn size(values: usize) -> usize {
    values.div_ceil(3) * 4
}

/// The page. `note` goes on after the sizes of the model.
pub fn html(title: &str, note: &str, trace: &Trace, vocabulary: &Vocabulary) -> String {
    let span = |span| match span {
        Span::Share => "share",
        Span::Signed => "signed",
        Span::Free => "free",
    };
    let meta = Meta {
        text: &vocabulary.decode(&trace.text),
        vocabulary: vocabulary.chars().iter().map(char::to_string).collect(),
        layers: trace.layers.len(),
        hidden: trace.hidden,
        signals: (trace.signals.iter())
            .map(|s| SignalMeta { name: s.name, about: s.about, span: span(s.span) })
            .collect(),
        top: TOP.min(vocabulary.len()),
        note,
    };
    // Within a script only `<` could end it.
    let meta = serde_json::to_string(&meta).expect("plain data has a JSON form").replace('<', "\\u003c");
    let mut page = String::with_capacity(FRAME.len() + size(values(trace)) + (1 << 20));
    fill(&mut page, FRAME, |page, name| match name {
        "title" => page.push_str(&escaped(title)),
        "style" => page.push_str(STYLE),
        "meta" => page.push_str(&meta),
        "data" => data(page, trace),
        "script" => SCRIPTS.iter().for_each(|script| page.push_str(script)),
        _ => unreachable!("the frame is our own"),
    });
    page
}

fn values(trace: &Trace) -> usize {
    trace.layers.iter().flatten().map(|block| block.bytes.len()).sum()
}

/// Every array of numbers, little-endian, in base64, in an element of its own that the page decodes when it needs it.
fn data(page: &mut String, trace: &Trace) {
    fn floats(values: impl Iterator<Item = f32>) -> Vec<u8> {
        values.flat_map(f32::to_le_bytes).collect()
    }
    // A vocabulary has at most 2^15 characters.
    fn shorts(values: impl Iterator<Item = u32>) -> Vec<u8> {
        values.flat_map(|value| (value as u16).to_le_bytes()).collect()
    }
    let top = || trace.expected.iter().flat_map(|expected| &expected.top);
    let came = || trace.expected.iter().filter_map(|expected| expected.came);
    element(page, "top-tokens", &shorts(top().map(|&(token, _)| token)));
    element(page, "top-probabilities", &floats(top().map(|&(_, p)| p)));
    element(page, "nats", &floats(came().map(|came| came.nats)));
    element(page, "ranks", &shorts(came().map(|came| came.rank)));
    for (l, blocks) in trace.layers.iter().enumerate() {
        for (k, block) in blocks.iter().enumerate() {
            element(page, &format!("scale-{l}-{k}"), &floats(block.scale.iter().copied()));
            element(page, &format!("block-{l}-{k}"), &block.bytes);
        }
    }
}

fn element(page: &mut String, id: &str, bytes: &[u8]) {
    let _ = write!(page, "<script type=\"text/plain\" id=\"{id}\">");
    STANDARD.encode_string(bytes, page);
    page.push_str("</script>\n");
}

const UNITS: &str = include_str!("page/units.html");

/// A page of what units follow, each a link into a trace page that shows its `signal`.
pub fn units(title: &str, note: &str, signal: &str, trace: &str, all: &[Found]) -> String {
    let mut rows = String::new();
    let bar = |score: f64| {
        format!("<span class=\"bar\" style=\"width:{:.0}px\"></span>", 80.0 * score.clamp(0.0, 1.0))
    };
    for found in all {
        let Found { feature, about, kind, samples, best, chance, untrained, followed, probe } = found;
        let class = if *followed { " class=\"followed\"" } else { "" };
        let _ = write!(
            rows,
            "<tr{class}><th>{}<small>{}</small></th><td>{}</td><td>",
            escaped(feature),
            escaped(about),
            thousands(*samples as usize)
        );
        for unit in best {
            let (layer, number, score) = (unit.layer, unit.unit, unit.score);
            let _ = write!(
                rows,
                "<a href=\"{}#by={}&amp;layer={layer}&amp;unit={number}\">layer {layer}, unit {number}</a> {}{score:+.2}<br>",
                escaped(trace),
                escaped(signal),
                bar(score.abs()),
            );
        }
        let _ = write!(
            rows,
            "</td><td>{}{chance:.2}</td><td>{}{untrained:.2}</td><td>",
            bar(*chance),
            bar(*untrained)
        );
        let number = *kind == Kind::Number;
        for (l, (score, fresh)) in probe.layers.iter().zip(&probe.untrained).enumerate() {
            let _ = write!(
                rows,
                "layer {l}: {}{:.1} % <small>untrained {:.1} %</small><br>",
                bar(*score),
                100.0 * score,
                100.0 * fresh
            );
        }
        let majority = if number {
            "of the variance".to_string()
        } else {
            format!("majority {:.1} %", 100.0 * probe.majority)
        };
        let _ = writeln!(rows, "<small>{majority}</small></td></tr>");
    }
    filled(UNITS, &[("title", escaped(title)), ("note", escaped(note)), ("rows", rows)])
}
