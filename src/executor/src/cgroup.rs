//! The control groups that runtimes make for containers: found by name, and removed when a runtime could not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::owner::Owner;

/// How long a group may be busy with the end of its last process.
const PATIENCE: Duration = Duration::from_secs(2);

/// The directories in which a runtime makes the groups of a container, of all hierarchies.
#[derive(Clone, Debug)]
pub struct Cgroups {
    parents: Vec<PathBuf>,
}

impl Cgroups {
    /// Those of this process. A machine without any is none to worry about: then the runtime says so.
    pub fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            parents: parents(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")),
        }
    }

    /// Removes the groups of a container that is dead.
    pub fn remove(&self, container: &str) {
        for parent in &self.parents {
            remove(&parent.join(container), PATIENCE);
        }
    }

    /// Removes the groups of containers whose owner is dead; the kernel has killed their processes with it.
    pub fn remove_orphans(&self) {
        for parent in &self.parents {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                if Owner::of(&entry.file_name()).is_some_and(|owner| !owner.is_alive()) {
                    remove(&entry.path(), Duration::ZERO);
                }
            }
        }
    }
}

/// A runtime places a relative group in its own one, or beside it where groups with processes can have no others in them
/// (cgroups(7), "no internal processes"); some place it at the top.
fn parents(mountinfo: &str, own: &str) -> Vec<PathBuf> {
    let mut parents = Vec::new();
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        let own = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            mount.is_of(controllers).then_some(path)
        });
        let own = Path::new(own.unwrap_or("/"));
        let inside = own.strip_prefix(mount.root).unwrap_or(Path::new(""));
        let own = mount.point.join(inside);
        let beside = own
            .parent()
            .filter(|parent| parent.starts_with(&mount.point))
            .map(Path::to_owned);
        for parent in [Some(own), beside, Some(mount.point)].into_iter().flatten() {
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
    }
    parents
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: PathBuf,
    unified: bool,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let unified = match right.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let mut left = left.split(' ').skip(3);
        Some(Self {
            root: left.next()?,
            point: PathBuf::from(left.next()?),
            unified,
            options: right.nth(1)?,
        })
    }

    /// Whether this is the hierarchy that a line of `/proc/self/cgroup` is about.
    fn is_of(&self, controllers: &str) -> bool {
        match (self.unified, controllers) {
            (unified, "") => unified,
            (true, _) => false,
            (false, controllers) => controllers
                .split(',')
                .all(|controller| self.options.split(',').any(|option| option == controller)),
        }
    }
}

/// Removes a group without processes, and those in it.
fn remove(group: &Path, patience: Duration) {
    let deadline = Instant::now() + patience;
    while group.exists() {
        // The control files in it are no entries that could be removed.
        for entry in fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path(), patience);
            }
        }
        if fs::remove_dir(group).is_ok() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::debug!(group = %group.display(), "a control group cannot be removed");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_looked_for_where_runtimes_make_them() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                  31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n\
                  33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
        let own = "4:memory:/user/me\n3:cpu,cpuacct:/\n1:name=systemd:/s/t\n0::/\n";
        let at = |path: &str| PathBuf::from("/sys/fs/cgroup").join(path);
        assert_eq!(
            parents(v1, own),
            [
                at("memory/user/me"),
                at("memory/user"),
                at("memory"),
                at("cpu,cpuacct"),
                at("systemd/s/t"),
                at("systemd/s"),
                at("systemd")
            ]
        );
        let v2 = "31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            parents(v2, "0::/user.slice/session.scope\n"),
            [at("user.slice/session.scope"), at("user.slice"), at("")]
        );
        // In a container, the mount shows but a part of the hierarchy.
        let part = "31 30 0:27 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(parents(part, "0::/docker/1/x\n"), [at("x"), at("")]);
    }
}
