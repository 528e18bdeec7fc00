//! Ctrl-C: the first asks for a clean end, the second ends at once.

use super::INTERRUPTED;
use super::output::tell;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static MESSAGE: Mutex<&str> = Mutex::new("stopping");

/// From here on this is what a first Ctrl-C does.
pub fn now(message: &'static str) {
    *MESSAGE.lock().unwrap_or_else(PoisonError::into_inner) = message;
}

/// From now on Ctrl-C (and SIGTERM) only sets [`requested`]; a second one exits. `message` says what happens now.
pub fn catch(message: &'static str) -> Result<()> {
    now(message);
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        let message = *MESSAGE.lock().unwrap_or_else(PoisonError::into_inner);
        tell!("\n{message} (Ctrl-C again stops at once)");
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
