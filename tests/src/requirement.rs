//! What a test needs that a machine may not have. A test that cannot run says so, and why, on standard error.

use std::env;
use std::io::Write as _;
use std::process::Command;

use crate::lab;

/// Whether a program is on PATH. Where it is not, the test is skipped, and this says so.
#[must_use]
pub fn program(name: &str) -> bool {
    let found = env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|directory| directory.join(name).is_file())
    });
    if !found {
        skipped(&format!("{name} is not installed (make setup installs it)"));
    }
    found
}

/// What runs a command where the newer docker of the lab is; nothing where `make setup` could not make it.
#[must_use]
pub fn newer_docker() -> Option<Command> {
    let directory = lab::directory().join("moby");
    // The last that it is made of.
    if !directory.join("chroot/.complete").exists() {
        return None;
    }
    let mut command = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../compat/lab/modern-docker.sh"
    ));
    command.arg("run").arg(directory);
    Some(command)
}

/// Says that the test that runs in this thread is skipped. Written past the capture of the test runner.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(
        std::io::stderr(),
        "{} skipped: {why}",
        thread.name().unwrap_or("a test")
    );
}
