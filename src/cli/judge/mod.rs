//! `hornpipe judge`

mod chart;
mod page;

use super::load;
use super::output::{self, tell};
use crate::corpus::{self, Split, split};
use crate::judge::{Counts, JudgedTune, Judgement, Summary, Training, judge};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Judge generated tunes: are they well made, are they like the corpus, are they new?
///
/// The corpus is split as `train` splits it, and every score is given twice: for the generated tunes and for the held-out tunes, both
/// against the training tunes. The held-out tunes are what people made and the model never saw, so a score means something beside theirs.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// An ABC file of generated tunes, a folder of them, or - for standard input.
    file: PathBuf,
    /// The corpus that the model was trained on: ABC files or folders of them; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// The run that wrote the tunes: its folder, or a checkpoint in it. The corpus, unless one is given, and what was held out are the run's.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["validation_fraction", "seed"])]
    run: Option<PathBuf>,
    /// The share of the corpus that training held out.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    validation_fraction: f64,
    /// The seed of the training.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also list the generated tunes, the best first, each with the training tune that is nearest.
    #[arg(long)]
    list: bool,
    /// Also write a page with plots, which needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// One line of JSON with everything, tunes and histograms too, instead of the table.
    #[arg(long)]
    json: bool,
}

/// All that the table and the page show.
struct Judged {
    file: String,
    corpus: String,
    training_tunes: usize,
    training: Training,
    generated: Judgement,
    held_out: Judgement,
}

pub fn run(args: Args) -> Result<()> {
    if args.file.as_os_str() == "-" && args.corpus.iter().any(|path| path.as_os_str() == "-") {
        bail!("standard input cannot be both the tunes and the corpus; give one of them as a file");
    }
    let tunes = corpus::read(std::slice::from_ref(&args.file))?.tunes;
    let (parts, corpus) = sides(&args)?;
    let training = Training::new(&parts.train);
    let judged = Judged {
        file: load::corpus_name(std::slice::from_ref(&args.file)),
        corpus: load::corpus_name(&corpus),
        training_tunes: parts.train.len(),
        generated: judge(&tunes, &training),
        held_out: judge(&parts.held_out, &training),
        training,
    };
    if let Some(path) = &args.html {
        output::write(path, page::html(&judged).as_bytes())?;
        tell!("wrote {}", path.display());
    }
    if args.json {
        return output::print_json(&json(&judged));
    }
    output::print(&table(&judged, args.list))
}

/// The training and the held-out tunes, and the paths that they come from.
fn sides(args: &Args) -> Result<(Split, Vec<PathBuf>)> {
    let (parts, corpus, fraction) = match &args.run {
        Some(run) => {
            let snapshot = load::snapshot(run)?;
            let fraction = snapshot.settings.validation_fraction;
            if fraction == 0.0 {
                bail!("{} held no tunes out, so there is nothing to compare with", run.display());
            }
            let (parts, corpus) = load::tunes_of_run(run, &snapshot, &args.corpus)?;
            (parts, corpus, fraction)
        }
        None => {
            let fraction = args.validation_fraction;
            if fraction == 0.0 {
                bail!(
                    "--validation-fraction must be above 0: without held-out tunes there is nothing to compare with"
                );
            }
            (split(&load::corpus(&args.corpus)?, args.seed, fraction), args.corpus.clone(), fraction)
        }
    };
    parts.check(fraction).with_context(|| format!("cannot judge by {}", load::corpus_name(&corpus)))?;
    Ok((parts, corpus))
}

#[derive(Serialize)]
struct Side<'a> {
    summary: &'a Summary,
    pitch_classes: Vec<(i32, f64)>,
    intervals: Vec<(i32, f64)>,
    durations: Vec<(String, f64)>,
    repetition_by_lag: &'a [f64],
    tunes: &'a [JudgedTune],
}

#[derive(Serialize)]
struct Json<'a> {
    training_tunes: usize,
    generated: Side<'a>,
    held_out: Side<'a>,
}

fn json(judged: &Judged) -> Json<'_> {
    Json {
        training_tunes: judged.training_tunes,
        generated: side(&judged.generated),
        held_out: side(&judged.held_out),
    }
}

fn side(of: &Judgement) -> Side<'_> {
    fn shares<K: Ord + Clone>(counts: &Counts<K>) -> Vec<(K, f64)> {
        counts.0.keys().map(|key| (key.clone(), counts.share(key))).collect()
    }
    let Judgement { summary, tunes, histograms, lags } = of;
    let durations = shares(&histograms.durations);
    Side {
        summary,
        pitch_classes: shares(&histograms.pitch_classes),
        intervals: shares(&histograms.intervals),
        durations: durations.into_iter().map(|(length, share)| (length.to_string(), share)).collect(),
        repetition_by_lag: lags,
        tunes,
    }
}

/// A score's name, what it is of the generated and of the held-out tunes, and what it says.
struct Row {
    name: &'static str,
    values: [String; 2],
    about: &'static str,
}

/// The scores, in groups.
fn rows(judged: &Judged) -> [(&'static str, Vec<Row>); 3] {
    let (a, b) = (&judged.generated.summary, &judged.held_out.summary);
    let row = |name, of: &dyn Fn(&Summary) -> String, about| Row { name, values: [of(a), of(b)], about };
    let percent = |name, of: fn(&Summary) -> Option<f64>, about| {
        let value = |s: &Summary| of(s).map_or("–".to_string(), |share| format!("{:.1} %", 100.0 * share));
        row(name, &value, about)
    };
    let number = |name, of: fn(&Summary) -> Option<f64>, about| {
        let value = |s: &Summary| of(s).map_or("–".to_string(), |number| format!("{number:.3}"));
        row(name, &value, about)
    };
    let pair = |name, of: fn(&Summary) -> [usize; 2], about| {
        let value = |s: &Summary| of(s).map(|n| n.to_string()).join(" / ");
        row(name, &value, about)
    };
    [
        (
            "well made",
            vec![
                percent("readable", |s| s.readable, "tunes of which all text means something"),
                percent("full bars", |s| s.full_bars, "bars exactly as long as the meter says"),
                percent(
                    "full or completed",
                    |s| s.full_or_completed_bars,
                    "those, and pick-ups and what completes them",
                ),
                percent("repeats balanced", |s| s.balanced, "tunes whose repeats and endings close"),
                percent(
                    "in 8-bar strains",
                    |s| s.in_eights,
                    "tunes of which every strain has 8 bars or a multiple",
                ),
                percent("in the key", |s| s.in_key, "notes in the key"),
                percent("ends on the tonic", |s| s.ends_on_tonic, "tunes whose last note is the tonic"),
                number("overall", |s| s.overall, "the mean of each tune's score, 0 to 1"),
            ],
        ),
        (
            "like the corpus",
            vec![
                percent("bars repeated", |s| s.repeated_bars, "bars whose notes are those of an earlier bar"),
                percent(
                    "rhythms repeated",
                    |s| s.repeated_rhythms,
                    "bars whose lengths are those of an earlier bar",
                ),
                number(
                    "pitch classes",
                    |s| s.distances.pitch_classes,
                    "Jensen–Shannon distance of the notes above the tonic, 0 to 1",
                ),
                number("intervals", |s| s.distances.intervals, "the same of the steps from note to note"),
                number("durations", |s| s.distances.durations, "the same of the lengths"),
            ],
        ),
        (
            "new",
            vec![
                pair(
                    "characters copied",
                    |s| s.copied_characters,
                    "the longest run from a training tune: the median tune's / the greatest",
                ),
                pair("notes copied", |s| s.copied_notes, "the same in notes, whatever the key"),
                percent(
                    "phrases found",
                    |s| s.phrases_found,
                    "4-bar phrases that stand in a training tune, whatever the key",
                ),
                number(
                    "similarity",
                    |s| s.similarity,
                    "to the nearest training tune, 0 to 1: five-note pieces in common",
                ),
            ],
        ),
    ]
}

fn table(judged: &Judged, list: bool) -> String {
    let Judged { generated, held_out, training_tunes: training, .. } = judged;
    let mut text = String::new();
    if list {
        let mut order: Vec<_> = generated.tunes.iter().collect();
        // Stable: of equal scores the earlier first.
        order.sort_by(|a, b| b.score.overall.total_cmp(&a.score.overall));
        for tune in order {
            let copied = &tune.novelty.notes;
            let _ = write!(
                text,
                "{:.3}  {}: {} notes as in {:?}",
                tune.score.overall, tune.name, copied.length, copied.tune
            );
            if let Some(nearest) = &tune.novelty.nearest {
                let _ = write!(text, ", nearest {:?} ({:.2})", nearest.tune, nearest.similarity);
            }
            text.push('\n');
        }
        text.push('\n');
    }
    let (n, m) = (generated.tunes.len(), held_out.tunes.len());
    let _ =
        writeln!(text, "{:<20}{:>12}{:>12}   against {training} training tunes", "", "generated", "held out");
    let _ = writeln!(text, "{:<20}{n:>12}{m:>12}", "tunes");
    for (group, rows) in rows(judged) {
        let _ = writeln!(text, "\n{group}");
        for Row { name, values: [a, b], about } in rows {
            let _ = writeln!(text, "  {name:<18}{a:>12}{b:>12}   {about}");
        }
    }
    text
}
