//! `stromatekt image`: load, ls, inspect, tag, rm, save.

use serde_json::{Value, json};
use stromatekt_tests::layout::{Layout, Tar, docker_archive, gzip};
use stromatekt_tests::{Context, Lab, command};
use tempfile::TempDir;

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a temporary directory")
}

fn layer() -> Vec<u8> {
    Tar::new()
        .directory("d/", 0o755)
        .file("d/loaded", "yes")
        .finish()
}

#[test]
fn each_form_of_an_image_is_loaded() {
    let (lab, out) = (Lab::empty(), directory());
    let layout = Layout::new(&[layer()], json!({"Env": ["OF=layout"]}));
    let tar = out.path().join("layout.tar");
    command::program(
        "tar",
        [
            "-cf".as_ref(),
            tar.as_os_str(),
            "-C".as_ref(),
            layout.path().as_os_str(),
            ".".as_ref(),
        ],
    )
    .ok();
    let rootfs = out.path().join("rootfs.tar");
    std::fs::write(&rootfs, layer()).expect("own directory");
    let packed = out.path().join("rootfs.tar.gz");
    std::fs::write(&packed, gzip(&layer())).expect("own directory");
    let archive = out.path().join("docker.tar");
    std::fs::write(&archive, docker_archive(&[layer()], "in-archive:1")).expect("own directory");
    for (name, path) in [
        ("of-layout", layout.path()),
        ("of-layout-tar", &tar),
        ("of-rootfs", &rootfs),
        ("of-packed", &packed),
        ("of-archive", &archive),
    ] {
        lab.stromatekt(["image", "load"])
            .arg(path)
            .args(["--name", name])
            .run()
            .ok();
        let image = lab
            .build(&Context::dockerfile(&format!("FROM {name}\nLABEL x=y\n")))
            .image();
        assert_eq!(image.rootfs().text("d/loaded"), "yes", "{name}");
    }
    lab.stromatekt(["image", "load"]).arg(&archive).run().ok();
    assert!(
        lab.images().contains("in-archive"),
        "an archive's own names are kept:\n{}",
        lab.images()
    );
}

#[test]
fn blobs_of_a_layout_are_kept_byte_for_byte() {
    let lab = Lab::empty();
    let layout = Layout::new(
        &[layer(), Tar::new().file("second", "2").finish()],
        json!({}),
    );
    lab.stromatekt(["image", "load"])
        .arg(layout.path())
        .args(["--name", "kept"])
        .run()
        .ok();
    let image = lab
        .build(&Context::dockerfile("FROM kept\nCOPY Dockerfile /\n"))
        .image();
    let digests: Vec<_> = image
        .layers
        .iter()
        .map(|layer| layer.digest.clone())
        .collect();
    assert_eq!(digests[..2], layout.layers[..]);
}

#[test]
fn what_layers_may_hold_is_unpacked_and_kept() {
    let lab = Lab::empty();
    let long = format!("{}/{}", "p".repeat(120), "q".repeat(120));
    let base = Tar::new()
        .directory("gone/", 0o755)
        .file("gone/x", "x")
        .directory("opaque/", 0o755)
        .file("opaque/old", "old")
        .file("removed", "x")
        .file("file-becomes-directory", "x")
        .finish();
    let upper = Tar::new()
        .file(".wh.gone", "")
        .file(".wh.removed", "")
        .directory("opaque/", 0o700)
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "new")
        .directory("file-becomes-directory/", 0o755)
        .file("file-becomes-directory/y", "y")
        .entry(
            tar::EntryType::Regular,
            "big-ids",
            "",
            0o644,
            (3_000_000_000, 4_000_000_000),
            b"big",
        )
        .entry(tar::EntryType::Char, "zero", "", 0o666, (0, 0), b"")
        .pax(&[("path", long.as_bytes())])
        .file("short", "a long name")
        .pax(&[
            ("SCHILY.xattr.user.note", b"kept\0binary"),
            ("mtime", b"1234567890.5"),
        ])
        .file("attributed", "x")
        .file("origin", "linked")
        .hard_link("hard", "origin")
        .symlink("soft", "origin")
        .finish();
    let layout = Layout::new(&[base, upper], json!({}));
    lab.stromatekt(["image", "load"])
        .arg(layout.path())
        .args(["--name", "odd"])
        .run()
        .ok();
    // Through the files of the unpacked tree, not through the blobs that came.
    let outcome = lab
        .build(&Context::dockerfile("FROM odd\n"))
        .output("type=tar,dest=-")
        .ok();
    let entries = stromatekt_tests::rootfs::read_tar(&outcome.stdout);
    let rootfs = stromatekt_tests::Rootfs::of_layers([entries.as_slice()]);
    assert!(
        !rootfs.has("gone") && !rootfs.has("removed"),
        "{:?}",
        rootfs.beneath("")
    );
    assert_eq!(rootfs.beneath("opaque"), ["new"]);
    assert_eq!(rootfs.entry("opaque").mode, 0o700);
    assert_eq!(rootfs.text("file-becomes-directory/y"), "y");
    assert_eq!(
        rootfs.entry("big-ids").owner,
        (3_000_000_000, 4_000_000_000)
    );
    assert_eq!(rootfs.text(&long), "a long name");
    assert_eq!(
        rootfs.entry("attributed").xattrs["user.note"],
        b"kept\0binary"
    );
    assert_eq!(rootfs.entry("attributed").mtime, 1_234_567_890);
    assert_eq!(rootfs.text("hard"), "linked");
    assert_eq!(rootfs.entry("soft").link, "origin");
}

#[test]
fn inspect_is_json_with_the_config() {
    let lab = Lab::shared();
    lab.build(&Context::dockerfile("FROM busybox\nENV INSPECTED=1\n"))
        .args(["-t", "inspected"])
        .ok();
    let value: Value = lab
        .stromatekt(["image", "inspect", "inspected"])
        .run()
        .ok()
        .json();
    assert!(value.to_string().contains("INSPECTED=1"), "{value}");
    lab.stromatekt(["image", "inspect", "not-inspected"])
        .run()
        .failed()
        .says(&["not-inspected"]);
}

#[test]
fn tag_gives_another_name_and_rm_takes_names_away() {
    let lab = Lab::with_busybox();
    let names = || -> Vec<String> {
        let images = lab.images();
        let mut names: Vec<_> = images
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["busybox"]);
    lab.stromatekt(["image", "tag", "busybox", "another:1"])
        .run()
        .ok();
    assert_eq!(names(), ["another", "busybox"]);
    lab.build(&Context::dockerfile("FROM another:1\nRUN touch /x\n"))
        .ok();
    lab.stromatekt(["image", "rm", "busybox"]).run().ok();
    assert_eq!(names(), ["another"]);
    lab.build(&Context::dockerfile("FROM another:1\nRUN touch /y\n"))
        .ok();
    lab.stromatekt(["image", "rm", "busybox"])
        .run()
        .failed()
        .says(&["busybox"]);
    lab.stromatekt(["image", "rm", "another:1"]).run().ok();
    assert_eq!(names(), Vec::<String>::new());
}

#[test]
fn what_is_saved_is_what_was_built() {
    let (lab, out) = (Lab::with_busybox(), directory());
    let context = Context::dockerfile("FROM busybox\nENV SAVED=1\nRUN echo x > /x\n");
    let image = lab.build(&context).args(["-t", "to-save:1"]).image();
    lab.build(&context).args(["-t", "to-save:1"]).ok();
    let archive = out.path().join("saved.tar");
    lab.stromatekt(["image", "save", "to-save:1", "-o"])
        .arg(&archive)
        .run()
        .ok();
    let other = Lab::empty();
    other.stromatekt(["image", "load"]).arg(&archive).run().ok();
    assert!(other.images().contains("to-save"), "{}", other.images());
    let again = other
        .build(&Context::dockerfile("FROM to-save:1\n"))
        .image();
    assert_eq!(again.rootfs().text("x"), "x");
    assert_eq!(again.env("SAVED").as_deref(), Some("1"));
    assert_eq!(
        image
            .layers
            .iter()
            .map(|layer| &layer.diff_id)
            .collect::<Vec<_>>(),
        again
            .layers
            .iter()
            .map(|layer| &layer.diff_id)
            .collect::<Vec<_>>()
    );
}

#[test]
fn prune_removes_the_cache_and_keeps_the_images() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=cache,target=/c echo kept > /kept && echo x > /c/x\n",
    );
    lab.build(&context).args(["-t", "kept"]).ok();
    let other = Context::dockerfile("FROM busybox\nRUN echo gone > /gone\n");
    lab.build(&other).args(["-o", "type=cacheonly"]).ok();
    let before = lab.contents();
    lab.stromatekt(["store", "prune"]).run().ok();
    let after = lab.contents();
    assert_eq!(after.subvolumes().len(), before.subvolumes().len() - 1);
    assert_eq!(lab.images().lines().count(), 3);
    // The images are whole: as a base, and as an archive.
    let on_top = Context::dockerfile("FROM kept\nRUN cat /kept > /seen\n");
    assert_eq!(lab.build(&on_top).rootfs().text("seen"), "kept");
    lab.build(&other).ok().ran(&["echo gone"]);
}

#[test]
fn load_of_an_image_that_is_there_changes_nothing() {
    let lab = Lab::with_busybox();
    let before = lab.contents();
    lab.stromatekt(["image", "load"])
        .arg(stromatekt_tests::lab::base("busybox"))
        .args(["--name", "busybox"])
        .run()
        .ok();
    assert_eq!(lab.contents(), before);
}
