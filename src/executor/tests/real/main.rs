//! The executor against a real runtime, a real tree (busybox), real networks.
#![expect(clippy::print_stdout, reason = "a test that cannot run says why")]

mod endings;
mod lab;
mod mounts;
mod network;
mod process;
