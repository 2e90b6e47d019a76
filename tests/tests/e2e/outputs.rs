//! Where an image goes: layouts, archives, root filesystems, a registry.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use serde_json::Value;
use stromatekt_tests::image::{Image, decompress, sha256};
use stromatekt_tests::registry::Registry;
use stromatekt_tests::rootfs::{Rootfs, read_tar};
use stromatekt_tests::{Context, Lab, command};
use tempfile::TempDir;

fn context() -> Context {
    Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nENV MADE=1\nRUN mkdir /d && echo x > /d/x && chown 5:6 /d/x && chmod 640 /d/x && ln -s x /d/l && ln /d/x /d/h && mkfifo /d/p && rm /etc/group\nCOPY f /f\n",
        ),
        ("f", "f"),
    ])
}

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a temporary directory")
}

/// A tar unpacked into a directory, by another program.
fn untar(tar: &std::path::Path) -> TempDir {
    let out = directory();
    command::program(
        "tar",
        [
            "-xf".as_ref(),
            tar.as_os_str(),
            "-C".as_ref(),
            out.path().as_os_str(),
        ],
    )
    .ok();
    out
}

#[test]
fn oci_as_a_directory_and_as_a_tar_are_the_same_image() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let first = lab.build(&context).image();
    lab.build(&context)
        // Names in any case, and `true` may be left out.
        .output(format!(
            "type=oci,Tar=,dest={}/image.tar",
            out.path().display()
        ))
        .ok();
    let second = Image::read(untar(&out.path().join("image.tar")).path());
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.rootfs().text("d/x"), "x");
}

#[test]
fn oci_goes_to_standard_output() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let outcome = lab.build(&context).output("type=oci,dest=-").ok();
    std::fs::write(out.path().join("image.tar"), &outcome.stdout).expect("own directory");
    assert_eq!(
        Image::read(untar(&out.path().join("image.tar")).path())
            .env("MADE")
            .as_deref(),
        Some("1")
    );
}

#[test]
fn oci_names_its_image() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let layout = out.path().join("layout");
    lab.build(&context)
        .args(["-t", "named:tag"])
        .output(format!("type=oci,tar=false,dest={}", layout.display()))
        .ok();
    let index: Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).expect("an index"))
            .expect("JSON");
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "tag");
    assert_eq!(
        annotations["io.containerd.image.name"],
        "docker.io/library/named:tag"
    );
}

#[test]
fn oci_layers_may_be_compressed_otherwise() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    for (compression, media_type) in [
        ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("uncompressed", "application/vnd.oci.image.layer.v1.tar"),
    ] {
        let layout = out.path().join(compression);
        lab.build(&context)
            .output(format!(
                "type=oci,tar=false,compression={compression},dest={}",
                layout.display()
            ))
            .ok();
        let image = Image::read(&layout);
        assert_eq!(image.top().media_type, media_type);
        assert_eq!(image.rootfs().text("f"), "f");
    }
}

#[test]
fn a_docker_archive_has_its_manifest_config_and_layers() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let path = out.path().join("docker.tar");
    lab.build(&context)
        .args(["-t", "a:1", "-t", "b"])
        .output(format!("type=docker,dest={}", path.display()))
        .ok();
    let unpacked = untar(&path);
    let read = |name: &str| {
        std::fs::read(unpacked.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).expect("JSON");
    let image = &manifest[0];
    assert_eq!(image["RepoTags"], serde_json::json!(["a:1", "b:latest"]));
    let config: Value =
        serde_json::from_slice(&read(image["Config"].as_str().expect("a name"))).expect("JSON");
    let mut layers = Vec::new();
    for (layer, diff_id) in image["Layers"]
        .as_array()
        .expect("layers")
        .iter()
        .zip(config["rootfs"]["diff_ids"].as_array().expect("diff_ids"))
    {
        let tar = decompress(&read(layer.as_str().expect("a name")));
        assert_eq!(sha256(&tar), diff_id.as_str().expect("a digest"));
        layers.push(read_tar(&tar));
    }
    let rootfs = Rootfs::of_layers(layers.iter().map(Vec::as_slice));
    assert_eq!(rootfs.text("d/x"), "x");
    assert!(!rootfs.has("etc/group"));
}

#[test]
fn tar_is_the_root_filesystem() {
    let (lab, context) = (Lab::shared(), context());
    let outcome = lab.build(&context).output("type=tar,dest=-").ok();
    let entries = read_tar(&outcome.stdout);
    let rootfs = Rootfs::of_layers([entries.as_slice()]);
    assert_eq!(rootfs.text("d/x"), "x");
    assert_eq!(rootfs.text("d/h"), "x");
    assert_eq!(
        (rootfs.entry("d/x").mode, rootfs.entry("d/x").owner),
        (0o640, (5, 6))
    );
    assert!(!rootfs.has("etc/group") && !rootfs.has("etc/.wh.group"));
    assert!(rootfs.has("bin/busybox"));
}

#[test]
fn local_is_the_root_filesystem_as_files() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let destination = out.path().join("out");
    lab.build(&context)
        .output(format!("type=local,dest={}", destination.display()))
        .ok();
    let file = std::fs::symlink_metadata(destination.join("d/x")).expect("it is there");
    assert_eq!(
        (
            file.uid(),
            file.gid(),
            file.permissions().mode() & 0o7777,
            file.nlink()
        ),
        (5, 6, 0o640, 2)
    );
    assert_eq!(
        std::fs::read_link(destination.join("d/l"))
            .expect("a link")
            .to_str(),
        Some("x")
    );
    assert!(
        std::fs::symlink_metadata(destination.join("d/p"))
            .expect("it is there")
            .file_type()
            .is_fifo()
    );
    assert!(!destination.join("etc/group").exists());
    for mounted in ["proc", "sys", "dev"] {
        let found = std::fs::read_dir(destination.join(mounted)).expect("a mount point");
        assert_eq!(found.count(), 0, "{mounted} has what the step saw there");
    }
}

#[test]
fn dest_alone_means_local_and_a_dash_means_tar() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    lab.build(&context).output(out.path().join("out")).ok();
    assert!(out.path().join("out/d/x").exists());
    let outcome = lab.build(&context).output("-").ok();
    assert!(Rootfs::of_layers([read_tar(&outcome.stdout).as_slice()]).has("d/x"));
}

#[test]
fn local_writes_into_a_directory_that_is_there_and_never_through_its_links() {
    let (lab, out, outside) = (Lab::shared(), directory(), directory());
    std::os::unix::fs::symlink(outside.path(), out.path().join("d")).expect("own directory");
    std::fs::write(out.path().join("kept"), "kept").expect("own directory");
    let context = Context::new(&[("Dockerfile", "FROM scratch\nCOPY x /d/x\n"), ("x", "x")]);
    let outcome = lab.build(&context).output(out.path()).run();
    assert!(!outside.path().join("x").exists(), "{outcome}");
    assert_eq!(
        std::fs::read_to_string(out.path().join("kept")).expect("still there"),
        "kept"
    );
}

#[test]
fn several_outputs_get_the_same_image() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let at = |name: &str| out.path().join(name).display().to_string();
    lab.build(&context)
        .output(format!("type=oci,tar=false,dest={}", at("layout")))
        .output(format!("type=docker,dest={}", at("docker.tar")))
        .output(format!("type=local,dest={}", at("local")))
        .ok();
    let image = Image::read(&out.path().join("layout"));
    let unpacked = untar(&out.path().join("docker.tar"));
    let manifest: Value = serde_json::from_slice(
        &std::fs::read(unpacked.path().join("manifest.json")).expect("a manifest"),
    )
    .expect("JSON");
    let config = std::fs::read(
        unpacked
            .path()
            .join(manifest[0]["Config"].as_str().expect("a name")),
    )
    .expect("a config");
    assert_eq!(sha256(&config), image.id);
    assert!(out.path().join("local/f").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_before_anything_runs() {
    let outcome = Lab::shared()
        .build(&context())
        .output("type=oci,dest=/no/such/directory/image.tar")
        .fails()
        .says(&["/no/such/directory"]);
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
}

#[test]
fn an_unknown_output_and_an_unknown_attribute_are_errors() {
    let lab = Lab::shared();
    lab.build(&context())
        .output("type=floppy,dest=x")
        .fails()
        .says(&["floppy", "oci"]);
    lab.build(&context())
        .output("type=oci,dest=x,colour=red")
        .fails()
        .says(&["colour"]);
    lab.build(&context())
        .output("type=oci")
        .fails()
        .says(&["dest"]);
    for (output, said) in [
        ("type=docker,dest=x,tar=false", "one tar"),
        ("type=oci,dest=x,registry.insecure=true", "without TLS"),
        (
            "type=oci,dest=x,compression=uncompressed,compression-level=1",
            "no level",
        ),
    ] {
        lab.build(&context()).output(output).fails().says(&[said]);
    }
}

#[test]
fn outputs_in_each_others_way_are_errors() {
    let lab = Lab::shared();
    for (one, other, said) in [
        ("-", "type=oci,dest=-", "standard output"),
        (
            "type=image,name=a",
            "type=docker,dest=x,name=b",
            "different names",
        ),
    ] {
        let build = lab.build(&context()).output(one).args(["-o", other]);
        build.fails().says(&[said]);
    }
}

#[test]
fn a_push_is_what_others_pull() {
    let Some(registry) = Registry::start() else {
        return;
    };
    if !stromatekt_tests::requirement::program("skopeo") {
        return;
    }
    let (lab, context) = (Lab::shared(), context());
    let name = registry.name("team/pushed:1");
    lab.build(&context)
        .args(["-t", &name, "-o", "type=registry"])
        .ok();
    let inspected = command::program(
        "skopeo",
        [
            "inspect",
            "--config",
            "--tls-verify=false",
            &format!("docker://{name}"),
        ],
    )
    .ok();
    assert!(inspected.text().contains("MADE=1"));

    // The second push of the same image has nothing to send, and another name in the same registry neither.
    let again = registry.name("team/again:1");
    lab.build(&context)
        .args(["-t", &again, "-o", "type=image,push=true"])
        .ok();
    command::program(
        "skopeo",
        [
            "inspect",
            "--tls-verify=false",
            &format!("docker://{again}"),
        ],
    )
    .ok();
}

#[test]
fn an_output_may_name_its_image() {
    let lab = Lab::with_busybox();
    lab.build(&context())
        .output("type=image,\"name=by-output:1,by-output:2\"")
        .ok();
    let images = lab.images();
    assert_eq!(images.matches("by-output").count(), 2, "{images}");
    lab.build(&context())
        .args(["-t", "by-tag"])
        .output("type=image,name=by-output")
        .fails()
        .says(&["--tag", "name="]);
}

#[test]
fn layers_are_compressed_as_well_as_it_is_said() {
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let layer = |level: &str| {
        let layout = out.path().join(level);
        let dest = layout.display();
        lab.build(&context)
            .output(format!(
                "type=oci,tar=false,compression-level={level},dest={dest}"
            ))
            .ok();
        let image = Image::read(&layout);
        (
            image.layers[1].digest.clone(),
            image.layers[1].diff_id.clone(),
        )
    };
    let ((fast, same), (best, also)) = (layer("1"), layer("9"));
    assert_ne!(fast, best);
    assert_eq!(same, also);
    lab.build(&context)
        .output("type=oci,compression-level=10,dest=x")
        .fails()
        .says(&["10", "0 to 9"]);
}

#[test]
fn a_push_by_digest_gives_no_tag() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (lab, name) = (Lab::with_busybox(), registry.name("team/by-digest"));
    let push = |more: &str| {
        lab.build(&context())
            .output(format!("type=image,name={name},push=true{more}"))
            .ok();
    };
    let tags = registry
        .data()
        .join("docker/registry/v2/repositories/team/by-digest/_manifests/tags");
    push(",push-by-digest=true,store=false");
    assert!(!tags.exists(), "it was given a tag");
    assert!(!lab.images().contains("by-digest"), "it was kept");
    assert!(tags.with_file_name("revisions").exists());
    push("");
    assert!(tags.join("latest").exists());
    assert!(lab.images().contains("by-digest"));
}

#[test]
fn a_push_to_where_nobody_listens_is_an_error_with_the_name() {
    let lab = Lab::shared();
    lab.build(&context())
        .args(["-t", "127.0.0.1:1/nobody/home", "-o", "type=registry"])
        .fails()
        .says(&["127.0.0.1:1"]);
}
