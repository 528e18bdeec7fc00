//! `hornpipe inspect check`

use crate::cli::progress::Bar;
use crate::cli::{interrupt, load, output};
use crate::inspect::check::{ALLOWED, ALLOWED_IN_F64, ParameterCheck, Settings, check};
use crate::train::Objective;
use anyhow::{Result, bail};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Check the engine's gradients for a model against slopes of the loss.
///
/// Slopes are central differences of the plain loops' loss in f64, for a random sample of each parameter's numbers, on random
/// characters, with the model's dropout. The plain loops' gradients must match them, and the engine's must match both, all numbers of
/// them. The program fails where an error is greater than allowed.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder (its best model).
    checkpoint: PathBuf,
    /// Numbers of each parameter whose slope is taken.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// Time steps of the batch (T).
    #[arg(long, value_name = "T", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seq_len: u32,
    /// Sequences of the batch (B).
    #[arg(long, value_name = "B", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch_size: u32,
    /// Which characters, dropout masks and samples.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::cli::train::threads)]
    threads: usize,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    passed: bool,
    allowed: f64,
    allowed_in_f64: f64,
    parameters: &'a [ParameterCheck],
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.checkpoint)?;
    let (mut engine, _) = load::engine(&snapshot, args.threads)?;
    let settings = Settings {
        samples: args.samples as usize,
        steps: args.seq_len as usize,
        rows: args.batch_size as usize,
        many_to_one: snapshot.settings.objective == Objective::ManyToOne,
        seed: args.seed,
        threads: args.threads,
    };
    interrupt::catch("stopping")?;
    let bar = Bar::percent("checking");
    let checks = check(engine.as_mut(), settings, &mut |done| {
        bar.set(done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.clear();
    let Some(checks) = checks? else { bail!("interrupted; nothing was checked to its end") };
    let failed: Vec<&str> = checks.iter().filter(|c| !c.passed).map(|c| c.name.as_str()).collect();
    if args.json {
        output::print_json(&Report {
            passed: failed.is_empty(),
            allowed: ALLOWED,
            allowed_in_f64: ALLOWED_IN_F64,
            parameters: &checks,
        })?;
    } else {
        output::print(&table(&checks))?;
    }
    if !failed.is_empty() {
        bail!("the gradients of {} are not the slopes of the loss", failed.join(", "));
    }
    Ok(())
}

fn table(checks: &[ParameterCheck]) -> String {
    let mut text = format!(
        "greatest relative errors of gradients\n{:<20}{:>14}{:>9}{:>18}{:>18}{:>18}\n{}\n",
        "parameter",
        "shape",
        "sampled",
        "engine, slopes",
        "engine, f64 loops",
        "f64 loops, slopes",
        "─".repeat(97),
    );
    for check in checks {
        let shape: Vec<String> = check.shape.iter().map(usize::to_string).collect();
        text += &format!(
            "{:<20}{:>14}{:>9}{:>18.1e}{:>18.1e}{:>18.1e}{}\n",
            check.name,
            shape.join(" × "),
            check.sampled,
            check.engine_to_slopes,
            check.engine_to_reference,
            check.reference_to_slopes,
            if check.passed { "" } else { "  wrong" },
        );
    }
    let allowed = format!("{ALLOWED:.1e}");
    text + &format!("{:<43}{allowed:>18}{allowed:>18}{:>18}\n", "allowed", format!("{ALLOWED_IN_F64:.1e}"))
}
