//! `hornpipe inspect`

mod check;
mod export;
mod page;
mod text;
mod trace;

use anyhow::Result;

/// Look inside a model: what its gates and states do, and what they are worth.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Trace(trace::Args),
    Export(export::Args),
    Check(check::Args),
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Trace(args) => trace::run(args),
        Command::Export(args) => export::run(args),
        Command::Check(args) => check::run(args),
    }
}
