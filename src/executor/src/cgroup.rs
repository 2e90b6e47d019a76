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
    hierarchies: Vec<Hierarchy>,
    parents: Vec<PathBuf>,
}

/// A hierarchy of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    point: PathBuf,
    controllers: Vec<String>,
}

impl Cgroups {
    /// Those of this process. A machine without any is none to worry about: then the runtime says so.
    pub fn find() -> Self {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let mounts = read(Path::new("/proc/self/mountinfo"));
        let unified = |point: &Path| read(&point.join("cgroup.controllers"));
        Self {
            hierarchies: hierarchies(&mounts, unified),
            parents: parents(&mounts, &read(Path::new("/proc/self/cgroup"))),
        }
    }

    /// Whether groups limit what this controller counts.
    pub fn provide(&self, controller: &str) -> bool {
        self.hierarchies
            .iter()
            .any(|hierarchy| hierarchy.has(controller))
    }

    /// Whether groups limit swap. Version 1 can be without it (the kernel's `memory.rst`).
    pub fn limit_swap(&self) -> bool {
        let memory = self.hierarchies.iter().filter(|it| it.has("memory"));
        memory.map(|memory| &memory.point).any(|point| {
            point.join("memory.memsw.limit_in_bytes").exists()
                || point.join("cgroup.controllers").exists()
        })
    }

    /// Removes the groups of a container that is dead, which were made in `parent` if not where runtimes make them.
    pub fn remove(&self, container: &str, parent: Option<&str>) {
        for directory in self.directories(parent) {
            remove(&directory.join(container), PATIENCE);
        }
    }

    /// Removes the groups of containers whose owner is dead; the kernel has killed their processes with it.
    pub fn remove_orphans(&self) {
        self.directories(None).iter().for_each(orphans);
    }

    /// The same in a group with a name.
    pub fn remove_orphans_in(&self, parent: &str) {
        self.directories(Some(parent)).iter().for_each(orphans);
    }

    fn directories(&self, parent: Option<&str>) -> Vec<PathBuf> {
        match parent {
            None => self.parents.clone(),
            Some(parent) => {
                let points = self.hierarchies.iter().map(|it| it.point.join(parent));
                points.collect()
            }
        }
    }
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

fn orphans(parent: &PathBuf) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if Owner::of(&entry.file_name()).is_some_and(|owner| !owner.is_alive()) {
            remove(&entry.path(), Duration::ZERO);
        }
    }
}

/// The hierarchies that are mounted. The options of a mount name the controllers of version 1, a file those of version 2.
fn hierarchies(mountinfo: &str, unified: impl Fn(&Path) -> String) -> Vec<Hierarchy> {
    let mounts = mountinfo.lines().filter_map(Mount::parse);
    let hierarchies = mounts.map(|mount| {
        let controllers = match mount.unified {
            true => unified(&mount.point),
            false => mount.options.replace(',', " "),
        };
        Hierarchy {
            point: mount.point,
            controllers: controllers.split_whitespace().map(str::to_owned).collect(),
        }
    });
    hierarchies.collect()
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
        assert!(hierarchies(v2, |_| "cpu memory\n".to_owned())[0].has("memory"));
        let groups = hierarchies(v1, |_| String::new());
        assert!(groups[1].has("cpu") && groups[1].point == at("cpu,cpuacct"));
        // In a container, the mount shows but a part of the hierarchy.
        let part = "31 30 0:27 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(parents(part, "0::/docker/1/x\n"), [at("x"), at("")]);
    }
}
