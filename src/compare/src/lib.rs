//! Whether two images are the same: config, history, layers, and the root filesystem that they make, difference by difference.
//!
//! An [`Image`] is read from where it is, each layer once, as a stream; [`compare()`] sets two side by side under [`Rules`], which say
//! what is expected to differ between any two builds: that is counted by [`Class`], and told, but makes no difference.

#![forbid(unsafe_code)]

mod classic;
mod compare;
mod comparison;
mod config;
mod error;
mod history;
mod image;
mod layer;
mod layers;
mod manifest;
mod noise;
mod pattern;
mod render;
mod root;
mod rules;
mod sequence;
mod text;
mod tree;

pub use compare::compare;
pub use comparison::{Comparison, Difference, Kind};
pub use error::{Error, Result};
pub use image::{Image, LayerCache};
pub use layer::Layer;
pub use noise::Class;
pub use pattern::matches;
pub use render::{Detail, render};
pub use rules::{Builder, Rules};
pub use tree::{Content, Node, NodeKind, RootFilesystem};
