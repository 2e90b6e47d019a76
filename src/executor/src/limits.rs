//! What bounds a container, in the words of the runtime-spec (`config.md`, "POSIX process"; `config-linux.md`, "Control groups").

use serde_json::{Map, Value, json};
use stromatekt_graph::limits::{Limits, Resources, Ulimit};

use crate::cgroup::Cgroups;
use crate::error::{Error, Result};

/// `RLIM_INFINITY`.
const UNLIMITED: u64 = u64::MAX;

/// `process.rlimits`.
pub fn rlimits(ulimits: &[Ulimit]) -> Value {
    let limits = ulimits.iter().map(|ulimit| {
        json!({
            "type": format!("RLIMIT_{}", ulimit.name.to_ascii_uppercase()),
            "soft": ulimit.soft.unwrap_or(UNLIMITED),
            "hard": ulimit.hard.unwrap_or(UNLIMITED),
        })
    });
    limits.collect()
}

/// `linux.cgroupsPath`: absolute, so that no runtime places it in its own group.
pub fn cgroups_path(parent: &str, container: &str) -> String {
    format!("/{parent}/{container}")
}

/// `linux.resources` but for the devices.
pub fn resources(resources: &Resources) -> Map<String, Value> {
    let mut all = Map::new();
    let mut set = |group: &str, name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.entry(group).or_insert_with(|| json!({}))[name] = value;
        }
    };
    set("memory", "limit", resources.memory.map(Into::into));
    set("memory", "swap", resources.memory_swap.map(Into::into));
    set("cpu", "shares", resources.cpu_shares.map(Into::into));
    set("cpu", "quota", resources.cpu_quota.map(Into::into));
    set("cpu", "period", resources.cpu_period.map(Into::into));
    set("cpu", "cpus", resources.cpus.clone().map(Into::into));
    set("cpu", "mems", resources.mems.clone().map(Into::into));
    all
}

/// Fails for a limit that this machine's control groups cannot set: runtimes leave some of them out without a word.
pub fn check(limits: &Limits, cgroups: &Cgroups) -> Result<()> {
    let resources = &limits.resources;
    let wanted = [
        (
            resources.memory.is_some() || resources.memory_swap.is_some(),
            "memory",
        ),
        (
            resources.cpu_shares.is_some()
                || resources.cpu_quota.is_some()
                || resources.cpu_period.is_some(),
            "cpu",
        ),
        (
            resources.cpus.is_some() || resources.mems.is_some(),
            "cpuset",
        ),
    ];
    for (_, controller) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
        if !cgroups.provide(controller) {
            return Err(Error::Controller { controller });
        }
    }
    match resources.memory_swap {
        Some(_) if !cgroups.limit_swap() => Err(Error::SwapAccounting),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_the_words_of_the_runtime_spec() {
        let limit = |name: &str, soft, hard| Ulimit {
            name: name.to_owned(),
            soft,
            hard,
        };
        assert_eq!(
            rlimits(&[limit("nofile", Some(1), Some(2)), limit("core", None, None)]),
            json!([
                { "type": "RLIMIT_NOFILE", "soft": 1, "hard": 2 },
                { "type": "RLIMIT_CORE", "soft": u64::MAX, "hard": u64::MAX },
            ])
        );
        assert_eq!(cgroups_path("a/b", "c"), "/a/b/c");
        let some = Resources {
            memory: Some(1),
            cpu_quota: Some(2),
            cpus: Some("0-1".to_owned()),
            ..Resources::default()
        };
        assert_eq!(
            Value::Object(resources(&some)),
            json!({ "memory": { "limit": 1 }, "cpu": { "quota": 2, "cpus": "0-1" } })
        );
        assert!(resources(&Resources::default()).is_empty());
    }
}
