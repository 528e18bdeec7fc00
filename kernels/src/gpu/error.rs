//! What can go wrong with a GPU.

use std::fmt;

/// Why something cannot be done on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// The system offers none.
    NoAdapter,
    /// None is called so.
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is, numbered.
        found: Vec<String>,
    },
    /// Several are called so.
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Those that match, numbered.
        found: Vec<String>,
    },
    /// It lacks something that the shaders need.
    Unsuitable {
        /// The adapter.
        adapter: String,
        /// What it lacks.
        lacks: String,
    },
    /// An array is larger than the device allows.
    TooLarge {
        /// What is in it.
        what: String,
        /// Its bytes.
        bytes: u64,
        /// The bytes that one array may have.
        limit: u64,
    },
    /// The device has no memory left.
    OutOfMemory {
        /// What there was no room for.
        what: String,
        /// Its bytes.
        bytes: u64,
    },
    /// It could not be opened, reported an error of its own, or was lost.
    Failed {
        /// The adapter.
        adapter: String,
        /// What it said.
        message: String,
    },
}

/// Bytes as megabytes (10^6), with a digit where there are few.
fn megabytes(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    if mb < 10.0 { format!("{mb:.1} MB") } else { format!("{mb:.0} MB") }
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GpuError::NoAdapter => f.write_str(
                "no GPU was found; install the Vulkan driver of your card (on Debian and Ubuntu, mesa-vulkan-drivers \
                 serves AMD and Intel and also brings a slow software device for tests)",
            ),
            GpuError::Unknown { asked, found } => {
                let there = if found.len() == 1 { "there is" } else { "there are" };
                write!(f, "no GPU is called {asked}; {there} {}", found.join(", "))
            }
            GpuError::Ambiguous { asked, found } => {
                write!(f, "{asked} could be any of {}; give the number or more of the name", found.join(", "))
            }
            GpuError::Unsuitable { adapter, lacks } => write!(f, "{adapter} cannot be used: it lacks {lacks}"),
            GpuError::TooLarge { what, bytes, limit } => write!(
                f,
                "there is no room for {what}: {} in one array, {} more than the {} that this GPU allows; \
                 lower --batch-size, --seq-len or --hidden",
                megabytes(*bytes),
                megabytes(bytes - limit),
                megabytes(*limit),
            ),
            GpuError::OutOfMemory { what, bytes } => write!(
                f,
                "the GPU has no memory left for {what} ({}); lower --batch-size, --seq-len or --hidden",
                megabytes(*bytes)
            ),
            GpuError::Failed { adapter, message } => write!(f, "{adapter} failed: {message}"),
        }
    }
}

impl std::error::Error for GpuError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_by_how_much() {
        let error = GpuError::TooLarge { what: "the gates".into(), bytes: 300_000_000, limit: 128_000_000 };
        assert_eq!(
            error.to_string(),
            "there is no room for the gates: 300 MB in one array, 172 MB more than the 128 MB that this GPU allows; \
             lower --batch-size, --seq-len or --hidden"
        );
        assert!(GpuError::NoAdapter.to_string().contains("mesa-vulkan-drivers"));
    }
}
