//! Ctrl-C: the first asks for a clean end, the second ends at once.

use super::INTERRUPTED;
use super::output::tell;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (and SIGTERM) only sets [`requested`]; a second one exits. `message` says what happens now.
pub fn catch(message: &'static str) -> Result<()> {
    ctrlc::set_handler(move || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        tell!("\n{message} (Ctrl-C again stops at once)");
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
