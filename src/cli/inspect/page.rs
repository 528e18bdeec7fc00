//! A trace as one HTML file that needs nothing else.

use crate::corpus::Vocabulary;
use crate::inspect::Span;
use crate::inspect::trace::{TOP, Trace};
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
    let mut rest = FRAME;
    // The frame has each of these names once or more, between at signs.
    while let Some((before, after)) = rest.split_once('@') {
        let (name, after) = after.split_once('@').expect("the frame is our own");
        page.push_str(before);
        match name {
            "title" => escape(&mut page, title),
            "style" => page.push_str(STYLE),
            "meta" => page.push_str(&meta),
            "data" => data(&mut page, trace),
            "script" => SCRIPTS.iter().for_each(|script| page.push_str(script)),
            _ => unreachable!("the frame is our own"),
        }
        rest = after;
    }
    page.push_str(rest);
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

/// Text within HTML.
fn escape(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            c => page.push(c),
        }
    }
}
