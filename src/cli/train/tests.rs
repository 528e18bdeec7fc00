//! What a run says that lost its GPU.

use super::*;
use crate::nn::GpuEngine;
use clap::Parser;
use hornpipe_kernels::gpu::Gpu;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

#[path = "../../../tests/common/gpu.rs"]
mod gpu;

/// A run of a small network that saves and stops after each step; and its GPU, to be given up.
fn begun(args: &Args, out: &Path) -> Option<(Trainer, RunFolder, Gpu)> {
    let gpu = gpu::gpu()?;
    let settings = args.flags.settings(PresetName::Folk.preset(), None).expect("settings");
    let data = Data::new(&load::corpus(&[]).expect("tunes"), &settings, None).expect("data");
    let config = settings.model(data.vocabulary.len());
    let parameters = settings.init.parameters(&config, settings.seed);
    let engine = GpuEngine::new(&config, parameters, settings.optimizer, gpu.clone(), (1, 1)).expect("room");
    let folder = RunFolder::create(Some(out)).expect("a folder");
    Some((Trainer::new(settings, data, Box::new(engine)), folder, gpu))
}

#[test]
fn a_lost_gpu_names_the_last_checkpoint() {
    let flags = "train --hidden 8 --layers 1 --embedding 4 --steps 9 --save-every 0 --max-minutes 1e-9";
    let Cli { args } = Cli::parse_from(flags.split(' '));
    let out = tempfile::tempdir().expect("a folder");
    for (steps, name) in [(0, "none"), (2, "two")] {
        let out = out.path().join(name);
        let Some((mut trainer, mut folder, gpu)) = begun(&args, &out) else { return };
        for _ in 0..steps {
            let outcome = train(&args, &mut trainer, &mut folder, None).expect("a step");
            assert_eq!(outcome, Outcome::Stopped);
        }
        gpu.destroy();
        let error = train(&args, &mut trainer, &mut folder, None).expect_err("lost").to_string();
        let begins = format!("training ended after step {steps}: {} failed: ", gpu.info().name);
        assert!(error.starts_with(&begins), "{error}");
        let path = out.join(LAST);
        if steps == 0 {
            assert!(error.ends_with("; no checkpoint was saved yet"), "{error}");
            continue;
        }
        assert!(error.ends_with(&format!("; the last good checkpoint is {}", path.display())), "{error}");
        assert!(checkpoint(&trainer, &folder).is_err(), "nor is anything saved from here on");
        let last = load::snapshot(&path).expect("whole");
        assert!(last.progress.step == steps && last.parameters.values().iter().all(|x| x.is_finite()));
    }
}
