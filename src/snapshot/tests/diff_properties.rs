//! The changeset of two snapshots is what a walk over both whole trees finds, whatever was done between them.

#![allow(clippy::print_stderr)]

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stromatekt_kernel::xattr::{self, Target};
use stromatekt_oci::Changeset;
use stromatekt_snapshot::Snapshotter;

use place::name;

const CASES: u32 = 200;

/// Something a process may do to a tree.
#[derive(Clone, Debug)]
enum Op {
    Write(PathBuf, u8, usize),
    Append(PathBuf, u8),
    Overwrite(PathBuf, u8),
    Truncate(PathBuf, u64),
    MakeDir(PathBuf),
    Remove(PathBuf),
    RemoveTree(PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    Replace(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
    Chmod(PathBuf, u32),
    Chown(PathBuf, u32, u32),
    SetXattr(PathBuf, bool, u8),
    RemoveXattr(PathBuf, bool),
    Node(PathBuf, u8),
    SetTime(PathBuf, i64, i64),
    Copy(PathBuf, PathBuf),
    Sync,
}

fn names() -> Vec<OsString> {
    let long = "x".repeat(255);
    let names: [&[u8]; 7] = [
        b"a",
        b"b",
        b"c",
        b"new\nline",
        b"\xff\xfe",
        b"o257-7-0",
        long.as_bytes(),
    ];
    names
        .map(|name| OsStr::from_bytes(name).to_owned())
        .to_vec()
}

fn path() -> impl Strategy<Value = PathBuf> {
    let name = prop_oneof![
        6 => 0..3usize,
        1 => 3..7usize,
    ];
    prop::collection::vec(name, 1..4).prop_map(|indices| {
        let names = names();
        indices.into_iter().map(|index| &names[index]).collect()
    })
}

fn op() -> impl Strategy<Value = Op> {
    let id = prop_oneof![Just(0), Just(1000), Just(4_000_000_000)];
    let mode = prop_oneof![Just(0o644), Just(0o4755), Just(0o600), Just(0o1777)];
    prop_oneof![
        4 => (path(), 0..3u8, prop_oneof![Just(0), Just(10), Just(5000), Just(200_000)])
            .prop_map(|(path, byte, size)| Op::Write(path, byte, size)),
        1 => (path(), 0..3u8).prop_map(|(path, byte)| Op::Append(path, byte)),
        2 => (path(), 0..3u8).prop_map(|(path, byte)| Op::Overwrite(path, byte)),
        1 => (path(), prop_oneof![Just(0), Just(7), Just(6000)])
            .prop_map(|(path, size)| Op::Truncate(path, size)),
        4 => path().prop_map(Op::MakeDir),
        2 => path().prop_map(Op::Remove),
        1 => path().prop_map(Op::RemoveTree),
        4 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Op::Exchange(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Op::Replace(from, to)),
        3 => (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        2 => (path(), path()).prop_map(|(target, at)| Op::Symlink(target, at)),
        1 => (path(), mode).prop_map(|(path, mode)| Op::Chmod(path, mode)),
        1 => (path(), id.clone(), id).prop_map(|(path, uid, gid)| Op::Chown(path, uid, gid)),
        1 => (path(), any::<bool>(), 0..2u8).prop_map(|(path, user, value)| Op::SetXattr(path, user, value)),
        1 => (path(), any::<bool>()).prop_map(|(path, user)| Op::RemoveXattr(path, user)),
        2 => (path(), 0..5u8).prop_map(|(path, kind)| Op::Node(path, kind)),
        3 => (path(), prop_oneof![Just(-5i64), Just(0), Just(1_000_000_000)], prop_oneof![Just(0i64), Just(7)])
            .prop_map(|(path, seconds, nanos)| Op::SetTime(path, seconds, nanos)),
        2 => (path(), path()).prop_map(|(from, to)| Op::Copy(from, to)),
        1 => Just(Op::Sync),
    ]
}

/// Does it, if it can be done.
fn apply(root: &Path, op: &Op) {
    let at = |path: &PathBuf| root.join(path);
    // Never through a symbolic link: it might lead out of the tree.
    let plain = |path: &PathBuf| {
        let mut so_far = root.to_owned();
        for part in path {
            so_far.push(part);
            if so_far.is_symlink() {
                return false;
            }
        }
        true
    };
    let above_plain = |path: &PathBuf| plain(&path.parent().unwrap().to_owned());
    // A device or a pipe must not be opened.
    let is_file = |path: &PathBuf| plain(path) && at(path).is_file();
    let may_make = |path: &PathBuf| plain(path) && (is_file(path) || !at(path).exists());
    let parent_dir = |path: &PathBuf| {
        let parent = at(path).parent().unwrap().to_owned();
        parent.is_dir().then(|| File::open(parent).unwrap())
    };
    match op {
        Op::Write(path, byte, size) if may_make(path) => {
            let _ = fs::write(at(path), vec![*byte; *size]);
        }
        Op::Append(path, byte) if is_file(path) => {
            let file = File::options().append(true).open(at(path));
            let _ = file.and_then(|mut file| file.write_all(&[*byte; 100]));
        }
        // Same size, same modification time.
        Op::Overwrite(path, byte) if is_file(path) => {
            let before = fs::metadata(at(path)).unwrap();
            let mut file = File::options().write(true).open(at(path)).unwrap();
            let size = usize::try_from(before.len().min(10)).unwrap();
            file.write_all(&vec![*byte; size]).unwrap();
            set_time(&at(path), before.mtime(), before.mtime_nsec());
        }
        Op::Truncate(path, size) if is_file(path) => {
            let file = File::options().write(true).open(at(path));
            let _ = file.and_then(|file| file.set_len(*size));
        }
        Op::MakeDir(path) if plain(path) => {
            let _ = fs::create_dir_all(at(path));
        }
        Op::Remove(path) if above_plain(path) => {
            let _ = fs::remove_file(at(path)).or_else(|_| fs::remove_dir(at(path)));
        }
        Op::RemoveTree(path) if plain(path) => {
            let _ = fs::remove_dir_all(at(path));
        }
        Op::Rename(from, to) if above_plain(from) && above_plain(to) => {
            let _ = fs::rename(at(from), at(to));
        }
        Op::Exchange(from, to) if above_plain(from) && above_plain(to) => {
            let here = nix::fcntl::AT_FDCWD;
            let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
            let _ = nix::fcntl::renameat2(here, &at(from), here, &at(to), flags);
        }
        // What stands at the new place is removed first, be it a directory.
        Op::Replace(from, to)
            if above_plain(from)
                && above_plain(to)
                && at(from).symlink_metadata().is_ok()
                && !from.starts_with(to)
                && !to.starts_with(from) =>
        {
            let _ = fs::remove_file(at(to)).or_else(|_| fs::remove_dir_all(at(to)));
            let _ = fs::rename(at(from), at(to));
        }
        Op::Link(from, to) if above_plain(from) && above_plain(to) => {
            let _ = fs::hard_link(at(from), at(to));
        }
        Op::Symlink(target, path) if above_plain(path) => {
            let _ = symlink(target, at(path));
        }
        Op::Chmod(path, mode) if plain(path) => {
            let _ = fs::set_permissions(at(path), fs::Permissions::from_mode(*mode));
        }
        Op::Chown(path, uid, gid) if above_plain(path) => {
            let _ = lchown(at(path), Some(*uid), Some(*gid));
        }
        Op::SetXattr(path, user, value) if plain(path) => {
            if let Some(dir) = parent_dir(path) {
                let file = Target::of_entry(&dir, path.file_name().unwrap()).unwrap();
                let _ = xattr::set(&file, xattr_name(*user), &[*value; 3]);
            }
        }
        Op::RemoveXattr(path, user) if plain(path) => {
            if let Some(dir) = parent_dir(path) {
                let file = Target::of_entry(&dir, path.file_name().unwrap()).unwrap();
                let _ = xattr::remove(&file, xattr_name(*user));
            }
        }
        Op::Node(path, kind) if above_plain(path) => {
            let (kind, device) = match kind {
                0 => (SFlag::S_IFIFO, 0),
                1 => (SFlag::S_IFSOCK, 0),
                2 => (SFlag::S_IFCHR, nix::sys::stat::makedev(0, 0)),
                3 => (SFlag::S_IFCHR, nix::sys::stat::makedev(1, 3)),
                _ => (SFlag::S_IFBLK, nix::sys::stat::makedev(7, 300)),
            };
            let _ = nix::sys::stat::mknod(&at(path), kind, Mode::from_bits_retain(0o600), device);
        }
        Op::SetTime(path, seconds, nanos) if above_plain(path) => {
            set_time(&at(path), *seconds, *nanos)
        }
        // As `cp -p` does it: nothing but the inode differs.
        Op::Copy(from, to) if is_file(from) && above_plain(to) => {
            let before = fs::metadata(at(from)).unwrap();
            let content = fs::read(at(from)).unwrap();
            if at(to).parent().unwrap().is_dir() && !at(to).is_dir() && from != to {
                let _ = fs::remove_file(at(to));
                fs::write(at(to), content).unwrap();
                lchown(at(to), Some(before.uid()), Some(before.gid())).unwrap();
                fs::set_permissions(at(to), before.permissions()).unwrap();
                set_time(&at(to), before.mtime(), before.mtime_nsec());
            }
        }
        Op::Sync => nix::unistd::syncfs(File::open(root).unwrap()).unwrap(),
        _ => {}
    }
}

fn xattr_name(user: bool) -> &'static OsStr {
    OsStr::new(if user { "user.x" } else { "trusted.x" })
}

fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let time = TimeSpec::new(seconds, nanos);
    let flags = UtimensatFlags::NoFollowSymlink;
    let _ = nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flags);
}

/// All that is known of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: u32,
    owner: (u32, u32, u32, u64),
    xattrs: Vec<(OsString, Vec<u8>)>,
    /// Not of directories.
    time_and_size: Option<(i64, i64, u64)>,
    target: Option<PathBuf>,
    content: Option<Vec<u8>>,
    /// Of a file with several names, its inode.
    inode: Option<u64>,
}

fn walk(root: &Path, dir: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let full = root.join(dir);
    let meta = fs::symlink_metadata(&full).unwrap();
    let is_dir = meta.is_dir();
    let xattrs = {
        let parent = File::open(full.parent().unwrap()).unwrap();
        xattr::all(&Target::of_entry(&parent, full.file_name().unwrap()).unwrap()).unwrap()
    };
    let entry = Entry {
        kind: meta.mode() & 0o170_000,
        owner: (meta.mode(), meta.uid(), meta.gid(), meta.rdev()),
        xattrs,
        time_and_size: (!is_dir).then(|| (meta.mtime(), meta.mtime_nsec(), meta.len())),
        target: meta.is_symlink().then(|| fs::read_link(&full).unwrap()),
        content: meta.is_file().then(|| fs::read(&full).unwrap()),
        inode: (!is_dir && meta.nlink() > 1).then(|| meta.ino()),
    };
    entries.insert(dir.to_owned(), entry);
    if is_dir {
        for entry in fs::read_dir(&full).unwrap() {
            walk(root, &dir.join(entry.unwrap().file_name()), entries);
        }
    }
}

/// The changeset, by comparing everything.
fn by_walking(lower: &Path, upper: &Path) -> Changeset {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    walk(lower, Path::new(""), &mut old);
    walk(upper, Path::new(""), &mut new);
    let mut changed: BTreeSet<PathBuf> = new
        .iter()
        .filter(|(path, entry)| old.get(*path) != Some(entry))
        .filter(|(path, entry)| {
            // A file that only lost or got names, and is the same inode, is the same.
            let Some(before) = old.get(*path) else {
                return true;
            };
            let inode = |root: &Path| fs::symlink_metadata(root.join(path)).unwrap().ino();
            let (mut before, mut after) = (before.clone(), (*entry).clone());
            if inode(lower) == inode(upper) {
                (before.inode, after.inode) = (None, None);
            }
            before != after
        })
        .map(|(path, _)| path.clone())
        .collect();
    let inodes: BTreeSet<u64> = changed.iter().filter_map(|path| new[path].inode).collect();
    let linked = new
        .iter()
        .filter(|(_, entry)| entry.inode.is_some_and(|inode| inodes.contains(&inode)));
    changed.extend(linked.map(|(path, _)| path.clone()));
    let gone: BTreeSet<PathBuf> = old
        .iter()
        .filter(|(path, entry)| new.get(*path).is_none_or(|now| now.kind != entry.kind))
        .map(|(path, _)| path.clone())
        .collect();
    let removed = gone
        .iter()
        .filter(|path| !path.ancestors().skip(1).any(|above| gone.contains(above)))
        .cloned()
        .collect();
    Changeset { changed, removed }
}

#[test]
fn the_changeset_is_what_a_walk_over_both_trees_finds() {
    let place = place_or_skip!();
    let snapshots = place.snapshots();
    let (base, middle, upper) = (name("base"), name("middle"), name("upper"));
    let ops = || prop::collection::vec(op(), 0..40);
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(ops(), ops(), ops()), |(first, second, third)| {
            for name in [&base, &middle, &upper] {
                snapshots.remove(name).unwrap();
            }
            for (parent, name, ops) in [
                (None, &base, first),
                (Some(&base), &middle, second),
                (Some(&middle), &upper, third),
            ] {
                snapshots.fork(parent, name).unwrap();
                for op in &ops {
                    apply(&snapshots.path(name), op);
                }
                snapshots.seal(name).unwrap();
            }
            // Also over two steps, and backwards, which the kernel is not asked for.
            for (lower, upper) in [
                (&base, &middle),
                (&middle, &upper),
                (&base, &upper),
                (&upper, &base),
            ] {
                let expected = by_walking(&snapshots.path(lower), &snapshots.path(upper));
                let found = snapshots.diff(Some(lower), upper).unwrap();
                // Who knows where to look finds the same.
                let paths = found.changed.union(&found.removed).cloned().collect();
                let looked_at = snapshots.diff_at(Some(lower), upper, &paths).unwrap();
                prop_assert_eq!(&looked_at, &found);
                prop_assert_eq!(found, expected, "from {} to {}", lower, upper);
            }
            Ok(())
        })
        .unwrap();
}
