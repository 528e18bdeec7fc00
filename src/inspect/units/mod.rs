//! Which units follow what: each unit's correlation with each feature, and what a linear probe reads from a whole layer.
//!
//! A unit that follows a flag or a number is measured by Pearson's correlation with it (of a flag: the point-biserial correlation); one
//! that follows a class by the correlation ratio η, the square root of the share of its variance that lies between the classes. Of many
//! units, the best is good by luck alone. So every score stands beside two that show what luck does:
//!
//! - **chance**: the best unit's score when the labels of each tune are turned around by a random number of characters (classes: taken from
//!   another tune), which leaves their rhythm and breaks what ties them to the text. The greatest of several.
//! - **untrained**: the best unit's score in networks of the same shape with fresh initial weights. They too follow what the last
//!   characters say; what training has made is what goes beyond.
//!
//! A probe is a linear map from a layer to the feature, fitted by least squares to every other tune and measured on the rest: by
//! accuracy beside that of always guessing the most frequent; for numbers by the share of the variance that it explains.

mod features;
mod labelled;
mod linear;
mod probes;
mod scores;

pub use features::{COUNT, FEATURES, Feature, Kind, Labels, labels};
pub use labelled::{Labelled, Settings};
pub use probes::{ProbeScores, probes};
pub use scores::{FeatureScores, UnitScore, is_followed, scores};
