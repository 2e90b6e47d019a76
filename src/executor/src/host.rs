//! What the machine can give to a container.

use std::fs;
use std::path::Path;

use crate::capability::Capabilities;

/// What depends on the machine and on this process, looked up once.
#[derive(Clone, Debug)]
pub struct Host {
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// Whether there is the one hierarchy of cgroups(7) version 2, and namespaces of it.
    pub cgroup_namespaces: bool,
}

impl Host {
    /// Looks it up.
    pub fn look_up() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let exists = |path| Path::new(path).exists();
        Self {
            capabilities: Capabilities::of_status(&status).unwrap_or_default(),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
            cgroup_namespaces: exists("/proc/self/ns/cgroup")
                && exists("/sys/fs/cgroup/cgroup.subtree_control"),
        }
    }
}

/// How many loop devices there are, at least the usual eight.
pub fn loop_devices() -> usize {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let numbers = devices.filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix("loop")?.parse::<usize>().ok()
    });
    numbers.max().map_or(0, |last| last + 1).max(8)
}
