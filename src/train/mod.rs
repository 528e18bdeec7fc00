//! Training: from settings and a corpus to a model.
//!
//! | where | what |
//! |---|---|
//! | [`Settings`] | all that decides a run's result, resolved; stored in the checkpoint |
//! | [`Data`] | the corpus, split and encoded, as a source of batches |
//! | [`Trainer`] | the loop; it tells an [`Observer`] what happens and knows no files |
//! | [`Snapshot`] | a run at one moment, to and from a checkpoint |
//! | [`mod@evaluate`] | loss and accuracy on tunes that were not trained on |

mod data;
pub mod evaluate;
mod metrics;
mod settings;
mod snapshot;
mod trainer;

pub use data::{Data, DataError};
pub use evaluate::Evaluation;
pub use metrics::{EpochMetrics, Quality, Watched, read_metrics, write_metrics};
pub use settings::{Augment, EngineKind, Objective, Preset, Settings, SettingsError};
pub use snapshot::{Progress, Snapshot, SnapshotError};
pub use trainer::{Control, Observer, Outcome, StepInfo, TrainError, Trainer, build_engine};
