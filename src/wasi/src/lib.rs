//! Runs the process of a step that is a WASI module (`wasi_snapshot_preview1`), by an interpreter within this program.
//!
//! The module runs in a thread that has the step's tree as its root directory, so the kernel resolves its paths as those of a
//! container; see [`stromatekt_kernel::confine`]. What it can do is what [`preview1`] offers it: files of the tree, its arguments
//! and environment, clocks, random bytes, and two streams to write to. It has no network, no other processes, and no devices.
//!
//! - [`run`]: one module to its end
//! - `refuse`: what a step may ask of a container but not of a module
//! - `prepare`: the tree, the mounts and the user of the thread; `environment`: its variables
//! - `module`: the interpreter; `memory`: how much it may take
//! - `preview1`: the functions that a module imports

mod environment;
mod error;
mod executor;
mod memory;
mod module;
mod prepare;
mod preview1;
mod refuse;

pub use error::{Error, Result};
pub use executor::run;
