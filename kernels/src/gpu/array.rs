//! Numbers on a device, and their way there and back.

use super::device::Gpu;
use super::error::GpuError;
use super::program::Recorder;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// What an array holds: `f32` or `u32`.
pub trait Values: bytemuck::Pod {}
impl Values for f32 {}
impl Values for u32 {}

/// The bytes of one number of either kind.
pub(super) const BYTES: u64 = 4;

/// Room for `len` numbers, zero.
pub(super) fn buffer(
    gpu: &Gpu,
    what: &str,
    len: usize,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, GpuError> {
    let (bytes, limit) = (len.max(1) as u64 * BYTES, gpu.array_bytes());
    if bytes > limit {
        return Err(GpuError::TooLarge { what: what.to_string(), bytes, limit });
    }
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let label = Some(what);
    let descriptor = wgpu::BufferDescriptor { label, size: bytes, usage, mapped_at_creation: false };
    let buffer = gpu.device().create_buffer(&descriptor);
    match pollster::block_on(scope.pop()) {
        Some(_) => Err(GpuError::OutOfMemory { what: what.to_string(), bytes }),
        None => Ok(buffer),
    }
}

/// An array of numbers on a device.
#[derive(Clone, Debug)]
pub struct Array<T> {
    buffer: wgpu::Buffer,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Values> Array<T> {
    /// `len` zeros (at least one). `what` is what they are called where there is no room for them.
    ///
    /// # Errors
    /// Where the device allows no array of this size, or has no memory for it.
    pub fn zeros(gpu: &Gpu, what: &str, len: usize) -> Result<Self, GpuError> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        Ok(Array { buffer: buffer(gpu, what, len, usage)?, len, kind: PhantomData })
    }

    /// The numbers of a slice.
    ///
    /// # Errors
    /// As [`Array::zeros`].
    pub fn new(gpu: &Gpu, what: &str, values: &[T]) -> Result<Self, GpuError> {
        let array = Array::zeros(gpu, what, values.len())?;
        array.write(gpu, values);
        Ok(array)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Overwrites the first numbers, before whatever is run next.
    ///
    /// # Panics
    /// Where there are more values than the array has.
    pub fn write(&self, gpu: &Gpu, values: &[T]) {
        assert!(values.len() <= self.len, "{} numbers in an array of {}", values.len(), self.len);
        if !values.is_empty() {
            gpu.queue().write_buffer(&self.buffer, 0, bytemuck::cast_slice(values));
        }
    }

    /// All numbers; waits for what was run before.
    ///
    /// # Errors
    /// Where the device has failed.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<T>, GpuError> {
        let download = Download::new(gpu, self.len)?;
        let mut recorder = Recorder::new(gpu);
        recorder.download(self, 0..self.len, &download, 0);
        gpu.run(&[&recorder.finish()]);
        let mut values = vec![T::zeroed(); self.len];
        download.read(gpu, &mut values)?;
        Ok(values)
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

/// Memory that a device writes and the host reads, made once and used for every answer.
#[derive(Clone, Debug)]
pub struct Download {
    buffer: wgpu::Buffer,
}

impl Download {
    /// Room for `len` numbers of either kind.
    ///
    /// # Errors
    /// Where there is no memory.
    pub fn new(gpu: &Gpu, len: usize) -> Result<Self, GpuError> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Download { buffer: buffer(gpu, "the answers", len, usage)? })
    }

    /// Waits for what was run, and copies the first numbers.
    ///
    /// # Errors
    /// Where the device has failed; `values` are then of no use.
    ///
    /// # Panics
    /// Where there is no room for as many values.
    pub fn read<T: Values>(&self, gpu: &Gpu, values: &mut [T]) -> Result<(), GpuError> {
        let bytes = values.len() as u64 * BYTES;
        assert!(bytes <= self.buffer.size(), "{bytes} bytes of {}", self.buffer.size());
        // Not asked again: wgpu would panic.
        if let Some(failure) = gpu.failure() {
            return Err(failure);
        }
        if values.is_empty() {
            return Ok(());
        }
        let slice = self.buffer.slice(..bytes);
        let heard = Arc::new(OnceLock::new());
        let hears = Arc::clone(&heard);
        slice.map_async(wgpu::MapMode::Read, move |result| {
            let _ = hears.set(result.is_ok());
        });
        gpu.wait();
        if heard.get() == Some(&true) {
            let arrived = match slice.get_mapped_range() {
                Ok(view) => {
                    bytemuck::cast_slice_mut(values).copy_from_slice(&view);
                    true
                }
                Err(_) => false,
            };
            self.buffer.unmap();
            if arrived {
                return gpu.failure().map_or(Ok(()), Err);
            }
        }
        Err(gpu.fail("it gives no answer any more".to_string()))
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}
