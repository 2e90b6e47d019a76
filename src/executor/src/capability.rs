//! Capabilities: those of docker's processes, and those of this one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What docker gives to a process by default.
const DOCKERS: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// All there are, at their numbers (`include/uapi/linux/capability.h`).
const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of them, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<&'static str>);

impl<const N: usize> From<[&'static str; N]> for Capabilities {
    fn from(names: [&'static str; N]) -> Self {
        Self(names.into())
    }
}

impl Capabilities {
    /// What docker gives, as far as this process has it to give.
    pub fn sandbox(own: &Self) -> Self {
        let mut given = Self::from(DOCKERS);
        given.0.retain(|name| own.contains(name));
        given
    }

    /// Those in force for a process, from its `/proc/<pid>/status`.
    pub fn of_status(status: &str) -> Option<Self> {
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        let named = ALL.iter().enumerate();
        Some(Self(
            named
                .filter(|(number, _)| mask >> number & 1 == 1)
                .map(|(_, name)| *name)
                .collect(),
        ))
    }

    /// Whether this one is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// As a list of the runtime-spec.
    pub fn to_json(&self) -> Value {
        json!(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_names_its_capabilities() {
        let status = "Name:\tx\nCapEff:\t00000000a80425fb\nSeccomp:\t0\n";
        assert_eq!(
            Capabilities::of_status(status),
            Some(Capabilities::from(DOCKERS))
        );
        assert_eq!(Capabilities::of_status("Name:\tx\n"), None);
    }

    #[test]
    fn what_this_process_lacks_is_not_given() {
        let own = Capabilities::from(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
        assert_eq!(
            Capabilities::sandbox(&own),
            Capabilities::from(["CAP_CHOWN"])
        );
    }
}
