//! Where a device's time goes: its timestamps before and after the dispatches of each part.

use super::array::{BYTES, Download, buffer};
use super::device::Gpu;
use super::error::GpuError;
use super::program::{Kind, Program, parts};

/// What the dispatches of a part took, by the device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Time {
    /// All of them together, waiting for those before them included.
    pub seconds: f64,
    /// Pairs of timestamps that it took: one around each stretch of neighbours. They take time of their own.
    pub stretches: usize,
}

/// Pairs of timestamps in one set: as many as WebGPU allows.
const PAIRS: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Timestamps around stretches of dispatches, as many as come.
pub(super) struct Stamps<'a> {
    gpu: &'a Gpu,
    sets: Vec<wgpu::QuerySet>,
    kinds: Vec<Kind>,
}

impl Stamps<'_> {
    /// The next pair.
    pub fn around(&mut self, kind: Kind) -> wgpu::ComputePassTimestampWrites<'_> {
        let at = self.kinds.len() % PAIRS;
        if at == 0 {
            self.sets.push(self.gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: wgpu::QUERY_SET_MAX_QUERIES,
            }));
        }
        self.kinds.push(kind);
        let first = 2 * at as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[self.sets.len() - 1],
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }
}

impl Gpu {
    /// Whether the device can tell the time.
    pub fn has_timestamps(&self) -> bool {
        self.device().features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Runs programs as [`Gpu::run`] does, waits, and gives the time of each of their [`parts`]. Copies and clearings are not counted.
    ///
    /// # Errors
    /// Where the device has failed.
    ///
    /// # Panics
    /// Where it cannot tell the time.
    pub fn run_timed(&self, programs: &[&Program]) -> Result<Vec<Time>, GpuError> {
        assert!(self.has_timestamps(), "a device that tells the time");
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let mut stamps = Stamps { gpu: self, sets: Vec::new(), kinds: Vec::new() };
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        programs.iter().for_each(|program| program.encode(&mut encoder, Some(&mut stamps)));
        // A timestamp is a u64, two words.
        let words = 4 * stamps.kinds.len();
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = buffer(self, "the timestamps", words, usage)?;
        let download = Download::new(self, words)?;
        for (k, (set, kinds)) in stamps.sets.iter().zip(stamps.kinds.chunks(PAIRS)).enumerate() {
            let at = (k * 4 * PAIRS) as u64 * BYTES;
            encoder.resolve_query_set(set, 0..2 * kinds.len() as u32, &resolved, at);
        }
        if words > 0 {
            encoder.copy_buffer_to_buffer(&resolved, 0, download.buffer(), 0, words as u64 * BYTES);
        }
        self.queue().submit([encoder.finish()]);
        let mut ticks = vec![0u32; words];
        download.read(self, &mut ticks)?;

        let parts = parts(programs);
        let mut times = vec![Time::default(); parts.len()];
        let period = 1e-9 * f64::from(self.queue().get_timestamp_period());
        for (kind, stamps) in stamps.kinds.iter().zip(ticks.chunks_exact(4)) {
            let Some(part) = parts.iter().position(|part| part.kind == *kind) else { continue };
            let [began, ended] = [0, 2].map(|k| u64::from(stamps[k]) | u64::from(stamps[k + 1]) << 32);
            times[part].seconds += period * ended.saturating_sub(began) as f64;
            times[part].stretches += 1;
        }
        Ok(times)
    }
}
