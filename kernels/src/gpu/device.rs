//! An open device.

use super::adapter::{AdapterInfo, Choice, array_bytes, choose, describe};
use super::error::GpuError;
use super::program::Program;
use super::shader::Shader;
use std::collections::HashMap;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An open GPU with its compiled shaders. Copies are the same device.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
    /// Workgroups along one dimension of a dispatch.
    workgroups: u32,
}

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: AdapterInfo,
    limits: wgpu::Limits,
    pipelines: Mutex<HashMap<Shader, wgpu::ComputePipeline>>,
    /// What the device said when it failed; nothing that it computes counts from then on.
    failure: Arc<OnceLock<String>>,
}

/// Bytes of immediate data that the shaders take at most.
pub(super) const IMMEDIATES: u32 = 48;

impl Gpu {
    /// Opens a GPU, with the largest arrays that it allows.
    ///
    /// # Errors
    /// Where there is none, none of that name, or it lacks what the shaders need.
    pub fn open(choice: &Choice) -> Result<Self, GpuError> {
        let adapter = choose(choice)?;
        let (info, offered) = (describe(&adapter), adapter.limits());
        let unsuitable = |lacks: String| GpuError::Unsuitable { adapter: info.name.clone(), lacks };
        if !adapter.features().contains(wgpu::Features::IMMEDIATES) || offered.max_immediate_size < IMMEDIATES
        {
            return Err(unsuitable(format!("{IMMEDIATES} bytes of immediate data")));
        }
        // WebGPU's defaults are what the shaders are written for; arrays may be as large as the device allows.
        let limits = wgpu::Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            max_immediate_size: IMMEDIATES,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("hornpipe"),
            required_features: wgpu::Features::IMMEDIATES
                | adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| {
            GpuError::Failed { adapter: info.name.clone(), message: format!("it cannot be opened ({e})") }
        })?;
        let failure = Arc::new(OnceLock::new());
        let (on_error, on_loss) = (Arc::clone(&failure), Arc::clone(&failure));
        // The first failure is the one to tell; later ones follow from it.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = on_error.set(one_line(&error.to_string()));
        }));
        device.set_device_lost_callback(move |reason, message| {
            if let Some(message) = lost(reason, &message) {
                let _ = on_loss.set(message);
            }
        });
        let pipelines = Mutex::new(HashMap::new());
        let workgroups = limits.max_compute_workgroups_per_dimension;
        Ok(Gpu { workgroups, shared: Arc::new(Shared { device, queue, info, limits, pipelines, failure }) })
    }

    /// What it is.
    pub fn info(&self) -> &AdapterInfo {
        &self.shared.info
    }

    /// Why it cannot be used any more, if so. What it computed meanwhile does not count.
    pub fn failure(&self) -> Option<GpuError> {
        let message = self.shared.failure.get()?.clone();
        Some(GpuError::Failed { adapter: self.info().name.clone(), message })
    }

    /// Records a failure; gives the one that counts, which is the first.
    pub(super) fn fail(&self, message: String) -> GpuError {
        let message = self.shared.failure.get_or_init(|| message).clone();
        GpuError::Failed { adapter: self.info().name.clone(), message }
    }

    /// Gives the device up: nothing can be read from it any more. That alone is no failure; whoever waits for an answer then has one.
    pub fn destroy(&self) {
        self.shared.device.destroy();
    }

    /// Runs a program: one command buffer, in which its copies and clearings come where they were recorded. Returns at once. A device
    /// that has failed runs nothing.
    pub fn run(&self, programs: &[&Program]) {
        if self.shared.failure.get().is_some() {
            return;
        }
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        programs.iter().for_each(|program| program.encode(&mut encoder, None));
        self.queue().submit([encoder.finish()]);
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        &self.shared.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.shared.queue
    }

    /// The bytes that one array may have.
    pub(super) fn array_bytes(&self) -> u64 {
        array_bytes(&self.shared.limits)
    }

    /// Workgroups along one dimension of a dispatch.
    pub(super) fn workgroups(&self) -> u32 {
        self.workgroups
    }

    /// The same device with fewer workgroups, so that a test sees what happens where there are more numbers than invocations.
    #[cfg(test)]
    pub(super) fn narrow(&self, workgroups: u32) -> Self {
        Gpu { workgroups, ..self.clone() }
    }

    /// The compiled shader; compiled at its first use.
    pub(super) fn pipeline(&self, shader: Shader) -> wgpu::ComputePipeline {
        let mut pipelines = self.shared.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(shader).or_insert_with(|| shader.compile(self.device())).clone()
    }

    /// Waits for all that was submitted; what goes wrong is recorded.
    pub fn wait(&self) {
        if self.shared.failure.get().is_some() {
            return;
        }
        let poll = || self.device().poll(wgpu::PollType::wait_indefinitely());
        if let Some(message) = waited(catch_unwind(AssertUnwindSafe(poll))) {
            self.fail(message);
        }
    }
}

/// What wgpu says on many lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is recorded of a device that is gone: nothing where it was given up.
fn lost(reason: wgpu::DeviceLostReason, message: &str) -> Option<String> {
    match reason {
        wgpu::DeviceLostReason::Destroyed => None,
        wgpu::DeviceLostReason::Unknown if message.is_empty() => Some("the device was lost".to_string()),
        wgpu::DeviceLostReason::Unknown => Some(format!("the device was lost: {message}")),
    }
}

/// What is recorded of waiting. Where wgpu finds while it waits that the device is lost, it panics, and leaves nothing half-done.
fn waited<T, E: Display>(result: std::thread::Result<Result<T, E>>) -> Option<String> {
    match result {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(one_line(&error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            Some(format!("the device was lost: {}", one_line(text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_is_a_failure_and_one_that_was_given_up_is_not() {
        let unknown = |message| lost(wgpu::DeviceLostReason::Unknown, message);
        assert_eq!(unknown("it hangs").as_deref(), Some("the device was lost: it hangs"));
        assert_eq!(unknown("").as_deref(), Some("the device was lost"));
        assert_eq!(lost(wgpu::DeviceLostReason::Destroyed, "dropped"), None);
    }

    #[test]
    fn a_panic_while_waiting_is_a_failure() {
        assert_eq!(waited(Ok(Ok::<_, String>(()))), None);
        assert_eq!(waited(Ok(Err::<(), _>("too late"))).as_deref(), Some("too late"));
        let panics = |work: fn()| waited(catch_unwind(work).map(Ok::<(), String>));
        let lost = panics(|| std::panic::resume_unwind(Box::new("gone\n  for ever".to_string())));
        assert_eq!(lost.as_deref(), Some("the device was lost: gone for ever"));
        let lost = panics(|| std::panic::resume_unwind(Box::new("gone")));
        assert_eq!(lost.as_deref(), Some("the device was lost: gone"));
    }
}
