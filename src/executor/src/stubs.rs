//! The empty files and directories that mounts need in a tree, made before the process and removed after it.
//!
//! Such a mount point is no change of the process, so neither it nor the time of its directory may show in a layer. BuildKit
//! removes those of its mounts (`executor/stubs.go`) in the same cases: what the process filled stays. The directories of what
//! every container has mounted (`/proc`, `/dev`, `/sys`) it leaves to the runtime and in the layer, and so do we.

use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use stromatekt_kernel::entry;
use stromatekt_kernel::{FileKind, Root, Timestamp};

use crate::error::{Error, Result};

/// What a mount needs to stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A directory whose mode counts, for the file system mounted there takes it on.
    Tmpfs,
}

/// The mount points that were made in a tree; removed when this is dropped.
#[derive(Debug)]
pub struct Stubs {
    root: Root,
    made: Vec<Stub>,
    /// Where mounts stand; what is beneath them is no part of the tree.
    covered: Vec<PathBuf>,
}

#[derive(Debug)]
struct Stub {
    /// Without symbolic links.
    parent: PathBuf,
    name: OsString,
    is_dir: bool,
    /// The time of the parent before the stub was made.
    before: Timestamp,
    /// And right after.
    after: Timestamp,
}

impl Stubs {
    /// None yet.
    pub fn new(root: Root) -> Self {
        Self {
            root,
            made: Vec::new(),
            covered: Vec::new(),
        }
    }

    /// The tree.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Makes what is missing for a mount at `target`.
    pub fn make(&mut self, target: &str, kind: Kind) -> Result<()> {
        let failed = |message: String| Error::Mount {
            target: target.to_owned(),
            message,
        };
        let resolved = self
            .root
            .resolve(target)
            .map_err(|error| failed(error.to_string()))?;
        // The runtime makes these itself, in what is mounted there.
        let outer = self
            .covered
            .iter()
            .find(|outer| resolved.starts_with(outer));
        if let Some(outer) = outer.cloned() {
            return self
                .note_missing(&outer)
                .map_err(|error| failed(error.to_string()));
        }
        let existing = self.make_missing(&resolved, kind);
        let existing = existing.map_err(|error| failed(error.to_string()))?;
        match (existing, kind) {
            (Some(FileKind::Directory), Kind::File) => {
                return Err(failed(
                    "a file cannot be mounted over a directory".to_owned(),
                ));
            }
            (Some(found), Kind::Directory | Kind::Tmpfs) if found != FileKind::Directory => {
                return Err(failed(
                    "a directory cannot be mounted over a file".to_owned(),
                ));
            }
            _ => {}
        }
        self.covered.push(resolved);
        Ok(())
    }

    /// Notes that the runtime mounts something of its own at `target`, and makes what is missing there.
    pub fn cover(&mut self, target: &str) -> Result<()> {
        let relative = Path::new(target.trim_start_matches('/'));
        if self.covered.iter().any(|outer| relative.starts_with(outer)) {
            return Ok(());
        }
        let resolved = self.root.resolve(target).map_err(|error| Error::Mount {
            target: target.to_owned(),
            message: error.to_string(),
        })?;
        self.covered.push(resolved);
        Ok(())
    }

    /// Notes a directory that the runtime is going to make for a mount of its own. Where a mount of ours is beneath it, BuildKit takes it for
    /// one of its stubs, and removes it.
    fn note_missing(&mut self, path: &Path) -> io::Result<()> {
        match self.root.lstat(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map(drop),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        // The time that the runtime leaves is to stay: so it does where it is not the one after our change.
        let never = Timestamp::from_seconds(i64::MIN);
        self.made.push(Stub {
            parent: parent.to_owned(),
            name: name.to_owned(),
            is_dir: true,
            before: never,
            after: never,
        });
        Ok(())
    }

    /// Makes an entry and the directories above it; tells what it is if it existed.
    fn make_missing(&mut self, path: &Path, kind: Kind) -> io::Result<Option<FileKind>> {
        match self.root.lstat(path) {
            Ok(stat) => return Ok(Some(stat.kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.make_missing(parent, Kind::Directory)?;
        let dir = self.root.open_dir_no_symlinks(parent)?;
        let before = entry::stat_fd(&dir)?.mtime;
        match kind {
            Kind::File => drop(entry::create_file_at(&dir, name, 0o644)?),
            Kind::Directory | Kind::Tmpfs => {
                // What tmpfs(5) has where nothing else is said.
                let mode = if kind == Kind::Tmpfs { 0o1777 } else { 0o755 };
                entry::mkdirat(&dir, name, mode)?;
                entry::fchmodat(&dir, name, mode)?;
            }
        }
        self.made.push(Stub {
            parent: parent.to_owned(),
            name: name.to_owned(),
            is_dir: kind != Kind::File,
            before,
            after: entry::stat_fd(&dir)?.mtime,
        });
        Ok(None)
    }

    /// Removes those that are still empty. The others the process has made its own.
    pub fn remove(mut self) -> Result<()> {
        self.remove_made()
    }

    fn remove_made(&mut self) -> Result<()> {
        while let Some(stub) = self.made.pop() {
            match stub.remove(&self.root) {
                Ok(()) => {}
                // The process removed or replaced it, or the directory that it was in.
                Err(error) if is_changed(&error) => {}
                Err(error) => {
                    return Err(Error::file(
                        "remove the mount point",
                        stub.parent.join(&stub.name),
                    )(error));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        if let Err(error) = self.remove_made() {
            tracing::warn!(%error, "a mount point is left");
        }
    }
}

impl Stub {
    fn remove(&self, root: &Root) -> io::Result<()> {
        let dir = File::from(root.open_dir_no_symlinks(&self.parent)?);
        let found = entry::lstatat(&dir, &self.name)?;
        let now = entry::stat_fd(dir.as_fd())?.mtime;
        match found.kind {
            FileKind::Directory if self.is_dir => entry::rmdirat(&dir, &self.name)?,
            FileKind::File if !self.is_dir && found.size == 0 => {
                entry::unlinkat(&dir, &self.name)?;
            }
            _ => return Ok(()),
        }
        // A time that the process gave it, by what it made or removed there, is to stay.
        let time = if now == self.after { self.before } else { now };
        dir.set_times(FileTimes::new().set_modified(system_time(time)))
    }
}

fn is_changed(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENOTEMPTY | Errno::ELOOP)
    )
}

fn system_time(time: Timestamp) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let start = if time.seconds < 0 {
        SystemTime::UNIX_EPOCH - seconds
    } else {
        SystemTime::UNIX_EPOCH + seconds
    };
    start + Duration::from_nanos(time.nanoseconds.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, Stubs) {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("etc")).expect("a directory");
        fs::write(dir.path().join("file"), "x").expect("a file");
        symlink("/run", dir.path().join("link")).expect("a link");
        let old = SystemTime::UNIX_EPOCH + Duration::new(86400, 123);
        for path in ["etc", ""] {
            let opened = File::open(dir.path().join(path)).expect("a directory");
            opened
                .set_times(FileTimes::new().set_modified(old))
                .expect("a time");
        }
        let root = Root::open(dir.path()).expect("a root");
        (dir, Stubs::new(root))
    }

    fn listing(dir: &Path) -> Vec<(String, i64)> {
        let mut found = vec![(String::new(), fs::metadata(dir).expect("stat").mtime())];
        for entry in fs::read_dir(dir).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, entry.metadata().expect("stat").mtime()));
        }
        found.sort();
        found
    }

    #[test]
    fn a_directory_of_the_runtime_stays_unless_a_mount_is_beneath_it() {
        for (target, stays) in [("/mnt", true), ("/dev/pipes", false)] {
            let (dir, mut stubs) = tree();
            stubs.cover("/dev").expect("it is within the root");
            stubs.make(target, Kind::Directory).expect(target);
            // As the runtime does.
            fs::create_dir(dir.path().join("dev")).expect("it is writable");
            stubs.remove().expect("it can be removed");
            assert_eq!(dir.path().join("dev").exists(), stays, "{target}");
        }
    }

    #[test]
    fn nothing_is_left_not_even_a_time() {
        let (dir, mut stubs) = tree();
        let before = listing(dir.path());
        for (target, kind) in [
            ("/mnt", Kind::Directory),
            ("/etc/hosts", Kind::File),
            ("/link/secrets/token", Kind::File),
            ("/new/deep/cache", Kind::Directory),
            ("/new/deep/tmp", Kind::Tmpfs),
            ("/mnt/beneath/a/mount", Kind::Directory),
            ("/../../out", Kind::Directory),
        ] {
            stubs.make(target, kind).expect(target);
        }
        assert!(dir.path().join("run/secrets/token").is_file());
        assert!(dir.path().join("out").is_dir());
        assert!(!dir.path().join("mnt/beneath").exists());
        let tmp = fs::metadata(dir.path().join("new/deep/tmp")).expect("stat");
        assert_eq!(tmp.mode() & 0o7777, 0o1777);
        stubs.remove().expect("removal");
        assert_eq!(listing(dir.path()), before);
    }

    #[test]
    fn mounts_within_what_the_runtime_mounts_need_nothing() {
        let (dir, mut stubs) = tree();
        let before = listing(dir.path());
        stubs.cover("/dev").expect("a directory of the runtime");
        stubs.cover("/dev/shm").expect("one in it");
        stubs
            .make("/dev/shm/secret", Kind::File)
            .expect("a mount there");
        assert_eq!(listing(dir.path()), before);
    }

    #[test]
    fn what_the_process_did_stays() {
        let (dir, mut stubs) = tree();
        for (target, kind) in [
            ("/a/b/mount", Kind::Directory),
            ("/etc/hosts", Kind::File),
            ("/c/mount", Kind::Directory),
            ("/d/mount", Kind::Directory),
        ] {
            stubs.make(target, kind).expect(target);
        }
        fs::write(dir.path().join("a/own"), "own").expect("a file");
        fs::write(dir.path().join("etc/hosts"), "own").expect("a file");
        fs::remove_dir_all(dir.path().join("c")).expect("removal");
        symlink("etc", dir.path().join("c")).expect("a link");
        fs::remove_dir_all(dir.path().join("d")).expect("removal");
        let times = |path: &str| fs::metadata(dir.path().join(path)).expect("stat").mtime();
        let changed = times("a");
        stubs.remove().expect("removal");
        assert!(dir.path().join("a/own").exists() && !dir.path().join("a/b").exists());
        assert!(dir.path().join("etc/hosts").exists());
        assert_eq!(times("a"), changed);
        assert!(
            times("") > 86400,
            "the process changed the root directory too"
        );
    }

    #[test]
    fn files_and_directories_are_not_mounted_over_each_other() {
        let (_dir, mut stubs) = tree();
        assert!(stubs.make("/etc", Kind::File).is_err());
        assert!(stubs.make("/file", Kind::Directory).is_err());
        assert!(stubs.make("/file/x", Kind::Directory).is_err());
        stubs.make("/file", Kind::File).expect("a file over a file");
    }
}
