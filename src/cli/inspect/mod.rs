//! `hornpipe inspect`

mod ablate;
mod check;
mod corpus;
mod export;
mod gates;
mod gradients;
mod page;
mod text;
mod trace;
mod units;
mod walk;

use anyhow::Result;

/// Look inside a model: what its gates and states do, and what they are worth.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Trace(trace::Args),
    Units(units::Args),
    Gates(gates::Args),
    Gradients(gradients::Args),
    Export(export::Args),
    Ablate(ablate::Args),
    Walk(walk::Args),
    Check(check::Args),
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Trace(args) => trace::run(args),
        Command::Units(args) => units::run(args),
        Command::Gates(args) => gates::run(args),
        Command::Gradients(args) => gradients::run(args),
        Command::Export(args) => export::run(args),
        Command::Ablate(args) => ablate::run(args),
        Command::Walk(args) => walk::run(args),
        Command::Check(args) => check::run(args),
    }
}
