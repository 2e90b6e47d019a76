//! A state directory for tests, with base images in it, unmounted and removed in the end.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

use crate::binary;
use crate::build::Build;
use crate::command::{self, Outcome};
use crate::context::Context;

/// The name under which every lab has the busybox base.
pub const BUSYBOX: &str = "busybox";

/// A store of one's own.
pub struct Lab {
    root: PathBuf,
    /// Removes the directory in the end, where it is the lab's own.
    _directory: Option<TempDir>,
}

impl Lab {
    /// The store that tests share which do not look at the store itself: so that it is made and filled once, and so that
    /// builds run side by side on one store. It is removed when no test uses it any more.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        // A test that failed while it made the store must not fail all others.
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(lab) = shared.upgrade() {
            return lab;
        }
        let lab = Arc::new(Self::with_busybox());
        *shared = Arc::downgrade(&lab);
        lab
    }

    /// A new store with the busybox base.
    #[track_caller]
    pub fn with_busybox() -> Self {
        let lab = Self::empty();
        lab.stromatekt(["image", "load"])
            .arg(base("busybox"))
            .args(["--name", BUSYBOX])
            .run()
            .ok();
        lab
    }

    /// A new store with nothing in it.
    pub fn empty() -> Self {
        remove_what_killed_tests_left();
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir()
            .expect("there is room for a temporary directory");
        Self {
            root: directory.path().to_owned(),
            _directory: Some(directory),
        }
    }

    /// A store at a place of the caller's, who removes it.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            _directory: None,
        }
    }

    /// The state directory (`--root`).
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts to describe a `stromatekt --root …` with these arguments.
    pub fn stromatekt(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Cli {
        let mut command = Command::new(binary::stromatekt());
        // The person's own settings must not change what the tests see.
        for name in [
            "STROMATEKT_ROOT",
            "SOURCE_DATE_EPOCH",
            "SSH_AUTH_SOCK",
            "NO_COLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if ["DOCKER_", "BUILDX_", "BUILDKIT_"]
                .iter()
                .any(|of| name.starts_with(of))
            {
                command.env_remove(name.as_ref());
            }
        }
        command
            .arg("--root")
            .arg(self.root())
            .args(args)
            .env("LC_ALL", "C.UTF-8");
        Cli {
            command,
            stdin: None,
        }
    }

    /// Starts to describe a build of a context.
    pub fn build(&self, context: &Context) -> Build<'_> {
        Build::new(self, context.path().into())
    }

    /// Starts to describe a build of what CONTEXT names: `-`, a URL, a directory.
    pub fn build_of(&self, context: impl AsRef<OsStr>) -> Build<'_> {
        Build::new(self, context.as_ref().to_owned())
    }

    /// What `image ls` prints.
    #[track_caller]
    pub fn images(&self) -> String {
        self.stromatekt(["image", "ls"])
            .run()
            .ok()
            .text()
            .to_owned()
    }

    /// The mount points beneath the state directory.
    pub fn mounts(&self) -> BTreeSet<PathBuf> {
        mounts_beneath(self.root())
    }

    /// The subvolumes in the store.
    #[track_caller]
    pub fn subvolumes(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for mount in self.mounts() {
            let listed = command::program(
                "btrfs",
                [OsStr::new("subvolume"), "list".as_ref(), mount.as_ref()],
            );
            // Mounts of another kind are beneath the state directory only while a step runs.
            if listed.code == Some(0) {
                // ID 256 gen 7 top level 5 path snapshots/…
                found.extend(
                    listed
                        .text()
                        .lines()
                        .filter_map(|line| Some(line.split_once(" path ")?.1.to_owned())),
                );
            }
        }
        found
    }

    /// The command lines of processes that have to do with this store.
    pub fn processes(&self) -> Vec<String> {
        let mut found = processes_with(&self.root.to_string_lossy());
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            if fs::read_link(process.path().join("root"))
                .is_ok_and(|root| root.starts_with(&self.root))
            {
                found.push(command_line(&process.path()));
            }
        }
        found
    }

    /// What a failed build must leave as it was.
    #[track_caller]
    pub fn contents(&self) -> Contents {
        // Without the column that tells how long ago an image was made.
        let images = self.images();
        let created = images.find("CREATED").unwrap_or(images.len());
        let rows = images.lines().map(|row| {
            let start = row.get(..created).unwrap_or(row).trim_end();
            let size = row.split_whitespace().last().unwrap_or_default();
            format!("{start} {size}")
        });
        Contents {
            images: rows.collect::<Vec<_>>().join("\n"),
            subvolumes: self.subvolumes(),
        }
    }
}

/// What is in a store: its images, and its snapshots.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    images: String,
    subvolumes: BTreeSet<String>,
}

impl Contents {
    /// The snapshots.
    pub fn subvolumes(&self) -> &BTreeSet<String> {
        &self.subvolumes
    }
}

/// One `stromatekt` command.
pub struct Cli {
    command: Command,
    stdin: Option<Vec<u8>>,
}

impl Cli {
    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The directory that it runs in.
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What it reads on standard input.
    pub fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(data.into());
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(mut self) -> Outcome {
        command::run(&mut self.command, self.stdin)
    }

    /// Starts it.
    #[track_caller]
    pub fn start(mut self) -> command::Running {
        command::Running::start(&mut self.command, self.stdin)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let unmounted = self.stromatekt(["store", "unmount"]).run();
        let left = self.mounts();
        if unmounted.code != Some(0) || !left.is_empty() {
            let _ = writeln!(
                std::io::stderr(),
                "store unmount left {left:?}:\n{unmounted}"
            );
            unmount_all(self.root());
        }
    }
}

/// The command lines of all processes that have these words in theirs.
pub fn processes_with(words: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|process| command_line(&process.path()))
        .filter(|line| line.contains(words))
        .collect()
}

fn command_line(process: &Path) -> String {
    // A process that ended in the meantime has none.
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

/// Where `make setup` puts what tests need.
pub(crate) fn directory() -> PathBuf {
    env::var_os("STROMATEKT_LAB").map_or_else(
        || {
            env::var_os("XDG_CACHE_HOME")
                .map_or_else(
                    || {
                        PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into()))
                            .join(".cache")
                    },
                    PathBuf::from,
                )
                .join("stromatekt-lab")
        },
        PathBuf::from,
    )
}

/// The path of a base image's root filesystem tar, which `make setup` made.
#[track_caller]
pub fn base(name: &str) -> PathBuf {
    let path = directory().join(name).with_extension("tar");
    assert!(
        path.exists(),
        "{} is not there: run `make setup` first",
        path.display()
    );
    path
}

const PREFIX: &str = "stromatekt-e2e-";

/// Once: labs of test processes that were killed before they could unmount.
fn remove_what_killed_tests_left() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for entry in fs::read_dir(env::temp_dir())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(pid) = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next())
            else {
                continue;
            };
            if !Path::new("/proc").join(pid).exists() {
                unmount_all(&entry.path());
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    });
}

fn mounts_beneath(root: &Path) -> BTreeSet<PathBuf> {
    // proc_pid_mountinfo(5): the fifth field is the mount point.
    fs::read_to_string("/proc/self/mountinfo")
        .expect("procfs is mounted")
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|mount| mount.starts_with(root))
        .collect()
}

fn unmount_all(root: &Path) {
    // The deepest first.
    for mount in mounts_beneath(root).iter().rev() {
        let _ = Command::new("umount").arg(mount).status();
    }
}
