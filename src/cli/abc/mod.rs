//! `hornpipe abc`

mod check;

use anyhow::Result;

/// Work with tunes in ABC notation.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Check(args) => check::run(args),
    }
}
