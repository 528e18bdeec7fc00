//! Every operation against the CPU's kernel, or plain f64, at odd sizes, outputs poisoned with NaN and fenced.
//!
//! Without a GPU they are skipped with a message. Where the environment variable `HORNPIPE_GPU` is set (to a number or name, as in
//! `--device gpu:…`), they run on that one and fail without it.

use super::*;
use crate::dropout::{Dropout, Site};
use crate::optimizer::{Adam, RmsProp};
use crate::packed::Packed;
use crate::testing::{Noise, close};
use crate::{Isa, Team, elementwise, embedding, lstm, softmax};

mod elementwise_ops;
mod products;
mod sequences;
mod timing;

/// What is asked of every operation.
const RTOL: f64 = 1e-5;
const ATOL: f64 = 1e-6;

/// The GPU to test on; none, with a message, where there is none and none was demanded.
fn gpu() -> Option<Gpu> {
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

/// That GPU as it is, and with so few workgroups that each has much to do.
fn gpus() -> Vec<Gpu> {
    gpu().into_iter().flat_map(|gpu| [gpu.narrow(SUMS as u32), gpu]).collect()
}

/// Numbers behind what an operation may write.
const FENCE: usize = 33;
const POST: f32 = 77.0;

/// These numbers on the device, with a fence behind them.
fn fenced(gpu: &Gpu, values: &[f32]) -> Array<f32> {
    Array::new(gpu, "a test's numbers", &[values, &[POST; FENCE]].concat()).expect("room")
}

/// `len` times NaN with a fence behind, for what is to be overwritten.
fn poisoned(gpu: &Gpu, len: usize) -> Array<f32> {
    fenced(gpu, &vec![f32::NAN; len])
}

/// These numbers and nothing behind them.
fn exactly(gpu: &Gpu, values: &[f32]) -> Array<f32> {
    Array::new(gpu, "a test's numbers", values).expect("room")
}

fn words(gpu: &Gpu, values: &[u32]) -> Array<u32> {
    Array::new(gpu, "a test's words", values).expect("room")
}

/// Runs what is recorded.
fn run(gpu: &Gpu, record: impl FnOnce(&mut Recorder)) {
    let mut recorder = Recorder::new(gpu);
    record(&mut recorder);
    gpu.run(&[&recorder.finish()]);
}

/// What the operation wrote; fails where it wrote into the fence, or the device failed.
#[track_caller]
fn read(gpu: &Gpu, array: &Array<f32>) -> Vec<f32> {
    let mut values = array.read(gpu).expect("the device works");
    let fence = values.split_off(values.len() - FENCE);
    assert_eq!(fence, [POST; FENCE], "written outside");
    values
}

fn in_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn an_array_that_is_too_large_is_refused_by_how_much() {
    let Some(gpu) = gpu() else { return };
    let limit = gpu.info().array_bytes;
    let len = limit as usize / 4 + 250_000;
    match Array::<f32>::zeros(&gpu, "the gates", len) {
        Err(GpuError::TooLarge { what, bytes, limit: found }) => {
            assert_eq!((what.as_str(), bytes, found), ("the gates", 4 * len as u64, limit));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(gpu.failure(), None);
}

#[test]
fn a_lost_device_is_told() {
    let Some(gpu) = gpu() else { return };
    let array = exactly(&gpu, &[1.0, 2.0]);
    assert_eq!(array.read(&gpu), Ok(vec![1.0, 2.0]));
    gpu.destroy();
    assert_eq!(gpu.failure(), None, "who gives a device up has no failure");
    let error = array.read(&gpu).expect_err("nothing can be read");
    assert!(matches!(error, GpuError::Failed { .. }) && !error.to_string().contains('\n'), "{error}");
    assert_eq!(gpu.failure(), Some(error.clone()));
    // Nor does anything else end otherwise.
    array.write(&gpu, &[3.0]);
    run(&gpu, |r| r.clear(&array, 0..2));
    gpu.wait();
    assert_eq!(array.read(&gpu), Err(error));
}

#[test]
fn what_a_device_refuses_is_its_failure() {
    let Some(gpu) = gpu() else { return };
    let array = exactly(&gpu, &[1.0, 2.0]);
    let download = Download::new(&gpu, 2).expect("room");
    // Invalid: a copy of a buffer that the device no longer has.
    array.buffer().destroy();
    run(&gpu, |r| r.download(&array, 0..2, &download, 0));
    let error = download.read(&gpu, &mut [0.0f32; 2]).expect_err("nothing was run");
    assert_eq!(gpu.failure(), Some(error));
}

#[test]
#[should_panic(expected = "12 bytes of 8")]
fn more_than_was_downloaded_cannot_be_read() {
    let Some(gpu) = gpu() else { panic!("12 bytes of 8: skipped, no GPU was found") };
    let download = Download::new(&gpu, 2).expect("room");
    let _ = download.read(&gpu, &mut [0.0f32; 3]);
}

#[test]
fn adapters_are_described() {
    let Some(gpu) = gpu() else { return };
    let all = adapters();
    assert!(all.contains(gpu.info()));
    for info in all {
        println!("{info:?}");
        assert!(!info.name.is_empty() && info.array_bytes >= 1 << 20 && info.workgroup_size >= 256);
    }
}
