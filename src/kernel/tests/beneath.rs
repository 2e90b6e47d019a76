//! Paths that want out of their root, and the calls on entries.
#![expect(clippy::print_stdout, reason = "a test that cannot run says why")]

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use stromatekt_kernel::beneath::{OFlag, Root};
use stromatekt_kernel::entry::{self, Node};
use stromatekt_kernel::xattr::{self, Target};
use stromatekt_kernel::{FileKind, Timestamp};

struct Tree {
    dir: tempfile::TempDir,
    root: Root,
}

impl Tree {
    /// `root/` beside `outside/secret`, with the links that the tests walk.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::create_dir_all(path.join("root/real/sub")).unwrap();
        fs::create_dir(path.join("outside")).unwrap();
        fs::write(path.join("outside/secret"), "secret").unwrap();
        fs::write(path.join("root/real/file"), "inside").unwrap();
        symlink("../outside", path.join("root/up")).unwrap();
        symlink(path.join("outside"), path.join("root/absolute")).unwrap();
        symlink("/real", path.join("root/link")).unwrap();
        symlink("link/sub", path.join("root/real/chain")).unwrap();
        symlink("../link/sub", path.join("root/real/chain2")).unwrap();
        symlink("/nowhere/else", path.join("root/dangling")).unwrap();
        symlink("loop", path.join("root/loop")).unwrap();
        symlink("/../../../../real/file", path.join("root/clamped")).unwrap();
        let root = Root::open(path.join("root")).unwrap();
        Self { dir, root }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }
}

#[test]
fn no_path_leads_out_of_the_root() {
    let tree = Tree::new();
    for path in [
        "../outside/secret",
        "up/secret",
        "absolute/secret",
        "/real/../../outside/secret",
        "real/file/../../x",
    ] {
        let error = tree.root.open_file(path, OFlag::O_RDONLY, 0).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
            "{path}: {error}"
        );
        assert!(!tree.root.exists(path).unwrap(), "{path}");
    }
    let file = tree.root.open_file("clamped", OFlag::O_RDONLY, 0).unwrap();
    assert_eq!(
        std::io::read_to_string(file).unwrap(),
        "inside",
        "`..` of the root is the root"
    );
    let procfs = Root::open("/proc").unwrap();
    let error = procfs
        .open_file("self/root/etc", OFlag::O_RDONLY, 0)
        .unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(nix::libc::ELOOP),
        "links of /proc lead nowhere"
    );
}

#[test]
fn resolve_says_where_a_path_leads() {
    let tree = Tree::new();
    for (path, expected) in [
        ("", ""),
        ("/", ""),
        (".././..", ""),
        ("/link/file", "real/file"),
        ("link/chain2", "real/sub"),
        ("real/chain", "real/link/sub"),
        ("link/sub/../../link", "real"),
        ("up/x", "outside/x"),
        ("dangling/more", "nowhere/else/more"),
        ("nowhere/../link/new", "real/new"),
        ("real/new/deep/../er", "real/new/er"),
    ] {
        assert_eq!(
            tree.root.resolve(path).unwrap(),
            Path::new(expected),
            "{path}"
        );
    }
    assert_eq!(
        tree.root.resolve("loop/x").unwrap_err().raw_os_error(),
        Some(nix::libc::ELOOP)
    );
    assert!(
        tree.root.resolve("real/file/x").is_err(),
        "a file is no directory"
    );
}

#[test]
fn directories_are_made_where_links_lead() {
    let tree = Tree::new();
    let made = tree.root.create_dir_all("dangling/a/b", 0o2750).unwrap();
    assert_eq!(
        made,
        [
            "nowhere",
            "nowhere/else",
            "nowhere/else/a",
            "nowhere/else/a/b"
        ]
        .map(PathBuf::from)
    );
    for path in made {
        let stat = tree.root.lstat(path).unwrap();
        assert_eq!((stat.kind, stat.mode), (FileKind::Directory, 0o2750));
    }
    assert_eq!(
        tree.root.create_dir_all("link/sub", 0o755).unwrap(),
        Vec::<PathBuf>::new()
    );
    assert!(tree.root.create_dir_all("real/file/x", 0o755).is_err());
    assert!(!tree.dir.path().join("nowhere").exists());
}

#[test]
fn directories_beneath_one_with_setgid_have_the_bit_too() {
    let tree = Tree::new();
    tree.root.create_dir_all("of-group", 0o2755).unwrap();
    for path in tree.root.create_dir_all("of-group/a/b", 0o750).unwrap() {
        assert_eq!(tree.root.lstat(&path).unwrap().mode, 0o2750, "{path:?}");
    }
}

#[test]
fn the_parent_is_resolved_and_the_entry_is_not() {
    let tree = Tree::new();
    let (dir, name) = tree.root.open_parent("/link/chain").unwrap();
    assert_eq!(entry::lstatat(&dir, &name).unwrap().kind, FileKind::Symlink);
    assert_eq!(
        entry::readlinkat(&dir, &name).unwrap(),
        Path::new("link/sub")
    );
    assert_eq!(
        tree.root.read_link("dangling").unwrap(),
        Path::new("/nowhere/else")
    );
    for path in ["", "/", "a/..", ".."] {
        assert_eq!(
            tree.root.open_parent(path).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{path}"
        );
    }
    for name in ["", ".", "..", "a/b", "/etc"] {
        assert!(
            entry::mkdirat(&dir, OsStr::new(name), 0o755).is_err(),
            "{name} is no name of an entry"
        );
    }
}

#[test]
fn entries_are_made_and_changed_themselves() {
    let tree = Tree::new();
    let dir = tree.root.open_dir("real").unwrap();
    let name = OsStr::new;
    let time = Timestamp {
        seconds: -5,
        nanoseconds: 123_456_789,
    };
    entry::create_file_at(&dir, name("new"), 0o600)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert!(
        entry::create_file_at(&dir, name("new"), 0o600).is_err(),
        "it exists"
    );
    entry::linkat(&dir, name("new"), &dir, name("second")).unwrap();
    entry::symlinkat(Path::new("new"), &dir, name("soft")).unwrap();
    entry::mknodat(&dir, name("pipe"), Node::Fifo, 0o600).unwrap();
    for entry_name in ["new", "soft", "pipe"].map(name) {
        entry::utimensat(&dir, entry_name, time, time).unwrap();
        assert_eq!(
            entry::lstatat(&dir, entry_name).unwrap().mtime,
            time,
            "{entry_name:?}"
        );
    }
    entry::fchmodat(&dir, name("pipe"), 0o4711).unwrap();
    assert_eq!(entry::lstatat(&dir, name("pipe")).unwrap().mode, 0o4711);
    assert!(entry::fchmodat(&dir, name("soft"), 0o777).is_err());
    assert_eq!(fs::metadata(tree.path("real/second")).unwrap().nlink(), 2);
    assert!(
        entry::openat(&dir, name("soft"), OFlag::O_RDONLY, 0).is_err(),
        "links are not followed"
    );
    if nix::unistd::geteuid().is_root() {
        entry::fchownat(&dir, name("soft"), 3_000_000_000, 7).unwrap();
        let stat = entry::lstatat(&dir, name("soft")).unwrap();
        assert_eq!((stat.uid, stat.gid), (3_000_000_000, 7));
        assert_ne!(
            entry::lstatat(&dir, name("new")).unwrap().uid,
            3_000_000_000
        );
        let device = Node::CharDevice {
            major: 259,
            minor: 1_048_575,
        };
        entry::mknodat(&dir, name("device"), device, 0o600).unwrap();
        let stat = entry::lstatat(&dir, name("device")).unwrap();
        assert_eq!(
            (stat.kind, stat.rdev_major(), stat.rdev_minor()),
            (FileKind::CharDevice, 259, 1_048_575)
        );
    }
    let listed: Vec<_> = tree
        .root
        .read_dir("real")
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    assert!(listed.is_sorted_by_key(|(name, _)| name.clone()));
    assert!(
        listed.contains(&("pipe".into(), FileKind::Fifo))
            && listed.contains(&("sub".into(), FileKind::Directory))
    );
}

#[test]
fn xattrs_of_links_and_pipes_are_their_own() {
    let tree = Tree::new();
    let dir = tree.root.open_dir("").unwrap();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: attributes of links (trusted.*) are for root alone");
        return;
    }
    entry::mknodat(&dir, OsStr::new("pipe"), Node::Fifo, 0o600).unwrap();
    let key = OsStr::new("trusted.overlay.test");
    let long = vec![7; 1000];
    for entry_name in ["link", "pipe", "real"] {
        let target = Target::of_entry(&dir, OsStr::new(entry_name)).unwrap();
        match xattr::set(&target, key, &long) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => {
                println!("skipped: this file system has no attributes");
                return;
            }
            result => result.unwrap(),
        }
        xattr::set(&target, OsStr::new("trusted.empty"), b"").unwrap();
        assert_eq!(
            xattr::all(&target).unwrap(),
            [
                ("trusted.empty".into(), vec![]),
                (key.to_owned(), long.clone())
            ],
            "{entry_name}"
        );
    }
    let handle = tree.root.open_no_follow("link").unwrap();
    let target = Target::of_fd(&handle);
    assert_eq!(xattr::get(&target, key).unwrap(), Some(long));
    assert!(xattr::remove(&target, key).unwrap());
    assert!(!xattr::remove(&target, key).unwrap());
    assert_eq!(xattr::list(&target).unwrap(), ["trusted.empty"]);
    let other = Target::of_entry(&dir, OsStr::new("real")).unwrap();
    assert!(
        xattr::get(&other, key).unwrap().is_some(),
        "the link's target is untouched"
    );
}

#[test]
fn a_tree_is_removed_however_deep_it_is() {
    let tree = Tree::new();
    let dir = tree.root.open_dir("").unwrap();
    // Deeper than PATH_MAX and than the number of descriptors that a process may have.
    let mut at = tree.root.open_dir("real").unwrap();
    for _ in 0..3000 {
        entry::create_file_at(&at, OsStr::new("entry"), 0o600).unwrap();
        entry::mkdirat(&at, OsStr::new("directory"), 0o700).unwrap();
        at = entry::openat(&at, OsStr::new("directory"), OFlag::O_RDONLY, 0)
            .unwrap()
            .into();
    }
    symlink("../../outside", tree.path("real/out")).unwrap();
    entry::remove_tree_at(&dir, OsStr::new("real")).unwrap();
    assert!(!tree.path("real").exists());
    entry::remove_tree_at(&dir, OsStr::new("up")).unwrap();
    assert!(tree.dir.path().join("outside/secret").exists());
    assert_eq!(
        entry::remove_tree_at(&dir, OsStr::new("up"))
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn contents_are_shared_or_copied() {
    let tree = Tree::new();
    let (from, to) = (tree.path("real/file"), tree.path("copy"));
    stromatekt_kernel::reflink::link_or_clone(&from, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"inside");
    assert!(
        stromatekt_kernel::reflink::link_or_clone(&from, &to).is_err(),
        "nothing is overwritten"
    );
    fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    let target = fs::File::create(tree.path("third")).unwrap();
    let source = fs::File::open(&from).unwrap();
    assert_eq!(
        stromatekt_kernel::reflink::copy_range(&source, &target, 3).unwrap(),
        3
    );
    assert_eq!(
        stromatekt_kernel::reflink::copy_range(&source, &target, 100).unwrap(),
        3
    );
    assert_eq!(fs::read(tree.path("third")).unwrap(), b"inside");
    let status = fs::File::open("/proc/self/status").unwrap();
    assert!(
        stromatekt_kernel::reflink::copy_range(&status, &target, u64::MAX).unwrap() > 0,
        "/proc is copied too"
    );
}
