//! End to end: the `stromatekt` command on real btrfs and runc, seen through what it leaves.
//!
//! One binary, because each one links for itself; a module for each thing that a person would look for.

mod annotations;
mod arguments;
mod broken_inputs;
mod cache;
mod checks;
mod command_line;
mod compat;
mod config;
mod contexts;
mod copy;
mod docker_verbs;
mod dockerfile_errors;
mod environment;
mod fetch;
mod flags;
mod git_logins;
mod heredocs;
mod image_diff;
mod image_store;
mod interruptions;
mod json_pipelines;
mod limits;
mod outputs;
mod peers;
mod pipeline_tasks;
mod pipelines;
mod plan;
mod platforms;
mod reproducible;
mod run;
mod run_mounts;
mod stages;
mod timeline;
mod wasi;
