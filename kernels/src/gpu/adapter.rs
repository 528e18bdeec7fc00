//! Which GPUs there are, and how one of them is named.

use super::array::BYTES;
use super::error::GpuError;
use std::str::FromStr;

/// Which GPU: `gpu`, `gpu:N` or `gpu:NAME` on the command line, without the `gpu:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The first of the best kind: a card of its own before one that shares memory, software last.
    Best,
    /// The one with this number in [`adapters`]; else the only one whose name has this in it, in upper or lower case.
    Called(String),
}

impl FromStr for Choice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.is_empty() { Choice::Best } else { Choice::Called(text.to_string()) })
    }
}

/// What is known of a GPU before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Its name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// The driver and its version, as far as it tells.
    pub driver: String,
    /// Invocations that run in lockstep, least and most.
    pub subgroup: (u32, u32),
    /// The bytes that one array may have.
    pub array_bytes: u64,
    /// Bytes of memory that the invocations of a workgroup share.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups: u32,
}

/// All GPUs of this machine; their places are their numbers.
pub fn adapters() -> Vec<AdapterInfo> {
    all().iter().map(describe).collect()
}

fn all() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
}

/// Numbers that one array may have: the shaders count in u32, and go on until they are past the end by up to a round of all invocations
/// (65535 workgroups of 256).
const MOST: u64 = (1 << 32) - (1 << 24);

/// The bytes that one array may have: it is one buffer and one binding.
pub(super) fn array_bytes(limits: &wgpu::Limits) -> u64 {
    limits.max_buffer_size.min(limits.max_storage_buffer_binding_size).min(MOST * BYTES)
}

pub(super) fn describe(adapter: &wgpu::Adapter) -> AdapterInfo {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterInfo {
        name: info.name,
        backend: info.backend.to_string(),
        kind: kind(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        array_bytes: array_bytes(&limits),
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        workgroup_size: limits.max_compute_invocations_per_workgroup,
        workgroups: limits.max_compute_workgroups_per_dimension,
    }
}

fn kind(device_type: wgpu::DeviceType) -> &'static str {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// The adapter that was chosen.
pub(super) fn choose(choice: &Choice) -> Result<wgpu::Adapter, GpuError> {
    let mut adapters = all();
    let infos: Vec<AdapterInfo> = adapters.iter().map(describe).collect();
    let at = pick(choice, &infos)?;
    Ok(adapters.swap_remove(at))
}

/// The place of the one that was chosen.
fn pick(choice: &Choice, infos: &[AdapterInfo]) -> Result<usize, GpuError> {
    let numbered = |at: usize| format!("{at} ({})", infos[at].name);
    let every = || (0..infos.len()).map(numbered).collect();
    match choice {
        _ if infos.is_empty() => Err(GpuError::NoAdapter),
        Choice::Best => {
            let rank = |at: &usize| {
                ["discrete", "integrated", "virtual", "other", "software"]
                    .iter()
                    .position(|kind| *kind == infos[*at].kind)
            };
            (0..infos.len()).min_by_key(rank).ok_or(GpuError::NoAdapter)
        }
        Choice::Called(asked) => {
            // A number beyond the list may be a part of a name, such as 4090.
            if let Some(at) = asked.parse().ok().filter(|&at: &usize| at < infos.len()) {
                return Ok(at);
            }
            let holds = |at: &usize| infos[*at].name.to_lowercase().contains(&asked.to_lowercase());
            let matching: Vec<usize> = (0..infos.len()).filter(holds).collect();
            let asked = asked.clone();
            match matching[..] {
                [] => Err(GpuError::Unknown { asked, found: every() }),
                [one] => Ok(one),
                _ => Err(GpuError::Ambiguous { asked, found: matching.into_iter().map(numbered).collect() }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, kind: &'static str) -> AdapterInfo {
        AdapterInfo {
            name: name.into(),
            backend: "vulkan".into(),
            kind,
            driver: String::new(),
            subgroup: (8, 8),
            array_bytes: 1 << 27,
            workgroup_bytes: 1 << 14,
            workgroup_size: 256,
            workgroups: 65_535,
        }
    }

    #[test]
    fn one_is_picked_by_kind_number_or_name() {
        let infos =
            [info("llvmpipe", "software"), info("Arc A770", "discrete"), info("Arc A380", "discrete")];
        let pick = |choice: &str| pick(&choice.parse().expect("infallible"), &infos);
        assert_eq!(pick(""), Ok(1));
        assert_eq!(pick("0"), Ok(0));
        assert_eq!(pick("LLVM"), Ok(0));
        assert_eq!(pick("a380"), Ok(2));
        assert_eq!(pick("770"), Ok(1), "no such number, but a name");
        let message = |choice| pick(choice).expect_err("refused").to_string();
        assert_eq!(message("9"), "no GPU is called 9; there are 0 (llvmpipe), 1 (Arc A770), 2 (Arc A380)");
        assert!(message("radeon").starts_with("no GPU is called radeon; there are 0 (llvmpipe)"));
        assert!(message("arc").starts_with("arc could be any of 1 (Arc A770), 2 (Arc A380);"));
        assert_eq!(super::pick(&Choice::Best, &[]), Err(GpuError::NoAdapter));
        assert_eq!(super::pick(&Choice::Called("0".into()), &[]), Err(GpuError::NoAdapter));
    }

    #[test]
    fn an_array_has_as_many_numbers_as_a_shader_can_count() {
        let limits = |bytes| wgpu::Limits {
            max_buffer_size: bytes,
            max_storage_buffer_binding_size: u64::MAX,
            ..Default::default()
        };
        assert_eq!(array_bytes(&limits(1 << 27)), 1 << 27);
        let numbers = array_bytes(&limits(u64::MAX)) / BYTES;
        let round = 65_535 * 256;
        assert!(numbers + round <= u64::from(u32::MAX), "{numbers}");
    }
}
