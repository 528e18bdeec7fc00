//! Tunes as one HTML page that needs nothing else: the text, the picture, and a player in the browser.

use super::perform::{Player, perform};
use super::roll::write_roll;
use super::timeline::Timeline;
use super::tune::Tune;
use super::xml::Xml;
use crate::html::{escaped, filled};
use serde::Serialize;

const FRAME: &str = include_str!("page.html");
const TUNE: &str = include_str!("tune.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("player.js");

/// What the player knows of a tune.
#[derive(Serialize)]
struct Data {
    seconds: f64,
    notes: Vec<Note>,
}

/// Start and end in seconds, key, velocity, who (0 for the melody, 1 for chords, 2 for the bass), place in the text.
type Note = (f64, f64, u8, u8, u8, usize);

/// The page of these tunes, each with the text that it was read from.
pub fn page<'a>(title: &str, tunes: impl IntoIterator<Item = (&'a str, &'a Tune, &'a Timeline)>) -> String {
    let (mut sections, mut data) = (String::new(), Vec::new());
    for (number, (text, tune, timeline)) in tunes.into_iter().enumerate() {
        let mut picture = Xml::new("");
        write_roll(tune, &mut picture);
        // The picture comes last: a text might hold one of the other marks.
        let parts = [
            ("number", number.to_string()),
            ("text", escaped(text.trim_end())),
            ("picture", picture.finish()),
        ];
        sections.push_str(&filled(TUNE, &parts));
        data.push(Data { seconds: rounded(timeline.seconds(timeline.length)), notes: notes(timeline) });
    }
    // Within a script element, `<` could end it.
    let data = serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c");
    let parts = [
        ("title", escaped(title)),
        ("style", STYLE.to_string()),
        ("script", SCRIPT.to_string()),
        ("data", data),
        ("tunes", sections),
    ];
    filled(FRAME, &parts)
}

/// To a tenth of a millisecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

fn notes(timeline: &Timeline) -> Vec<Note> {
    let note = |strike: super::Strike| {
        let who = match strike.player {
            Player::Voice(_) => 0,
            Player::Chords => 1,
            Player::Bass => 2,
        };
        let time = |at| rounded(timeline.seconds(at));
        let place = strike.place.map_or(0, |p| p.offset);
        (time(strike.start), time(strike.end), strike.key, strike.velocity, who, place)
    };
    perform(timeline, true).into_iter().map(note).collect()
}
