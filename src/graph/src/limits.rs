//! What bounds the process of a [`Run`](crate::op::Run): docker's `--ulimit`, `--cgroup-parent`, `--memory` and their kin.

use serde::Serialize;

/// What bounds a process. As in BuildKit, its limits and its control group are part of what it is, and so of its digest;
/// how much of the machine it gets is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Limits of setrlimit(2), each given once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// The control group to make the container's in: names with slashes between them, from the top of all hierarchies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// How much of the machine it gets.
    #[serde(skip)]
    pub resources: Resources,
}

/// A limit of setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// What is limited, named as docker does: `nofile` is `RLIMIT_NOFILE`.
    pub name: String,
    /// What the kernel enforces; none for no limit.
    pub soft: Option<u64>,
    /// What the process may raise it to; none for no limit.
    pub hard: Option<u64>,
}

impl Ulimit {
    /// All names that there are.
    pub const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
}

/// What control groups limit; nothing where absent. The names are the runtime-spec's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; -1 for no limit.
    pub memory_swap: Option<i64>,
    /// Weight among the groups that want the processors, 1024 by default.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time in each period.
    pub cpu_quota: Option<i64>,
    /// Microseconds of a period.
    pub cpu_period: Option<u64>,
    /// The processors to run on, as in cpuset(7): `0-2,7`.
    pub cpus: Option<String>,
    /// The memory nodes to use, as in cpuset(7).
    pub mems: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_no_part_of_a_digest() {
        let limits = Limits {
            resources: Resources {
                memory: Some(1),
                ..Resources::default()
            },
            ..Limits::default()
        };
        assert_eq!(serde_json::to_string(&limits).expect("plain data"), "{}");
        let limits = Limits {
            ulimits: vec![Ulimit {
                name: "nofile".to_owned(),
                soft: Some(1),
                hard: None,
            }],
            ..limits
        };
        assert_eq!(
            serde_json::to_string(&limits).expect("plain data"),
            r#"{"ulimits":[{"name":"nofile","soft":1,"hard":null}]}"#
        );
    }
}
