//! Where results go: stdout, or a file written whole.

use crate::checkpoint::write_atomically;
use anyhow::{Context, Result};
use std::io::{self, Write};
use std::path::Path;

/// Says a line on stderr. Whoever closed it has heard enough, and a run goes on without being heard, where `eprintln` would
/// panic.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(super) use tell;

/// Writes a result to stdout.
pub fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes a result that is no text to stdout.
pub fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Writes a result as one line of JSON to stdout.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string(value)?))
}

/// Writes a result to the file, or without one to stdout.
pub fn print_or_write(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        None => print(text),
        Some(path) => {
            write(path, text.as_bytes())?;
            tell!("wrote {}", path.display());
            Ok(())
        }
    }
}

/// Writes a file whole.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether an error is only that the reader of stdout went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}

/// `1 h 2 min`, `3 min 20 s`, `45 s`, `0.8 s`
pub fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// `1,373,437`
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| str::from_utf8(g).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_373_437), "1,373,437");
        assert_eq!(duration(0.84), "0.8 s");
        assert_eq!(duration(59.7), "1 min 0 s");
        assert_eq!(duration(3661.0), "1 h 1 min");
    }
}
