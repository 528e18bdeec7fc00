//! A judgement as one HTML file that needs nothing else.

use super::chart::{Chart, Series, bars};
use super::{Judged, Row, rows};
use crate::abc::Fraction;
use crate::html::{escaped, filled};
use crate::judge::{Counts, Histograms, JudgedTune, Judgement};
use std::collections::BTreeSet;
use std::fmt::Write;

const FRAME: &str = include_str!("page.html");

/// Rarer lengths than this, on every side, are left out of the picture.
const RARE: f64 = 0.001;

const DEGREES: [&str; 12] = ["1", "♭2", "2", "♭3", "3", "4", "♯4", "5", "♭6", "6", "♭7", "7"];

pub fn html(judged: &Judged) -> String {
    let Judged { file, corpus, training_tunes, generated, held_out, .. } = judged;
    let about = format!(
        "{} generated tunes and {} held-out tunes of {}, against its {training_tunes} training tunes.",
        generated.tunes.len(),
        held_out.tunes.len(),
        corpus
    );
    let parts = [
        ("title", escaped(&format!("{file}, judged"))),
        ("about", escaped(&about)),
        ("scores", scores(judged)),
        ("plots", plots(judged)),
        ("tunes", tunes(&generated.tunes)),
    ];
    filled(FRAME, &parts)
}

fn scores(judged: &Judged) -> String {
    let mut page = String::new();
    for (group, rows) in rows(judged) {
        let _ = writeln!(page, "<tbody><tr class=\"group\"><th colspan=\"4\">{group}</th></tr>");
        for Row { name, values: [a, b], about } in rows {
            let _ = writeln!(
                page,
                "<tr><td>{name}</td><td class=\"number\">{a}</td><td class=\"number\">{b}</td><td class=\"about\">{}</td></tr>",
                escaped(about)
            );
        }
        page.push_str("</tbody>\n");
    }
    page
}

fn plots(judged: &Judged) -> String {
    let mut page = String::new();
    let Judged { generated, held_out, training, .. } = judged;
    let sides = [
        ("generated", "generated", &generated.histograms),
        ("held out", "held-out", &held_out.histograms),
        ("training", "training", training.histograms()),
    ];
    let mut plot =
        |title: &str, about: &str, axes: [&str; 2], labels: Vec<String>, series: Vec<Series<'_>>| {
            let [axis, of] = axes;
            let picture = bars(&Chart { about: title, axis, of, labels: &labels, series: &series });
            let _ = writeln!(page, "<h3>{title}</h3>\n<p>{about}</p>\n<div class=\"plot\">{picture}</div>");
        };
    let of = |counts: &dyn Fn(&Histograms) -> Vec<f64>| -> Vec<Series<'_>> {
        sides.iter().map(|(name, class, h)| Series { name, class, values: counts(h) }).collect()
    };
    fn shares<K: Ord>(counts: &Counts<K>, keys: &[K]) -> Vec<f64> {
        keys.iter().map(|key| counts.share(key)).collect()
    }
    let classes: Vec<i32> = (0..12).collect();
    plot(
        "Notes of the scale",
        "Notes by their distance from the tonic; 1 is the tonic, ♭3 a minor third.",
        ["degree of the scale", "share of the notes"],
        DEGREES.map(str::to_string).to_vec(),
        of(&|h| shares(&h.pitch_classes, &classes)),
    );
    let steps: Vec<i32> = (-12..=12).collect();
    plot(
        "Steps from note to note",
        "In semitones, down and up; an octave counts those beyond it too.",
        ["semitones", "share of the steps"],
        steps.iter().map(|step| step.to_string().replace('-', "−")).collect(),
        of(&|h| shares(&h.intervals, &steps)),
    );
    let lengths: BTreeSet<Fraction> =
        sides.iter().flat_map(|(_, _, h)| h.durations.0.keys().copied()).collect();
    let common = |length: &Fraction| sides.iter().any(|(_, _, h)| h.durations.share(length) >= RARE);
    let lengths: Vec<Fraction> = lengths.into_iter().filter(common).collect();
    plot(
        "Lengths",
        "Of notes and rests, as parts of a whole note; those below a thousandth on every side are left out.",
        ["part of a whole note", "share of all"],
        lengths.iter().map(Fraction::to_string).collect(),
        of(&|h| shares(&h.durations, &lengths)),
    );
    let pair = |of: &dyn Fn(&Judgement) -> Vec<f64>| {
        vec![
            Series { name: "generated", class: "generated", values: of(generated) },
            Series { name: "held out", class: "held-out", values: of(held_out) },
        ]
    };
    plot(
        "Repetition",
        "Bars whose notes are those of the bar so many bars before, as the tune is written.",
        ["bars before", "share of the bars"],
        (1..=generated.lags.len()).map(|lag| lag.to_string()).collect(),
        pair(&|side| side.lags.clone()),
    );
    // Widths that all tunes fall into.
    let copied = |side: &Judgement| side.tunes.iter().map(|t| t.novelty.notes.length).collect::<Vec<_>>();
    let greatest = [generated, held_out].into_iter().flat_map(copied).max().unwrap_or(0);
    let width = greatest.div_ceil(20).max(1);
    let count = greatest / width + 1;
    let label = |k: usize| match width {
        1 => k.to_string(),
        _ => format!("{}–{}", k * width, (k + 1) * width - 1),
    };
    plot(
        "Copied notes",
        "Tunes by the longest run of notes that stands in a training tune, whatever the key.",
        ["notes copied", "share of the tunes"],
        (0..count).map(label).collect(),
        pair(&|side| {
            let lengths = copied(side);
            let share = |k: usize| lengths.iter().filter(|n| **n / width == k).count() as f64;
            (0..count).map(|k| share(k) / lengths.len().max(1) as f64).collect()
        }),
    );
    page
}

fn tunes(tunes: &[JudgedTune]) -> String {
    let mut order: Vec<_> = tunes.iter().collect();
    order.sort_by(|a, b| b.score.overall.total_cmp(&a.score.overall));
    let mut page = String::from("<tbody>\n");
    for JudgedTune { name, score, novelty } in order {
        let (nearest, similarity) = match &novelty.nearest {
            Some(nearest) => (escaped(&nearest.tune), format!("{:.2}", nearest.similarity)),
            None => ("none".to_string(), String::new()),
        };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"number\">{:.3}</td><td class=\"number\">{} of {}</td><td class=\"number\">{}</td><td>{}</td><td>{nearest}</td><td class=\"number\">{similarity}</td></tr>",
            escaped(name),
            score.overall,
            score.full + score.completed,
            score.bars,
            novelty.notes.length,
            escaped(&novelty.notes.tune),
        );
    }
    page.push_str("</tbody>\n");
    page
}
