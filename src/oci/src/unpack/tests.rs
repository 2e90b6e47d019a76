//! Layers that are applied to trees, sound and hostile ones.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::tar::{END, Header, Style, pad};
use proptest::prelude::*;

/// A tree, and a directory outside of it.
struct Lab {
    dir: tempfile::TempDir,
    root: Root,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root")).unwrap();
        fs::create_dir_all(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/kept"), "kept").unwrap();
        let root = Root::open(dir.path().join("root")).unwrap();
        Self { dir, root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn outside(&self) -> String {
        self.dir.path().join("outside").display().to_string()
    }

    fn apply(&self, layer: Tar) -> Result<Unpacked> {
        let options = UnpackOptions {
            list_changes: true,
            ..UnpackOptions::default()
        };
        unpack(&layer.finish()[..], &self.root, &options)
    }

    fn assert_outside_is_untouched(&self, case: &str) {
        let names: Vec<_> = fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["kept"], "{case}");
        assert_eq!(
            fs::read(format!("{}/kept", self.outside())).unwrap(),
            b"kept",
            "{case}"
        );
    }
}

/// A layer, entry by entry.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, header: Header<'_>, content: &str) -> Self {
        header.encode(Style::Pax, &mut self.0);
        self.0.extend_from_slice(content.as_bytes());
        self.0.resize(self.0.len() + pad(content.len() as u64), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        let header = Header::file(name.as_bytes(), 0o644, content.len() as u64);
        self.entry(header, content)
    }

    fn dir(self, name: &str) -> Self {
        self.entry(Header::directory(name.as_bytes(), 0o755), "")
    }

    fn link(self, kind: Kind, name: &str, target: &str) -> Self {
        let header = Header {
            kind,
            link: target.as_bytes(),
            ..Header::file(name.as_bytes(), 0o644, 0)
        };
        self.entry(header, "")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.link(Kind::Symlink, name, target)
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.link(Kind::HardLink, name, target)
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END);
        self.0
    }
}

fn names(dir: PathBuf) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn set(paths: &[&str]) -> std::collections::BTreeSet<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[test]
fn directories_that_are_implied_have_their_mode_beneath_one_with_setgid() {
    let lab = Lab::new();
    let shared = Header {
        mode: 0o2775,
        ..Header::directory(b"shared/", 0)
    };
    let tar = Tar::default()
        .entry(shared, "")
        .file("shared/implied/f", "");
    lab.apply(tar).unwrap();
    for (path, mode) in [("shared", 0o2775), ("shared/implied", 0o755)] {
        let made = fs::metadata(lab.at(path)).unwrap();
        assert_eq!(made.mode() & 0o7777, mode, "{path}");
    }
}

#[test]
fn whiteouts_remove_what_is_lower_and_changes_are_told() {
    let lab = Lab::new();
    let base = Tar::default()
        .dir("d/")
        .file("d/x", "x")
        .file("d/y", "y")
        .file("gone", "");
    lab.apply(base.dir("tree/").file("tree/deep/er", ""))
        .unwrap();
    let upper = Tar::default()
        .file(".wh.gone", "")
        .file(".wh.absent", "")
        .file("d/.wh.x", "")
        .file(".wh.tree", "")
        .file("new/implied/z", "z");
    let unpacked = lab.apply(upper).unwrap();
    assert_eq!(names(lab.at("")), ["d", "new"]);
    assert_eq!(names(lab.at("d")), ["y"]);
    assert_eq!(unpacked.changes.removed, set(&["gone", "d/x", "tree"]));
    assert_eq!(
        unpacked.changes.changed,
        set(&["new", "new/implied", "new/implied/z"])
    );
    assert_eq!((unpacked.entries, unpacked.bytes), (5, 1));
}

#[test]
fn opaque_hides_what_is_lower_wherever_it_stands() {
    let base = || {
        let base = Tar::default()
            .dir("o/")
            .file("o/old", "")
            .file("o/sub/old", "");
        base.file("o/both/old", "")
    };
    let own = |layer: Tar| layer.file("o/new", "").file("o/both/new", "");
    let opaque = |layer: Tar| layer.file("o/.wh..wh..opq", "");
    for layer in [
        own(opaque(Tar::default().dir("o/"))),
        opaque(own(Tar::default().dir("o/"))),
        opaque(own(Tar::default())),
    ] {
        let lab = Lab::new();
        lab.apply(base()).unwrap();
        lab.apply(layer).unwrap();
        assert_eq!(names(lab.at("o")), ["both", "new"]);
        assert_eq!(names(lab.at("o/both")), ["new"]);
    }
}

#[test]
fn a_whiteout_hides_nothing_of_its_own_layer() {
    let lab = Lab::new();
    lab.apply(Tar::default().file("a", "old").file("d/old", ""))
        .unwrap();
    let layer = Tar::default()
        .file("a", "new")
        .file(".wh.a", "")
        .file("d/new", "");
    lab.apply(layer.file(".wh.d", "")).unwrap();
    assert_eq!(fs::read(lab.at("a")).unwrap(), b"new");
    assert_eq!(names(lab.at("d")), ["new"]);
}

#[test]
fn literal_archives_have_no_whiteouts() {
    let lab = Lab::new();
    fs::create_dir_all(lab.at("real/sub")).unwrap();
    symlink("/real", lab.at("link")).unwrap();
    fs::write(lab.at("real/x"), "").unwrap();
    let archive = Tar::default()
        .file(".wh.x", "")
        .file(".wh.", "")
        .symlink("abs", "/sub")
        .file("sub/..", "not the root");
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        into: "/link".into(),
        owner: Some((5, 6)),
        list_changes: true,
    };
    let archive = archive.file("abs/through", "t").finish();
    let unpacked = unpack(&archive[..], &lab.root, &options).unwrap();
    assert_eq!(names(lab.at("real")), [".wh.", ".wh.x", "abs", "sub", "x"]);
    // The archive's root is the root of its links.
    assert_eq!(fs::read(lab.at("real/sub/through")).unwrap(), b"t");
    assert_eq!(fs::metadata(lab.at("real/.wh.x")).unwrap().uid(), 5);
    assert!(
        unpacked
            .changes
            .changed
            .contains(Path::new("real/sub/through"))
    );
}

#[test]
fn a_directory_that_its_own_archive_replaced_has_no_time_to_set() {
    let replacing = || Tar::default().dir("d/sub/").file("d", "now a file");
    let lab = Lab::new();
    lab.apply(replacing()).unwrap();
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        ..UnpackOptions::default()
    };
    let lab = Lab::new();
    unpack(&replacing().finish()[..], &lab.root, &options).unwrap_err();
}

#[test]
fn types_are_replaced_and_directories_merged() {
    let lab = Lab::new();
    let base = Tar::default()
        .file("file", "")
        .dir("dir/")
        .file("dir/kept", "");
    lab.apply(
        base.dir("tree/")
            .file("tree/x/y", "")
            .symlink("to-dir", "dir"),
    )
    .unwrap();
    let private = Header::directory(b"dir/", 0o700);
    let layer = Tar::default()
        .dir("file/")
        .file("file/below", "")
        .entry(private, "");
    let layer = layer
        .file("tree", "now a file")
        .dir("to-dir/")
        .file("to-dir/own", "");
    lab.apply(
        layer
            .file("twice", "1")
            .dir("twice/")
            .file("twice/x", "")
            .symlink("twice", "file"),
    )
    .unwrap();
    assert_eq!(names(lab.at("file")), ["below"]);
    assert_eq!(names(lab.at("dir")), ["kept"]);
    assert_eq!(fs::metadata(lab.at("dir")).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(fs::read(lab.at("tree")).unwrap(), b"now a file");
    assert_eq!(names(lab.at("to-dir")), ["own"]);
    assert_eq!(fs::read_link(lab.at("twice")).unwrap(), Path::new("file"));
}

#[test]
fn times_of_directories_outlive_their_entries() {
    let lab = Lab::new();
    let at = |name, mtime| Header {
        mtime,
        ..Header::directory(name, 0o755)
    };
    let layer = Tar::default()
        .entry(at(b"d/", 1234), "")
        .file("d/x", "")
        .entry(at(b"d/e/", -5), "");
    lab.apply(layer.file("d/e/y", "")).unwrap();
    assert_eq!(fs::metadata(lab.at("d")).unwrap().mtime(), 1234);
    assert_eq!(fs::metadata(lab.at("d/e")).unwrap().mtime(), 0);
}

#[test]
fn hard_links_are_names_of_one_file_even_of_a_symlink() {
    let lab = Lab::new();
    lab.apply(Tar::default().file("d/lower", "l")).unwrap();
    let layer = Tar::default()
        .file("own", "o")
        .hard_link("x/link", "own")
        .symlink("s", "own");
    let layer = layer
        .hard_link("sl", "./s")
        .hard_link("to-lower", "/d/lower")
        .symlink("to-d", "d");
    lab.apply(
        layer
            .hard_link("through", "to-d/lower")
            .file("kept", "")
            .hard_link("kept", "own"),
    )
    .unwrap();
    let ino = |name: &str| fs::symlink_metadata(lab.at(name)).unwrap().ino();
    assert_eq!(ino("own"), ino("x/link"));
    assert_eq!(ino("own"), ino("kept"));
    assert_eq!(ino("s"), ino("sl"));
    assert_eq!(ino("to-lower"), ino("d/lower"));
    assert_eq!(ino("through"), ino("d/lower"));
}

#[test]
fn nothing_leads_out_of_the_root() {
    let climb = "../".repeat(20);
    for path in ["../evil", "a/../../evil", "..", "a/.."] {
        let lab = Lab::new();
        let error = lab.apply(Tar::default().file(path, "evil")).unwrap_err();
        assert!(matches!(error, Error::LayerEntry { .. }), "{path}: {error}");
        assert!(error.to_string().contains(path), "{error}");
    }
    let lab = Lab::new();
    let host = lab.outside();
    let up = format!("{climb}{}", &host[1..]);
    for link in ["../outside", &up, "/", ""] {
        let error = lab
            .apply(Tar::default().hard_link("hard", link))
            .unwrap_err();
        assert!(error.to_string().contains("hard"), "{error}");
    }
    for (case, layer) in [
        (
            "absolute",
            Tar::default().file(&format!("{host}/absolute"), "evil"),
        ),
        (
            "through",
            Tar::default().symlink("l", &host).file("l/through", "evil"),
        ),
        (
            "climbing",
            Tar::default().symlink("l", &up).file("l/through", "evil"),
        ),
        ("directory", Tar::default().symlink("l", &host).dir("l/d/")),
        (
            "replaced",
            Tar::default()
                .symlink("l", &format!("{host}/kept"))
                .file("l", "evil"),
        ),
        (
            "whiteout",
            Tar::default().symlink("l", &host).file("l/.wh.kept", ""),
        ),
        (
            "opaque",
            Tar::default()
                .symlink("l", &host)
                .file("l/.wh..wh..opq", ""),
        ),
        (
            "whiteout of a link",
            Tar::default().symlink("l", &host).file(".wh.l", ""),
        ),
        (
            "hard link to a link",
            Tar::default()
                .symlink("l", &format!("{host}/kept"))
                .hard_link("h", "l")
                .file("h", "evil"),
        ),
        (
            "hard link",
            Tar::default().hard_link("h", &format!("{host}/kept")),
        ),
        (
            "loop",
            Tar::default()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/x", ""),
        ),
    ] {
        let _ = Lab::new().apply(layer);
        assert_eq!(fs::read(format!("{host}/kept")).unwrap(), b"kept", "{case}");
        assert_eq!(names(host.clone().into()), ["kept"], "{case}");
    }
    lab.assert_outside_is_untouched("all");
}

#[test]
fn whiteouts_of_directories_themselves_are_refused() {
    for name in [".wh.", ".wh...", "d/.wh..", "d/.wh..."] {
        let lab = Lab::new();
        let error = lab
            .apply(Tar::default().dir("d/").file(name, ""))
            .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_file_in_the_way_of_a_directory_is_an_error() {
    let lab = Lab::new();
    let error = lab
        .apply(Tar::default().file("f", "").file("f/x", ""))
        .unwrap_err();
    assert!(matches!(error, Error::Entry { .. }), "{error}");
}

#[test]
fn attributes_that_cannot_be_are_let_go() {
    let lab = Lab::new();
    let xattrs = [
        ("trusted.x".into(), b"1".to_vec()),
        ("user.x".into(), b"2".to_vec()),
    ];
    let file = Header {
        xattrs: &xattrs,
        ..Header::file(b"file", 0o644, 0)
    };
    let link = Header {
        name: b"link",
        kind: Kind::Symlink,
        link: b"file",
        ..file
    };
    lab.apply(Tar::default().entry(file, "").entry(link, ""))
        .unwrap();
    let fd = lab.root.open_no_follow("file").unwrap();
    let found =
        stromatekt_kernel::xattr::all(&stromatekt_kernel::xattr::Target::of_fd(&fd)).unwrap();
    assert_eq!(found, xattrs[1..]);
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "l", "..", ".", "", ".wh.a", ".wh..wh..opq"]),
        1..4,
    )
    .prop_map(|names| names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_layer_leads_out(entries in prop::collection::vec((0..4u8, name(), name()), 1..12)) {
        let lab = Lab::new();
        let host = lab.outside();
        let mut layer = Tar::default();
        for (kind, name, target) in entries {
            layer = match kind {
                0 => layer.file(&name, "evil"),
                1 => layer.dir(&format!("{name}/")),
                2 => layer.symlink(&name, &format!("../outside/{target}")),
                _ => layer.hard_link(&name, &target),
            };
        }
        let _ = lab.apply(layer.symlink("l", &host).file("l/kept", "evil"));
        lab.assert_outside_is_untouched("arbitrary");
    }

    #[test]
    fn arbitrary_bytes_are_errors_or_files(
        start in prop::collection::vec(any::<u8>(), 0..600),
        at in 0usize..2000,
        byte in any::<u8>(),
    ) {
        let lab = Lab::new();
        let mut layer = Tar::default().dir("d/").file("d/x", "content").finish();
        let at = at % layer.len();
        layer[at] = byte;
        let _ = unpack(&layer[..], &lab.root, &UnpackOptions::default());
        let _ = unpack(&[start, layer].concat()[..], &lab.root, &UnpackOptions::default());
    }
}
