//! Inputs that are broken or hostile: each ends in a precise error, with nothing changed in the store or outside of it.

use std::fs;
use std::path::Path;

use serde_json::json;
use stromatekt_tests::layout::{Layout, Tar, docker_archive, gzip};
use stromatekt_tests::{Context, Lab, Outcome, command};
use tempfile::TempDir;

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a temporary directory")
}

/// Loads what must be refused, and expects the store to be what it was.
#[track_caller]
fn refused(lab: &Lab, path: &Path, says: &[&str]) -> Outcome {
    let before = lab.contents();
    let outcome = lab
        .stromatekt(["image", "load"])
        .arg(path)
        .args(["--name", "refused"])
        .run()
        .failed()
        .says(says);
    assert_eq!(lab.contents(), before, "{outcome}");
    outcome
}

/// A layer of some size, so that there is something to cut.
fn layer() -> Vec<u8> {
    let text = (0..20_000)
        .map(|number| number.to_string())
        .collect::<String>();
    Tar::new()
        .file("numbers", &text)
        .file("last", "last")
        .finish()
}

#[test]
fn archives_that_are_cut_short_are_refused() {
    let (lab, out) = (Lab::with_busybox(), directory());
    let layout = Layout::new(&[layer()], json!({}));
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
    let oci = fs::read(&tar).expect("just written");
    let docker = docker_archive(&[layer()], "cut:1");
    let rootfs = layer();
    for (kind, whole) in [
        ("oci", &oci),
        ("docker", &docker),
        ("rootfs", &rootfs),
        ("gzip", &gzip(&rootfs)),
    ] {
        for part in [1, 2, 3] {
            let path = out.path().join(format!("{kind}-{part}.tar"));
            fs::write(&path, &whole[..whole.len() * part / 4]).expect("own directory");
            refused(&lab, &path, &[&format!("{kind}-{part}.tar")]);
        }
    }
    for (name, content) in [("empty", &b""[..]), ("text", b"this is not an archive\n")] {
        let path = out.path().join(name);
        fs::write(&path, content).expect("own directory");
        refused(&lab, &path, &[name]);
    }
    refused(
        &lab,
        Path::new("/no/such/archive.tar"),
        &["/no/such/archive.tar"],
    );
}

#[test]
fn blobs_that_are_not_what_their_digest_says_are_refused() {
    let lab = Lab::with_busybox();
    let layout = Layout::new(&[layer()], json!({}));
    let digest = layout.layers[0].clone();
    let blob = layout.blob(&digest);
    let sound = fs::read(&blob).expect("just written");

    let other = gzip(&Tar::new().file("other", &"x".repeat(1000)).finish());
    fs::write(&blob, &other).expect("own directory");
    refused(&lab, layout.path(), &[&digest]);

    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&blob, &flipped).expect("own directory");
    refused(&lab, layout.path(), &[&digest]);

    fs::write(&blob, &sound[..sound.len() / 2]).expect("own directory");
    refused(&lab, layout.path(), &[&digest]);

    fs::remove_file(&blob).expect("own directory");
    refused(&lab, layout.path(), &[&digest]);

    fs::write(&blob, &sound).expect("own directory");
    lab.stromatekt(["image", "load"])
        .arg(layout.path())
        .args(["--name", "accepted"])
        .run()
        .ok();
}

#[test]
fn a_layer_that_is_not_its_diff_id_is_refused() {
    let lab = Lab::with_busybox();
    // The config of one layout with the layer of another, all digests of blobs right.
    let layout = Layout::new(&[layer()], json!({}));
    let other = Layout::new(&[Tar::new().file("other", "x").finish()], json!({}));
    let read = |layout: &Layout, digest: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(layout.blob(digest)).expect("a blob")).expect("JSON")
    };
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.path().join("index.json")).expect("an index"))
            .expect("JSON");
    let mut manifest = read(
        &layout,
        index["manifests"][0]["digest"].as_str().expect("a digest"),
    );
    let other_blob = fs::read(other.blob(&other.layers[0])).expect("a blob");
    manifest["layers"][0]["digest"] = other.layers[0].clone().into();
    manifest["layers"][0]["size"] = other_blob.len().into();
    fs::write(layout.blob(&other.layers[0]), &other_blob).expect("own directory");
    let manifest = manifest.to_string();
    let digest = stromatekt_tests::image::sha256(manifest.as_bytes());
    fs::write(layout.blob(&digest), &manifest).expect("own directory");
    let mut index = index;
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = manifest.len().into();
    fs::write(layout.path().join("index.json"), index.to_string()).expect("own directory");
    refused(&lab, layout.path(), &["diff_id"]);
}

#[test]
fn layers_whose_paths_climb_out_are_refused() {
    let lab = Lab::with_busybox();
    let outside = directory();
    let target = outside.path().join("evil");
    for path in ["../evil", "a/../../evil", "..", "a/.."] {
        let layout = Layout::new(&[Tar::new().file(path, "evil").finish()], json!({}));
        refused(&lab, layout.path(), &[path]);
    }
    let climbing = format!("../../../../../../../../..{}", target.display());
    let layout = Layout::new(&[Tar::new().file(&climbing, "evil").finish()], json!({}));
    refused(&lab, layout.path(), &["evil"]);
    for link in ["../outside", &climbing] {
        let layout = Layout::new(&[Tar::new().hard_link("hard", link).finish()], json!({}));
        refused(&lab, layout.path(), &["hard"]);
    }
    assert!(!target.exists());
}

#[test]
fn absolute_and_symlinked_paths_stay_beneath_the_root() {
    let lab = Lab::with_busybox();
    let outside = directory();
    fs::create_dir(outside.path().join("d")).expect("own directory");
    fs::write(outside.path().join("kept"), "kept").expect("own directory");
    let host = outside.path().display().to_string();
    let climb = format!("../../../../../../../../../..{host}");
    for tar in [
        Tar::new().file(&format!("{host}/absolute"), "evil"),
        Tar::new()
            .symlink("link", &host)
            .file("link/through", "evil"),
        Tar::new()
            .symlink("link", &climb)
            .file("link/through", "evil"),
        Tar::new()
            .symlink("link", &host)
            .directory("link/d/", 0o700),
        Tar::new()
            .symlink("link", &format!("{host}/kept"))
            .file("link", "replaced"),
        Tar::new().symlink("link", &host).file("link/.wh.kept", ""),
        Tar::new()
            .symlink("link", &host)
            .file("link/.wh..wh..opq", ""),
        Tar::new()
            .symlink("link", &format!("{host}/kept"))
            .hard_link("hard", "link")
            .file("hard", "evil"),
        Tar::new()
            .file("a", "x")
            .hard_link("hard", &format!("{host}/kept")),
    ] {
        let layout = Layout::new(&[tar.finish()], json!({}));
        let before = lab.contents();
        let outcome = lab
            .stromatekt(["image", "load"])
            .arg(layout.path())
            .args(["--name", "linked"])
            .run();
        let mut names: Vec<_> = fs::read_dir(outside.path())
            .expect("own directory")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        assert_eq!(names, ["d", "kept"], "{outcome}");
        assert_eq!(
            fs::read_to_string(outside.path().join("kept")).expect("still there"),
            "kept",
            "{outcome}"
        );
        if outcome.code == Some(0) {
            lab.stromatekt(["image", "rm", "linked"]).run().ok();
        } else {
            assert_eq!(lab.contents(), before, "{}", outcome.failed());
        }
    }
}

#[test]
fn whiteouts_of_nothing_and_of_everything_are_harmless() {
    let lab = Lab::with_busybox();
    let layout = Layout::new(
        &[
            Tar::new().file("x", "x").finish(),
            Tar::new()
                .file(".wh.absent", "")
                .file("deep/.wh.absent", "")
                .file(".wh..wh..opq", "")
                .finish(),
        ],
        json!({}),
    );
    lab.stromatekt(["image", "load"])
        .arg(layout.path())
        .args(["--name", "whiteouts"])
        .run()
        .ok();
    for name in [".wh.", ".wh...", "d/.wh..", "d/.wh..."] {
        let layout = Layout::new(
            &[
                Tar::new().directory("d/", 0o755).file("x", "x").finish(),
                Tar::new().file(name, "").finish(),
            ],
            json!({}),
        );
        refused(&lab, layout.path(), &[".wh."]);
    }
}

#[test]
fn manifests_that_are_nonsense_are_refused() {
    let lab = Lab::with_busybox();
    let break_index = |change: &dyn Fn(&mut serde_json::Value)| {
        let layout = Layout::new(&[layer()], json!({}));
        let path = layout.path().join("index.json");
        let mut index = serde_json::from_slice(&fs::read(&path).expect("an index")).expect("JSON");
        change(&mut index);
        fs::write(&path, index.to_string()).expect("own directory");
        layout
    };
    refused(
        &lab,
        break_index(&|index| index["manifests"] = json!([])).path(),
        &[],
    );
    refused(
        &lab,
        break_index(&|index| index["manifests"][0]["digest"] = "sha256:short".into()).path(),
        &["sha256:short"],
    );
    refused(
        &lab,
        break_index(&|index| index["manifests"][0]["digest"] = "../../etc/passwd".into()).path(),
        &["../../etc/passwd"],
    );
    refused(
        &lab,
        break_index(&|index| index["manifests"][0]["size"] = 1.into()).path(),
        &[],
    );
    refused(
        &lab,
        break_index(&|index| *index = json!("text")).path(),
        &["index.json"],
    );
    let layout = Layout::new(&[layer()], json!({}));
    fs::write(
        layout.path().join("oci-layout"),
        r#"{"imageLayoutVersion": "9.0.0"}"#,
    )
    .expect("own directory");
    refused(&lab, layout.path(), &["9.0.0"]);
}

#[test]
fn a_context_whose_files_vanish_ends_in_a_report_or_an_image() {
    let lab = Lab::with_busybox();
    for round in 0..3 {
        let context = Context::dockerfile("FROM scratch\nCOPY many /many\n");
        for number in 0..3000 {
            context.write(&format!("many/{number}"), format!("{round}-{number}"));
        }
        lab.images();
        let before = lab.contents();
        let running = lab.build(&context).start();
        std::thread::sleep(std::time::Duration::from_millis(15 * (round + 1)));
        let _ = fs::remove_dir_all(context.path().join("many"));
        let outcome = running.wait();
        if outcome.code != Some(0) {
            let outcome = outcome.failed();
            assert!(
                outcome.stderr.contains("many"),
                "the report names a file:\n{outcome}"
            );
            assert_eq!(lab.contents(), before, "{outcome}");
        }
    }
}

#[test]
fn a_context_file_that_cannot_be_read_is_named() {
    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM scratch\nCOPY d /d\n");
    fs::create_dir(context.path().join("d")).expect("own directory");
    let _socket = std::os::unix::net::UnixListener::bind(context.path().join("d/socket"))
        .expect("own directory");
    // BuildKit leaves sockets out; whatever is done, it is no crash, and nothing is half done.
    let outcome = lab.build(&context).run();
    if outcome.code != Some(0) {
        outcome.failed().says(&["socket"]);
    }
}

#[test]
fn a_state_directory_without_room_is_an_error_and_stays_usable() {
    let (backing, mounted) = (directory(), directory());
    let image = backing.path().join("small.img");
    fs::File::create(&image)
        .and_then(|file| file.set_len(1 << 30))
        .expect("own directory");
    if !stromatekt_tests::requirement::program("mkfs.ext4") {
        return;
    }
    command::program(
        "mkfs.ext4",
        ["-q".as_ref(), "-F".as_ref(), image.as_os_str()],
    )
    .ok();
    command::program(
        "mount",
        [
            "-o".as_ref(),
            "loop".as_ref(),
            image.as_os_str(),
            mounted.path().as_os_str(),
        ],
    )
    .ok();
    let full = Lab::at(&mounted.path().join("state"));
    full.stromatekt(["image", "load"])
        .arg(stromatekt_tests::lab::base("busybox"))
        .args(["--name", "busybox"])
        .run()
        .ok();
    let before = full.images();
    // Random bytes, so that nothing compresses them.
    let context =
        Context::dockerfile("FROM busybox\nRUN head -c 800000000 /dev/urandom > /big && sync\n");
    let outcome = full.build(&context).fails();
    assert!(
        outcome.stderr.contains("space")
            || outcome.stderr.contains("room")
            || outcome.stderr.contains("full"),
        "{outcome}"
    );
    assert_eq!(full.images(), before);
    full.build(&Context::dockerfile(
        "FROM busybox\nRUN echo small > /small\n",
    ))
    .ok();
    drop(full);
    // The container of another test may have a copy of the store's mount for a moment longer.
    let lazily = ["--lazy".as_ref(), mounted.path().as_os_str()];
    command::program("umount", lazily).ok();
}
