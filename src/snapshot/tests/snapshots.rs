//! Snapshots on a real btrfs: forks, seals, diffs and removals.

#![allow(clippy::print_stderr)]

mod place;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stromatekt_kernel::btrfs;
use stromatekt_oci::Changeset;
use stromatekt_snapshot::{Btrfs, Error, Snapshotter};

use place::{name, step};

fn changes(changed: &[&str], removed: &[&str]) -> Changeset {
    let set = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
    Changeset {
        changed: set(changed),
        removed: set(removed),
    }
}

#[test]
fn a_fork_has_what_its_parent_has_and_does_not_change_it() {
    let place = place_or_skip!();
    let snapshots = place.snapshots();
    step(snapshots, None, "base", |root| {
        let meta = fs::metadata(root).unwrap();
        let made = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        assert_eq!(made, (0o755, 0, 0), "the empty tree's root directory");
        fs::write(root.join("a"), "1").unwrap();
    });
    step(snapshots, Some("base"), "next", |root| {
        assert_eq!(fs::read(root.join("a")).unwrap(), b"1");
        fs::write(root.join("a"), "2").unwrap();
    });
    let base = snapshots.path(&name("base"));
    assert_eq!(fs::read(base.join("a")).unwrap(), b"1");
    assert!(
        fs::write(base.join("b"), "").is_err(),
        "a sealed snapshot was written"
    );
    assert_eq!(snapshots.list().unwrap(), [name("base"), name("next")]);

    snapshots.remove(&name("base")).unwrap();
    snapshots.remove(&name("base")).unwrap();
    assert!(!snapshots.exists(&name("base")).unwrap());
    assert!(snapshots.is_sealed(&name("next")).unwrap());
    snapshots.sync().unwrap();
    snapshots.check().unwrap();
}

#[test]
fn calls_out_of_order_are_precise_errors() {
    let place = place_or_skip!();
    let snapshots = place.snapshots();
    let (a, b) = (name("a"), name("b"));
    snapshots.fork(None, &a).unwrap();
    assert!(matches!(snapshots.fork(None, &a), Err(Error::Exists { name }) if name == a));
    assert!(matches!(snapshots.fork(Some(&a), &b), Err(Error::NotSealed { name }) if name == a));
    assert!(matches!(snapshots.diff(None, &a), Err(Error::NotSealed { name }) if name == a));
    assert!(matches!(snapshots.seal(&b), Err(Error::Missing { name }) if name == b));
    snapshots.seal(&a).unwrap();
    snapshots.seal(&a).unwrap();
    assert!(matches!(snapshots.diff(Some(&b), &a), Err(Error::Missing { name }) if name == b));
}

#[test]
fn the_first_layer_of_a_tree_holds_all_of_it() {
    let place = place_or_skip!();
    step(place.snapshots(), None, "base", |root| {
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/f"), "").unwrap();
        symlink("/etc", root.join("l")).unwrap();
    });
    let found = place.snapshots().diff(None, &name("base")).unwrap();
    assert_eq!(found, changes(&["d", "d/f", "l"], &[]));

    step(place.snapshots(), None, "other", |root| {
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    });
    let found = place.snapshots().diff(None, &name("other")).unwrap();
    assert_eq!(found, changes(&[""], &[]), "the root directory is an entry");
}

#[test]
fn a_directory_changes_by_its_mode_and_not_by_its_time() {
    let place = place_or_skip!();
    step(place.snapshots(), None, "base", |root| {
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("c")).unwrap();
    });
    step(place.snapshots(), Some("base"), "next", |root| {
        fs::write(root.join("a/b/new"), "").unwrap();
        fs::set_permissions(root.join("c"), fs::Permissions::from_mode(0o711)).unwrap();
    });
    let found = place.snapshots().diff(Some(&name("base")), &name("next"));
    assert_eq!(found.unwrap(), changes(&["a/b/new", "c"], &[]));
}

#[test]
fn links_that_are_made_anew_with_the_same_names_are_no_change() {
    let place = place_or_skip!();
    let snapshots = place.snapshots();
    let make = |root: &Path, names: &[&str]| {
        for name in ["a", "b", "c"] {
            let _ = fs::remove_file(root.join(name));
        }
        fs::write(root.join(names[0]), "x").unwrap();
        let file = fs::File::open(root.join(names[0])).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        for name in &names[1..] {
            fs::hard_link(root.join(names[0]), root.join(name)).unwrap();
        }
    };
    step(snapshots, None, "base", |root| make(root, &["a", "b"]));
    step(snapshots, Some("base"), "same", |root| {
        make(root, &["b", "a"])
    });
    step(snapshots, Some("base"), "more", |root| {
        make(root, &["a", "b", "c"])
    });
    let base = name("base");
    let found = |upper: &str| snapshots.diff(Some(&base), &name(upper)).unwrap();
    assert_eq!(found("same"), changes(&[], &[]));
    assert_eq!(found("more"), changes(&["a", "b", "c"], &[]));
}

#[test]
fn symbolic_links_in_place_of_directories_are_not_followed() {
    let place = place_or_skip!();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "").unwrap();
    step(place.snapshots(), None, "base", |root| {
        symlink(outside.path(), root.join("a")).unwrap();
        fs::create_dir(root.join("b")).unwrap();
        fs::write(root.join("b/f"), "").unwrap();
    });
    step(place.snapshots(), Some("base"), "next", |root| {
        fs::remove_file(root.join("a")).unwrap();
        fs::rename(root.join("b"), root.join("a")).unwrap();
        symlink(outside.path(), root.join("b")).unwrap();
    });
    let found = place.snapshots().diff(Some(&name("base")), &name("next"));
    assert_eq!(found.unwrap(), changes(&["a", "a/f", "b"], &["a", "b"]));
}

#[test]
fn a_file_of_more_names_than_the_kernel_tells_is_changed_at_all_of_them() {
    let place = place_or_skip!();
    let link = |root: &Path, number: usize| root.join(format!("{}-{number}", "n".repeat(200)));
    step(place.snapshots(), None, "base", |root| {
        fs::write(root.join("first"), "1").unwrap();
        for number in 0..60 {
            fs::hard_link(root.join("first"), link(root, number)).unwrap();
        }
    });
    step(place.snapshots(), Some("base"), "next", |root| {
        fs::write(root.join("first"), "2").unwrap();
    });
    let found = place.snapshots().diff(Some(&name("base")), &name("next"));
    assert_eq!(found.unwrap().changed.len(), 61);
}

#[test]
fn what_was_not_forked_from_one_another_is_compared_all_the_same() {
    let place = place_or_skip!();
    for (name, other) in [("one", "x"), ("two", "y")] {
        step(place.snapshots(), None, name, |root| {
            fs::create_dir(root.join("same")).unwrap();
            fs::write(root.join(other), "").unwrap();
        });
    }
    let found = place.snapshots().diff(Some(&name("one")), &name("two"));
    assert_eq!(found.unwrap(), changes(&["y"], &["x"]));
}

#[test]
fn subvolumes_made_inside_a_tree_become_directories() {
    let place = place_or_skip!();
    step(place.snapshots(), None, "base", |root| {
        fs::create_dir(root.join("d")).unwrap();
    });
    step(place.snapshots(), Some("base"), "next", |root| {
        let make = |dir: &str, name: &str| {
            let dir = fs::File::open(root.join(dir)).unwrap();
            btrfs::create_subvolume(&dir, OsStr::new(name)).unwrap();
        };
        make("d", "outer");
        make("d/outer", "inner");
        fs::write(root.join("d/outer/f"), "content").unwrap();
        fs::hard_link(root.join("d/outer/f"), root.join("d/outer/inner-f")).unwrap();
        fs::write(root.join("d/outer/inner/g"), "").unwrap();
        symlink("f", root.join("d/outer/l")).unwrap();
        fs::set_permissions(root.join("d/outer"), fs::Permissions::from_mode(0o1750)).unwrap();
    });
    let found = place.snapshots().diff(Some(&name("base")), &name("next"));
    let expected = [
        "d/outer",
        "d/outer/f",
        "d/outer/inner",
        "d/outer/inner-f",
        "d/outer/inner/g",
        "d/outer/l",
    ];
    assert_eq!(found.unwrap(), changes(&expected, &[]));
    let outer = place.snapshots().path(&name("next")).join("d/outer");
    assert_eq!(fs::metadata(&outer).unwrap().mode() & 0o7777, 0o1750);
    assert_eq!(fs::read(outer.join("inner-f")).unwrap(), b"content");
    assert_eq!(fs::metadata(outer.join("f")).unwrap().nlink(), 2);

    // A build that was killed leaves them as they were made.
    place.snapshots().fork(None, &name("killed")).unwrap();
    let root = fs::File::open(place.snapshots().path(&name("killed"))).unwrap();
    btrfs::create_subvolume(&root, OsStr::new("inner")).unwrap();
    place.snapshots().remove(&name("killed")).unwrap();
    assert!(!place.snapshots().exists(&name("killed")).unwrap());
}

#[test]
fn one_symbolic_link_among_many_files_is_found_at_once() {
    let place = place_or_skip!();
    step(place.snapshots(), None, "base", |root| {
        for number in 0..20_000 {
            let dir = root.join(format!("d{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir(&dir).unwrap();
            }
            fs::write(dir.join(number.to_string()), "").unwrap();
        }
    });
    step(place.snapshots(), Some("base"), "next", |root| {
        symlink("target", root.join("d7/link")).unwrap();
    });
    let (base, next) = (name("base"), name("next"));
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let found = place.snapshots().diff(Some(&base), &next).unwrap();
        best = best.min(start.elapsed());
        assert_eq!(found, changes(&["d7/link"], &[]));
    }
    assert!(best < Duration::from_millis(50), "it took {best:?}");
}

#[test]
fn two_stores_do_not_share_a_configured_directory() {
    let place = place_or_skip!();
    let home = place.snapshots().path(&name("home"));
    place.snapshots().fork(None, &name("home")).unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Btrfs::open_for(&home, one.path()).unwrap();
    drop(Btrfs::open_for(&home, one.path()).unwrap());
    assert!(matches!(
        Btrfs::open_for(&home, two.path()),
        Err(Error::Owned { .. })
    ));
    // A store that is gone needs nothing any more.
    drop((first, one));
    drop(Btrfs::open_for(&home, two.path()).unwrap());
    assert!(matches!(
        Btrfs::open(two.path()),
        Err(Error::NotBtrfs { .. })
    ));
}
