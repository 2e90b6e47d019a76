//! Who a container belongs to, told by its name, so that a later process knows what a dead one left.

use std::ffi::OsStr;
use std::fs;

const PREFIX: &str = "stromatekt";

/// A process, told from later ones of the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pid: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: start_time(pid).unwrap_or_default(),
        }
    }

    /// The name of its container with this number.
    pub fn container(self, number: u64, id: &str) -> String {
        format!("{PREFIX}-{}-{}-{number}-{id}", self.pid, self.started)
    }

    /// The owner of a container with this name.
    pub fn of(name: &OsStr) -> Option<Self> {
        let mut parts = name.to_str()?.split('-');
        if parts.next()? != PREFIX {
            return None;
        }
        let pid = parts.next()?.parse().ok()?;
        let started = parts.next()?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }
}

/// proc_pid_stat(5): the 22nd field; the second one is in parentheses and may have any characters.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_from_names() {
        let this = Owner::this();
        let name = this.container(7, "step-1");
        assert_eq!(Owner::of(OsStr::new(&name)), Some(this));
        assert!(this.is_alive());
        let earlier = Owner {
            started: this.started + 1,
            ..this
        };
        assert!(!earlier.is_alive());
        for name in ["stromatekt", "stromatekt-x-1-2", "docker-1-2-3"] {
            assert_eq!(Owner::of(OsStr::new(name)), None, "{name}");
        }
    }
}
