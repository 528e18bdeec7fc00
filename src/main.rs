//! The command-line program; all of it stands in [`hornpipe::cli`].

fn main() -> std::process::ExitCode {
    hornpipe::cli::main()
}
