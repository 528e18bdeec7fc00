// Adam (Kingma and Ba, 2015), one step, as in kernels/src/optimizer.rs:
//
//   g = clip · d          m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   parameter -= step_size · m / (sqrt(v) · root_correction + epsilon)
//
// with step_size = lr / (1 - beta1^t) and root_correction = 1 / sqrt(1 - beta2^t).
// Shapes: parameters, gradients, m, v [N]. Workgroup: 256 invocations, one parameter each, on to the next round.
// Bindings: 0 settings (uniform), 1 totals, 2 gradients, 3 parameters, 4 m, 5 v. Begins with settings.wgsl and clip.wgsl.

struct Adam {
    count: u32,
}

var<immediate> p: Adam;
@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> totals: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    if !is_finite(totals[LOSS]) || !is_finite(totals[SQUARES]) {
        return;
    }
    let clip = clip_factor(settings.greatest_norm, totals[SQUARES]);
    for (var k = id.x; k < p.count; k += groups.x * 256u) {
        let g = clip * gradients[k];
        let mean = fma(m[k], settings.beta1, g * (1.0 - settings.beta1));
        let square = fma(v[k], settings.beta2, g * g * (1.0 - settings.beta2));
        let root = fma(sqrt(square), settings.root_correction, settings.epsilon);
        parameters[k] -= settings.rate * mean / root;
        m[k] = mean;
        v[k] = square;
    }
}
