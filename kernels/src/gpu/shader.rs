//! The shaders and what stands before them.

/// A shader in `kernels/wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shader {
    /// With tiles of 64 × 64.
    GemmLarge,
    /// With tiles of 32 × 32.
    GemmSmall,
    Enter,
    LstmForward,
    LstmBackward,
    Gather,
    ScatterAdd,
    ColumnSums,
    Dropout,
    CrossEntropy,
    Sum,
    Adam,
    RmsProp,
    Peak,
}

macro_rules! wgsl {
    ($($file:literal),+) => { concat!($(include_str!(concat!("../../wgsl/", $file, ".wgsl")), "\n"),+) };
}

impl Shader {
    #[cfg(test)]
    pub const ALL: [Shader; 14] = [
        Shader::GemmLarge,
        Shader::GemmSmall,
        Shader::Enter,
        Shader::LstmForward,
        Shader::LstmBackward,
        Shader::Gather,
        Shader::ScatterAdd,
        Shader::ColumnSums,
        Shader::Dropout,
        Shader::CrossEntropy,
        Shader::Sum,
        Shader::Adam,
        Shader::RmsProp,
        Shader::Peak,
    ];

    /// Its file's name; products also have the side of their tiles.
    pub fn name(self) -> &'static str {
        match self {
            Shader::GemmLarge => "gemm64",
            Shader::GemmSmall => "gemm32",
            Shader::Enter => "enter",
            Shader::LstmForward => "lstm_forward",
            Shader::LstmBackward => "lstm_backward",
            Shader::Gather => "gather",
            Shader::ScatterAdd => "scatter_add",
            Shader::ColumnSums => "column_sums",
            Shader::Dropout => "dropout",
            Shader::CrossEntropy => "cross_entropy",
            Shader::Sum => "sum",
            Shader::Adam => "adam",
            Shader::RmsProp => "rmsprop",
            Shader::Peak => "peak",
        }
    }

    /// Its text, whole.
    pub fn source(self) -> &'static str {
        match self {
            Shader::GemmLarge => concat!("const SIDE: u32 = 16u;\n", wgsl!("gemm")),
            Shader::GemmSmall => concat!("const SIDE: u32 = 8u;\n", wgsl!("gemm")),
            Shader::Enter => wgsl!("enter"),
            Shader::LstmForward => wgsl!("maths", "lstm_forward"),
            Shader::LstmBackward => wgsl!("maths", "lstm_backward"),
            Shader::Gather => wgsl!("gather"),
            Shader::ScatterAdd => wgsl!("scatter_add"),
            Shader::ColumnSums => wgsl!("column_sums"),
            Shader::Dropout => wgsl!("settings", "dropout"),
            Shader::CrossEntropy => wgsl!("settings", "maths", "cross_entropy"),
            Shader::Sum => wgsl!("sum"),
            Shader::Adam => wgsl!("settings", "clip", "adam"),
            Shader::RmsProp => wgsl!("settings", "clip", "rmsprop"),
            Shader::Peak => wgsl!("peak"),
        }
    }

    pub fn compile(self, device: &wgpu::Device) -> wgpu::ComputePipeline {
        let label = format!("{self:?}");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(self.source().into()),
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Each shader writes what it reads.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::naga::front::wgsl;
    use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

    /// Needs no adapter.
    #[test]
    fn naga_accepts_every_shader() {
        for shader in Shader::ALL {
            let module = match wgsl::parse_str(shader.source()) {
                Ok(module) => module,
                Err(error) => panic!("{shader:?}: {}", error.emit_to_string(shader.source())),
            };
            let mut validator = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES);
            if let Err(error) = validator.validate(&module) {
                panic!("{shader:?}: {}", error.emit_to_string(shader.source()));
            }
            let entry = module.entry_points.first().expect("an entry point");
            let invocations: u32 = entry.workgroup_size.iter().product();
            // What every device that wgpu knows allows.
            assert!(entry.name == "main" && invocations <= 256, "{shader:?}: {invocations} invocations");
        }
    }

    #[test]
    fn every_shader_says_what_it_does() {
        for shader in Shader::ALL {
            let text = shader.source();
            assert!(text.contains("Workgroup:") && text.contains("Bindings:"), "{shader:?}");
        }
    }
}
