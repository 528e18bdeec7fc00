//! The command line: one file a subcommand. Flags are turned once into plain settings; results go to stdout, all else to stderr.

mod abc;
mod bench;
mod chart;
mod completions;
mod convert;
mod corpus;
mod corpus_clean;
mod corpus_split;
mod device;
mod evaluate;
mod generate;
mod generate_format;
mod host;
mod inspect;
mod interrupt;
mod judge;
mod load;
mod memory;
mod output;
pub mod plot;
mod progress;
mod run_folder;
mod summary;
mod train;
mod train_flags;
mod train_watch;

use clap::{CommandFactory, Parser, Subcommand};
use output::tell;
use std::process::ExitCode;

/// Train LSTMs on folk tunes in ABC notation, on the CPU, and let them write new ones.
///
/// `hornpipe train` trains on the built-in tunes and ends with a new one; `hornpipe generate runs/NAME/best.hornpipe`
/// writes more. The environment variable HORNPIPE_ISA (scalar, avx2, avx512, neon) forces an instruction set.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::Args>),
    Generate(generate::Args),
    Evaluate(evaluate::Args),
    Judge(judge::Args),
    Summary(summary::Args),
    Convert(convert::Args),
    #[command(subcommand)]
    Corpus(corpus::Command),
    #[command(subcommand)]
    Abc(abc::Command),
    #[command(subcommand)]
    Inspect(inspect::Command),
    #[command(subcommand)]
    Bench(bench::Command),
    Completions(completions::Args),
}

/// The exit code of a run that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Generate(args) => generate::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Judge(args) => judge::run(args),
        Command::Summary(args) => summary::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Corpus(command) => corpus::run(command),
        Command::Abc(command) => abc::run(command),
        Command::Inspect(command) => inspect::run(command),
        Command::Bench(command) => bench::run(command),
        Command::Completions(args) => completions::run(&args, Cli::command()),
    };
    match result {
        Ok(()) if interrupt::requested() => ExitCode::from(INTERRUPTED),
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has had enough; that is no fault of ours.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
