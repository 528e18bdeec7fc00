//! `hornpipe abc check`

use crate::abc::{Diagnostic, Report, Severity, Tune, check, read};
use crate::cli::output::{self, thousands};
use crate::corpus::{self, CorpusError};
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Check tunes: can they be read, are their bars full, do their repeats close?
///
/// A tune passes if all of its text means something, every bar is as long as the meter says or is completed by a
/// neighbour (pick-ups and the bars that complete them, measures that a repeat or an ending cuts in two), and repeats and
/// endings are balanced. Each fault is told with its line, column and a sentence. Ends with failure if a tune does not pass.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ABC files, folders of them, or - for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// List every tune, also those about which there is nothing to say.
    #[arg(long)]
    all: bool,
    /// One line of JSON: each tune with its counts and diagnostics, and the summary.
    #[arg(long)]
    json: bool,
}

/// What is said of one tune.
#[derive(Serialize)]
struct TuneReport {
    file: String,
    line: usize,
    number: String,
    title: String,
    readable: bool,
    passes: bool,
    #[serde(flatten)]
    counts: Counts,
    diagnostics: Vec<Said>,
}

/// What is counted, of a tune or of all.
#[derive(Clone, Copy, Default, Serialize)]
struct Counts {
    /// Bars that a meter measures.
    bars: usize,
    full: usize,
    completed: usize,
    wrong: usize,
    /// Faults of repeats and endings.
    unbalanced: usize,
    notes: usize,
    /// Notes outside the key, with an accidental written at them and without one.
    outside_key_written: usize,
    outside_key_carried: usize,
}

#[derive(Serialize)]
struct Said {
    line: usize,
    column: usize,
    severity: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Summary {
    tunes: usize,
    readable: usize,
    pass: usize,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct Json {
    summary: Summary,
    tunes: Vec<TuneReport>,
}

pub fn run(args: Args) -> Result<()> {
    let mut reports = Vec::new();
    for (file, text) in corpus::texts(&args.files)? {
        let tunes = read(&text);
        if tunes.is_empty() {
            return Err(CorpusError::NoTune { name: file, lines: text.lines().count() }.into());
        }
        reports.extend(tunes.iter().map(|tune| report(&file, tune, check(tune))));
    }
    let summary = summary(&reports);
    let (tunes, fail) = (summary.tunes, summary.tunes - summary.pass);
    if args.json {
        output::print_json(&Json { summary, tunes: reports })?;
    } else {
        output::print(&text(&reports, &summary, args.all))?;
    }
    match fail {
        0 => Ok(()),
        1 if tunes == 1 => bail!("the tune does not pass"),
        _ => bail!("{} of {} tunes do not pass", thousands(fail), thousands(tunes)),
    }
}

fn report(file: &str, tune: &Tune, report: Report) -> TuneReport {
    TuneReport {
        file: file.to_string(),
        line: tune.place.line,
        number: tune.header.text('X').unwrap_or_default().to_string(),
        title: tune.header.title().to_string(),
        readable: report.is_readable(),
        passes: report.passes(),
        counts: Counts {
            bars: report.bars,
            full: report.full,
            completed: report.completed,
            wrong: report.wrong,
            unbalanced: report.unbalanced,
            notes: report.notes,
            outside_key_written: report.outside_written,
            outside_key_carried: report.outside_carried,
        },
        diagnostics: report.diagnostics.iter().map(said).collect(),
    }
}

fn said(diagnostic: &Diagnostic) -> Said {
    Said {
        line: diagnostic.place.line,
        column: diagnostic.place.column,
        severity: match diagnostic.problem.severity() {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        message: diagnostic.problem.to_string(),
    }
}

fn summary(reports: &[TuneReport]) -> Summary {
    let mut counts = Counts::default();
    for Counts {
        bars,
        full,
        completed,
        wrong,
        unbalanced,
        notes,
        outside_key_written,
        outside_key_carried,
    } in reports.iter().map(|r| r.counts)
    {
        counts.bars += bars;
        counts.full += full;
        counts.completed += completed;
        counts.wrong += wrong;
        counts.unbalanced += unbalanced;
        counts.notes += notes;
        counts.outside_key_written += outside_key_written;
        counts.outside_key_carried += outside_key_carried;
    }
    Summary {
        tunes: reports.len(),
        readable: reports.iter().filter(|r| r.readable).count(),
        pass: reports.iter().filter(|r| r.passes).count(),
        counts,
    }
}

fn text(reports: &[TuneReport], summary: &Summary, all: bool) -> String {
    let mut text = String::new();
    for report in reports.iter().filter(|r| all || !r.passes || !r.diagnostics.is_empty()) {
        let TuneReport { file, line, number, title, readable, passes, counts, diagnostics } = report;
        let readable = if *readable { "readable" } else { "not readable" };
        let passes = if *passes { "passes" } else { "does not pass" };
        let Counts { bars, wrong, unbalanced, .. } = counts;
        let _ = write!(text, "{file}:{line}: X:{number} {title}: {readable}, {wrong} of {bars} bars wrong");
        if *unbalanced > 0 {
            let faults = if *unbalanced == 1 { "fault" } else { "faults" };
            let _ = write!(text, ", {unbalanced} {faults} of repeats");
        }
        let _ = writeln!(text, "; {passes}");
        for Said { line, column, severity, message } in diagnostics {
            let _ = writeln!(text, "  {line}:{column}: {severity}: {message}");
        }
    }
    let Summary { tunes, readable, pass, counts } = summary;
    let Counts { bars, full, completed, wrong, unbalanced, notes, outside_key_written, outside_key_carried } =
        counts;
    let n = |n: &usize| thousands(*n);
    let _ = writeln!(text, "tunes    {:>9}   {} readable, {} pass", n(tunes), n(readable), n(pass));
    let (full, completed, wrong) = (n(full), n(completed), n(wrong));
    let _ = writeln!(
        text,
        "bars     {:>9}   {full} full, {completed} completed by a neighbour, {wrong} wrong",
        n(bars)
    );
    let _ = writeln!(text, "repeats            {} faults", n(unbalanced));
    let (written, carried) = (n(outside_key_written), n(outside_key_carried));
    let _ = writeln!(
        text,
        "notes    {:>9}   {written} outside the key by an accidental, {carried} without one of their own",
        n(notes)
    );
    text
}
