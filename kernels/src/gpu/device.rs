//! An open device.

use super::adapter::{AdapterInfo, Choice, array_bytes, choose, describe};
use super::error::GpuError;
use super::program::Program;
use super::shader::Shader;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An open GPU with its compiled shaders. Copies are the same device.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
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
            required_features: wgpu::Features::IMMEDIATES,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| unsuitable(e.to_string()))?;
        let failure = Arc::new(OnceLock::new());
        let (on_error, on_loss) = (Arc::clone(&failure), Arc::clone(&failure));
        // The first failure is the one to tell; later ones follow from it.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = on_error.set(error.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            let _ = on_loss.set(format!("the device was lost ({reason:?}) {message}").trim().to_string());
        });
        let pipelines = Mutex::new(HashMap::new());
        Ok(Gpu { shared: Arc::new(Shared { device, queue, info, limits, pipelines, failure }) })
    }

    /// What it is.
    pub fn info(&self) -> &AdapterInfo {
        &self.shared.info
    }

    /// Why it cannot be used any more, if so. What it computed meanwhile does not count.
    pub fn failure(&self) -> Option<GpuError> {
        self.shared.failure.get().map(|message| self.failed(message))
    }

    pub(super) fn failed(&self, message: &str) -> GpuError {
        GpuError::Failed { adapter: self.info().name.clone(), message: message.to_string() }
    }

    /// Gives the device up; all that uses it fails from now on. For tests of what happens when a device is lost.
    pub fn destroy(&self) {
        self.shared.device.destroy();
        let _ = self.shared.failure.set("the device was lost (Destroyed)".to_string());
    }

    /// Runs a program: one command buffer, in which its copies and clearings come where they were recorded. Returns at once.
    pub fn run(&self, programs: &[&Program]) {
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        programs.iter().for_each(|program| program.encode(&mut encoder));
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
        self.shared.limits.max_compute_workgroups_per_dimension
    }

    /// The compiled shader; compiled at its first use.
    pub(super) fn pipeline(&self, shader: Shader) -> wgpu::ComputePipeline {
        let mut pipelines = self.shared.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(shader).or_insert_with(|| shader.compile(self.device())).clone()
    }

    /// Waits for all that was submitted.
    pub(super) fn wait(&self) {
        if let Err(error) = self.device().poll(wgpu::PollType::wait_indefinitely()) {
            let _ = self.shared.failure.set(error.to_string());
        }
    }
}
