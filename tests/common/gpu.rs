//! The GPU to test on. (`kernels/src/gpu/tests.rs` has the same for its own package.)

use hornpipe_kernels::gpu::{Choice, Gpu};

/// The one that `HORNPIPE_GPU` demands, else the best; none, with a message, where there is none and none was demanded.
pub fn gpu() -> Option<Gpu> {
    let demanded = std::env::var("HORNPIPE_GPU").ok().filter(|name| !name.is_empty());
    let choice = demanded.as_deref().map_or(Choice::Best, |name| name.parse().expect("infallible"));
    match Gpu::open(&choice) {
        Ok(gpu) => Some(gpu),
        Err(error) if demanded.is_some() => panic!("HORNPIPE_GPU is set, and {error}"),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}
