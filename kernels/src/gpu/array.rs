//! Numbers on a device, and their way there and back.

use super::device::Gpu;
use super::error::GpuError;
use super::program::Recorder;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

/// What an array holds: `f32` or `u32`.
pub trait Values: bytemuck::Pod {}
impl Values for f32 {}
impl Values for u32 {}

/// The bytes of one number of either kind.
pub(super) const BYTES: u64 = 4;

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
        let (what, bytes) = (what.to_string(), len.max(1) as u64 * BYTES);
        let limit = gpu.array_bytes();
        if bytes > limit {
            return Err(GpuError::TooLarge { what, bytes, limit });
        }
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(&what),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            Some(_) => Err(GpuError::OutOfMemory { what, bytes }),
            None => Ok(Array { buffer, len, kind: PhantomData }),
        }
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
        let bytes = len.max(1) as u64 * BYTES;
        let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("answers"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            Some(_) => Err(GpuError::OutOfMemory { what: "answers".to_string(), bytes }),
            None => Ok(Download { buffer }),
        }
    }

    /// Waits for what was run, and copies the first numbers.
    ///
    /// # Errors
    /// Where the device has failed; `values` are then of no use.
    pub fn read<T: Values>(&self, gpu: &Gpu, values: &mut [T]) -> Result<(), GpuError> {
        if values.is_empty() {
            return gpu.failure().map_or(Ok(()), Err);
        }
        let slice = self.buffer.slice(..values.len() as u64 * BYTES);
        let heard = Arc::new(Mutex::new(None));
        let hears = Arc::clone(&heard);
        slice.map_async(wgpu::MapMode::Read, move |result| {
            *hears.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        gpu.wait();
        let answer = heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mapped = matches!(answer, Some(Ok(())));
        let view = if mapped { slice.get_mapped_range().ok() } else { None };
        let arrived = view.is_some();
        if let Some(view) = view {
            bytemuck::cast_slice_mut(values).copy_from_slice(&view);
        }
        if mapped {
            self.buffer.unmap();
        }
        match gpu.failure() {
            Some(failure) => Err(failure),
            None if arrived => Ok(()),
            None => Err(gpu.failed("it gave no answer")),
        }
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}
