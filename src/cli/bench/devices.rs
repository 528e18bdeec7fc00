//! `hornpipe bench devices`: the GPUs that `--device` can name.

use crate::cli::output;
use anyhow::Result;
use hornpipe_kernels::gpu::{AdapterInfo, GpuError, adapters};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    devices: Vec<Device>,
}

#[derive(Debug, Serialize)]
struct Device {
    number: usize,
    name: String,
    backend: String,
    kind: &'static str,
    driver: String,
    subgroup_min: u32,
    subgroup_max: u32,
    array_bytes: u64,
    workgroup_bytes: u32,
    workgroup_size: u32,
    workgroups: u32,
}

pub fn run(args: &Args) -> Result<()> {
    let device = |(number, info): (usize, AdapterInfo)| Device {
        number,
        name: info.name,
        backend: info.backend,
        kind: info.kind,
        driver: info.driver,
        subgroup_min: info.subgroup.0,
        subgroup_max: info.subgroup.1,
        array_bytes: info.array_bytes,
        workgroup_bytes: info.workgroup_bytes,
        workgroup_size: info.workgroup_size,
        workgroups: info.workgroups,
    };
    let devices: Vec<Device> = adapters().into_iter().enumerate().map(device).collect();
    if devices.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    if args.json { output::print_json(&Report { devices }) } else { output::print(&text(&devices)) }
}

fn text(devices: &[Device]) -> String {
    let line = |d: &Device| {
        format!(
            "gpu:{}  {} ({}, {}; {})\n       arrays up to {:.0} MB, workgroups of {} with {} bytes, subgroups of {} to {}\n",
            d.number,
            d.name,
            d.backend,
            d.kind,
            d.driver,
            d.array_bytes as f64 / 1e6,
            d.workgroup_size,
            d.workgroup_bytes,
            d.subgroup_min,
            d.subgroup_max,
        )
    };
    devices.iter().map(line).collect()
}
