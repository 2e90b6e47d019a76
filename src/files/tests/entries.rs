//! How single entries come out of a copy: links, special files, attributes, times, archives.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use common::{copy, copy_as, fill, lines, to, tree};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use stromatekt_files::{Content, Error, Owners, copy_tree};
use stromatekt_graph::file::{Copy, Unpack};
use stromatekt_kernel::{Root, Timestamp, xattr};

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    let file = fs::File::open(path).unwrap();
    xattr::set(&xattr::Target::of_fd(&file), name.as_ref(), value).unwrap();
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let file = fs::File::open(path).unwrap();
    xattr::all(&xattr::Target::of_fd(&file))
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name.into_string().unwrap(), value))
        .collect()
}

fn set_time(path: &Path, seconds: i64, nanoseconds: u32) {
    let root = Root::open(path.parent().unwrap()).unwrap();
    let time = Timestamp {
        seconds,
        nanoseconds,
    };
    stromatekt_kernel::entry::utimensat(&root, path.file_name().unwrap(), time, time).unwrap();
}

fn time(path: &Path) -> (i64, i64) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.mtime(), metadata.mtime_nsec())
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let from = tree(&["d/a=1", "d/a=>d/b", "d/a=>d/s/c", "d/a=>outside"]);
    let into = tree(&["b=old"]);
    let _ = copy(from.path(), "d", &to("/"), into.path()).unwrap();
    assert_eq!(lines(into.path()), ["a=1", "b=1", "s/", "s/c=1"]);
    let inode = |path: &str| fs::metadata(into.path().join(path)).unwrap().ino();
    assert_eq!((inode("a"), inode("a")), (inode("b"), inode("s/c")));
    assert_eq!(fs::metadata(into.path().join("a")).unwrap().nlink(), 3);
    // Two sources are two copies.
    let into = tree(&[]);
    let _ = copy(from.path(), "d/?", &to("/x/"), into.path()).unwrap();
    assert_eq!(fs::metadata(into.path().join("x/a")).unwrap().nlink(), 1);
}

#[test]
fn times_are_those_of_the_source() {
    let from = tree(&["d/f=1", "d/e/g=2", "d/l->f"]);
    for (path, seconds, nanoseconds) in [
        ("d/f", 5, 6),
        ("d/e/g", -7, 8),
        ("d/l", 9, 0),
        ("d/e", 11, 12),
        ("d", 13, 14),
    ] {
        set_time(&from.path().join(path), seconds, nanoseconds);
    }
    for flags in [
        to("/x"),
        Copy {
            link: true,
            ..to("/x")
        },
    ] {
        let into = tree(&["x/e/"]);
        let _ = copy(from.path(), "d", &flags, into.path()).unwrap();
        for (path, expected) in [
            ("x/f", (5, 6)),
            ("x/e/g", (-7, 8)),
            ("x/l", (9, 0)),
            ("x/e", (11, 12)),
            ("x", (13, 14)),
        ] {
            assert_eq!(time(&into.path().join(path)), expected, "{path}");
        }
    }
}

#[test]
fn extended_attributes_are_copied_and_capabilities_only_from_trees() {
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let from = tree(&["d/f=1", "d/e/"]);
    set_xattr(&from.path().join("d/f"), "user.a", b"1");
    set_xattr(&from.path().join("d/f"), "security.capability", &capability);
    set_xattr(&from.path().join("d/e"), "user.b", b"2");
    for (owners, names) in [
        (Owners::Kept, &["security.capability", "user.a"][..]),
        (Owners::Root, &["user.a"]),
    ] {
        let into = tree(&[]);
        let flags = Copy {
            owner: Some("5".to_owned()),
            ..to("/")
        };
        let _ = copy_as(from.path(), owners, None, "d", &flags, into.path()).unwrap();
        let found: Vec<_> = xattrs(&into.path().join("f"))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, names, "{owners:?}");
        assert_eq!(
            xattrs(&into.path().join("e")),
            [("user.b".to_owned(), b"2".to_vec())]
        );
    }
}

#[test]
fn special_files_come_out_as_in_docker_and_as_they_are_in_a_verbatim_copy() {
    let from = tree(&["d/"]);
    let at = |name: &str| from.path().join("d").join(name);
    let all = Mode::from_bits_retain(0o640);
    mknod(&at("fifo"), SFlag::S_IFIFO, all, 0).unwrap();
    mknod(&at("char"), SFlag::S_IFCHR, all, makedev(1, 3)).unwrap();
    mknod(&at("block"), SFlag::S_IFBLK, all, makedev(7, 99)).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    for name in ["fifo", "char", "block", "socket"] {
        fs::set_permissions(
            at(name),
            std::os::unix::fs::PermissionsExt::from_mode(0o640),
        )
        .unwrap();
    }
    let (null, disk) = (makedev(1, 3), makedev(7, 99));
    let into = tree(&[]);
    let _ = copy(from.path(), "d", &to("/"), into.path()).unwrap();
    let expected = [
        format!("block 2 {disk} @640"),
        format!("char 2 {null} @640"),
        "fifo 1 0 @640".to_owned(),
        "socket= @640".to_owned(),
    ];
    assert_eq!(lines(into.path()), expected);

    let into = tree(&[]);
    verbatim(from.path(), "d", into.path()).unwrap();
    let expected = [
        format!("block 6 {disk} @640"),
        format!("char 2 {null} @640"),
        "fifo 1 0 @640".to_owned(),
        "socket 14 0 @640".to_owned(),
    ];
    assert_eq!(lines(into.path()), expected);
}

fn verbatim(from: &Path, path: &str, into: &Path) -> Result<(), Error> {
    let (root, into) = (Root::open(from).unwrap(), Root::open(into).unwrap());
    let source = stromatekt_files::Source {
        root: &root,
        owners: Owners::Kept,
        ignore: None,
    };
    copy_tree(&source, path, &into)
}

#[test]
fn a_verbatim_copy_has_everything_the_root_too() {
    let source = [
        "d/ @711:3:4",
        "d/a=1 @4755:5:6",
        "d/a=>d/b",
        "d/s/ @1777:7:8",
        "d/s/l->../../.. @777:9:9",
    ];
    let from = tree(&source);
    set_time(&from.path().join("d/s"), 5, 6);
    set_time(&from.path().join("d"), 7, 8);
    set_xattr(&from.path().join("d"), "user.a", b"1");
    let into = tree(&[]);
    verbatim(from.path(), "/d", into.path()).unwrap();
    assert_eq!(lines(into.path()), lines(&from.path().join("d")));
    let (root, made) = (
        fs::metadata(into.path()).unwrap(),
        fs::metadata(into.path().join("a")).unwrap(),
    );
    assert_eq!(
        (root.mode() & 0o7777, root.uid(), root.gid(), made.nlink()),
        (0o711, 3, 4, 2)
    );
    assert_eq!(
        (time(&into.path().join("s")), time(into.path())),
        ((5, 6), (7, 8))
    );
    assert_eq!(xattrs(into.path()), [("user.a".to_owned(), b"1".to_vec())]);
    assert!(matches!(
        verbatim(from.path(), "x", into.path()),
        Err(Error::NotFound { .. })
    ));
    assert!(verbatim(from.path(), "d/a", into.path()).is_err());
}

#[test]
fn a_fetched_file_and_a_here_document_have_modes_of_their_own() {
    let files = tree(&["blob=1 @644:5:5", "archive/"]);
    let path = files.path().join("blob");
    let into = tree(&["d/f=old @777"]);
    let root = Root::open(into.path()).unwrap();
    let blob = Content::Blob {
        path: &path,
        name: "f",
        modified: Some(Timestamp::from_seconds(77)),
    };
    let _ = stromatekt_files::copy(blob, &to("/d"), &root).unwrap();
    assert_eq!(time(&into.path().join("d/f")), (77, 0));
    let blob = Content::Blob {
        path: &path,
        name: "f",
        modified: None,
    };
    let _ = stromatekt_files::copy(blob, &to("/d/g"), &root).unwrap();
    assert_eq!(time(&into.path().join("d/g")), (0, 0));
    let inline = Content::Inline {
        name: "h",
        content: b"3",
    };
    let _ = stromatekt_files::copy(inline, &to("/e/"), &root).unwrap();
    let flags = Copy {
        owner: Some("5".to_owned()),
        mode: Some("u+x".to_owned()),
        ..to("/e/i")
    };
    let _ = stromatekt_files::copy(inline, &flags, &root).unwrap();
    assert_eq!(
        lines(into.path()),
        [
            "d/",
            "d/f=1 @600",
            "d/g=1 @600",
            "e/",
            "e/h=3",
            "e/i=3 @744:5:5"
        ]
    );
}

fn archive(path: &Path, compressed: bool) {
    let content = tree(&["x/f=1 @640:5:6", "l->x"]);
    let file = fs::File::create(path).unwrap();
    let write = |out: &mut dyn std::io::Write| {
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        tar.append_dir_all("", content.path()).unwrap();
        tar.finish().unwrap();
    };
    if compressed {
        let mut out = zstd::Encoder::new(file, 1).unwrap();
        write(&mut out);
        out.finish().unwrap();
    } else {
        write(&mut &file);
    }
}

#[test]
fn add_unpacks_archives_and_nothing_else() {
    let from = tree(&["plain=1", "d/"]);
    archive(&from.path().join("a.tar"), false);
    archive(&from.path().join("a.tar.zst"), true);
    archive(&from.path().join("d/in.tar"), false);
    fs::copy(from.path().join("a.tar.zst"), from.path().join("odd")).unwrap();
    fs::write(from.path().join("zeros"), [0; 2048]).unwrap();
    let add = |destination: &str| Copy {
        unpack: Unpack::Archives,
        ..to(destination)
    };
    for name in ["a.tar", "a.tar.zst", "odd"] {
        let into = tree(&["y->/z"]);
        let _ = copy(from.path(), name, &add("/y"), into.path()).unwrap();
        assert_eq!(
            lines(into.path()),
            ["y->/z", "z/", "z/l->x", "z/x/", "z/x/f=1 @640:5:6"],
            "{name}"
        );
    }
    for name in ["plain", "zeros", "d"] {
        let into = tree(&[]);
        let _ = copy(from.path(), name, &add("/y/"), into.path()).unwrap();
        let expected = if name == "d" { "in.tar" } else { name };
        assert!(into.path().join("y").join(expected).is_file(), "{name}");
    }
    let into = tree(&[]);
    let _ = copy(from.path(), "a.tar", &to("/y"), into.path()).unwrap();
    assert!(into.path().join("y").is_file(), "COPY unpacks nothing");
    let owned = Copy {
        owner: Some("8:9".to_owned()),
        mode: Some("700".to_owned()),
        ..add("/y")
    };
    let into = tree(&[]);
    let _ = copy(from.path(), "a.tar", &owned, into.path()).unwrap();
    let expected = [
        "y/ @755:8:9",
        "y/l->x @777:8:9",
        "y/x/ @755:8:9",
        "y/x/f=1 @640:8:9",
    ];
    assert_eq!(lines(into.path()), expected);
    let over = Copy {
        link: true,
        ..add("/y")
    };
    let into = tree(&["y->z", "z/x/", "x/"]);
    let _ = copy(from.path(), "a.tar", &over, into.path()).unwrap();
    assert_eq!(
        lines(into.path()),
        [
            "x/",
            "y/",
            "y/l->x",
            "y/x/",
            "y/x/f=1 @640:5:6",
            "z/",
            "z/x/"
        ]
    );
}

#[test]
fn what_changes_after_it_was_selected_is_told() {
    let from = tree(&["d/a=1", "d/b=2", "d/c/f=3"]);
    let root = Root::open(from.path()).unwrap();
    let source = stromatekt_files::Source {
        root: &root,
        owners: Owners::Root,
        ignore: None,
    };
    let flags = to("/");
    let select = || stromatekt_files::select(&source, &["d".to_owned()], &flags).unwrap();
    let copy = |selection: &_| {
        let into = tree(&[]);
        let root = Root::open(into.path()).unwrap();
        stromatekt_files::copy(Content::Tree(&source, selection), &flags, &root)
    };
    let selection = select();
    fill(from.path(), &["d/b=changed"]);
    assert_eq!(copy(&selection).unwrap().unstable, [Path::new("d/b")]);

    let selection = select();
    fs::remove_file(from.path().join("d/b")).unwrap();
    mknod(&from.path().join("d/b"), SFlag::S_IFIFO, Mode::S_IRUSR, 0).unwrap();
    assert!(
        matches!(copy(&selection), Err(Error::Vanished { .. })),
        "a pipe in its place"
    );

    let selection = select();
    fs::remove_dir_all(from.path().join("d/c")).unwrap();
    std::os::unix::fs::symlink("/etc", from.path().join("d/c")).unwrap();
    assert!(
        matches!(copy(&selection), Err(Error::Vanished { .. })),
        "a link in its place"
    );
}
