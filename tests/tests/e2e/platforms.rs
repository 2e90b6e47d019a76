//! Several platforms in one build: one index, in every output, and work that is equal is done once.

use std::fs;

use serde_json::Value;
use stromatekt_tests::registry::Registry;
use stromatekt_tests::{Context, Image, Lab, command};
use tempfile::TempDir;

const BOTH: [&str; 2] = ["--platform", "linux/amd64,linux/arm64"];

/// Nothing is run for a platform that is not this machine's.
const DOCKERFILE: &str = "FROM --platform=$BUILDPLATFORM busybox AS common\nRUN cat /proc/sys/kernel/random/uuid > /common\n\
     FROM scratch\nARG TARGETPLATFORM\nCOPY --from=common /common /\nLABEL platform=$TARGETPLATFORM\nCOPY Dockerfile /own\n";

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("it was written")).expect("it is JSON")
}

#[test]
fn an_index_has_an_image_for_each_platform_and_equal_work_is_done_once() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    Lab::shared()
        .build(&Context::dockerfile(DOCKERFILE))
        .args(BOTH)
        .args(["-t", "many:1", "--metadata-file", &at("metadata")])
        .args(["--iidfile", &at("iid")])
        .output(format!("type=oci,tar=false,dest={}", at("layout")))
        .ok();
    let layout = directory.path().join("layout");
    let (_, images) = Image::read_index(&layout);
    let platforms: Vec<_> = images.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let common = |image: &Image| image.rootfs().text("common").to_owned();
    assert_eq!(
        common(&images[0].1),
        common(&images[1].1),
        "the step ran once"
    );
    for (platform, image) in &images {
        assert_eq!(image.runtime()["Labels"]["platform"], platform.as_str());
        assert_eq!(image.config["architecture"], platform["linux/".len()..]);
    }
    let entry = &json(&layout.join("index.json"))["manifests"][0];
    let annotations = &entry["annotations"];
    assert_eq!(
        annotations["io.containerd.image.name"],
        "docker.io/library/many:1"
    );
    let told = json(&directory.path().join("metadata"));
    assert_eq!(told["containerimage.digest"], entry["digest"]);
    let descriptor = &told["containerimage.descriptor"];
    assert_eq!(
        descriptor["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(told["containerimage.config.digest"], Value::Null);
    assert_eq!(told["image.name"], "docker.io/library/many:1");
    assert_eq!(
        fs::read_to_string(at("iid")).unwrap(),
        entry["digest"].as_str().unwrap()
    );
}

#[test]
fn the_store_keeps_all_platforms_under_one_name() {
    let lab = Lab::with_busybox();
    let build = |args: &[&str], dockerfile: &str| {
        lab.build(&Context::dockerfile(dockerfile)).args(args).ok();
    };
    build(&[&BOTH[..], &["-t", "many"]].concat(), DOCKERFILE);
    let image = |args: &[&str]| lab.stromatekt([&["image"], args].concat()).run();
    assert!(lab.images().contains("many"), "{}", lab.images());
    let details = image(&["inspect", "many"]).ok().json();
    let listed = details[0]["Index"]["Images"].as_array().unwrap();
    let platforms: Vec<_> = listed.iter().map(|image| &image["Platform"]).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    // A build on top of it finds the platform that it is for.
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    lab.build(&Context::dockerfile("FROM many\nLABEL more=1\n"))
        .args(BOTH)
        .output(format!("type=oci,tar=false,dest={}", layout.display()))
        .ok();
    for (platform, image) in Image::read_index(&layout).1 {
        assert_eq!(image.runtime()["Labels"]["platform"], platform.as_str());
    }
    let saved = directory.path().join("saved");
    let to = format!("{}/", saved.display());
    image(&["save", "many", "--format", "oci", "-o", &to]).ok();
    assert_eq!(Image::read_index(&saved).1.len(), 2);
    // One of its platforms cannot be taken away from it.
    let one = listed[1]["Id"].as_str().unwrap();
    image(&["rm", one]).failed().says(&["part of the image"]);
    image(&["tag", "many", "other"]).ok();
    image(&["rm", "many"]).ok();
    image(&["rm", "other"]).ok();
    assert!(!lab.images().contains("other"));
    image(&["inspect", one]).failed();
}

#[test]
fn trees_have_a_directory_for_each_platform() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out");
    let context =
        Context::dockerfile("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n");
    let lab = Lab::shared();
    let build = |output: String| lab.build(&context).args(BOTH).output(output);
    build(format!("type=local,dest={}", out.display())).ok();
    for arch in ["amd64", "arm64"] {
        assert!(out.join(format!("linux_{arch}/for-{arch}")).is_file());
    }
    let merged = directory.path().join("merged");
    build(format!(
        "type=local,dest={},platform-split=false",
        merged.display()
    ))
    .ok();
    assert!(merged.join("for-amd64").is_file() && merged.join("for-arm64").is_file());
    let tar = directory.path().join("out.tar");
    build(format!("type=tar,dest={}", tar.display())).ok();
    let listed = command::program("tar", ["tf".as_ref(), tar.as_os_str()]).ok();
    assert!(
        listed.text().contains("linux_arm64/for-arm64"),
        "{}",
        listed.text()
    );
    let same = Context::dockerfile("FROM scratch\nCOPY Dockerfile /same\n");
    Lab::shared()
        .build(&same)
        .args(BOTH)
        .output(format!(
            "type=local,dest={},platform-split=false",
            merged.display()
        ))
        .fails()
        .says(&["same", "linux/amd64", "platform-split"]);
}

#[test]
fn a_registry_gets_the_index_and_its_images() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let name = registry.name("team/many:1");
    let lab = Lab::shared();
    lab.build(&Context::dockerfile(DOCKERFILE))
        .args(BOTH)
        .args(["-t", &name, "--push"])
        .ok();
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    lab.build(&Context::dockerfile(&format!(
        "FROM {name}\nLABEL more=1\n"
    )))
    .args(BOTH)
    .output(format!("type=oci,tar=false,dest={}", layout.display()))
    .ok();
    for (platform, image) in Image::read_index(&layout).1 {
        assert_eq!(image.runtime()["Labels"]["platform"], platform.as_str());
    }
}

#[test]
fn an_index_of_one_platform_is_made_on_demand_and_a_docker_archive_holds_none() {
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    let context = Context::dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    let lab = Lab::shared();
    let build = || lab.build(&context);
    build()
        .build_arg("BUILDKIT_MULTI_PLATFORM=1")
        .output(format!("type=oci,tar=false,dest={}", layout.display()))
        .ok();
    assert_eq!(Image::read_index(&layout).1.len(), 1);
    build()
        .args(BOTH)
        .output(format!(
            "type=docker,dest={}",
            directory.path().join("x").display()
        ))
        .fails()
        .says(&["docker exporter does not currently support exporting manifest lists"]);
    build()
        .args(BOTH)
        .build_arg("BUILDKIT_MULTI_PLATFORM=0")
        .fails()
        .says(&["BUILDKIT_MULTI_PLATFORM"]);
}

#[test]
fn copies_take_from_the_image_of_the_platform() {
    let lab = Lab::with_busybox();
    let many = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n";
    lab.build(&Context::dockerfile(many))
        .args(BOTH)
        .args(["-t", "many"])
        .ok();
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    lab.build(&Context::dockerfile("FROM scratch\nCOPY --from=many / /\n"))
        .args(BOTH)
        .output(format!("type=oci,tar=false,dest={}", layout.display()))
        .ok();
    for (platform, image) in Image::read_index(&layout).1 {
        let own = format!("for-{}", &platform["linux/".len()..]);
        assert_eq!(image.rootfs().beneath(""), [own.as_str()]);
    }
}

#[test]
fn images_are_for_linux() {
    let context = Context::dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    Lab::shared()
        .build(&context)
        .args(["--platform", "windows/amd64"])
        .fails()
        .says(&["windows"])
        .points_at("Dockerfile:1", "FROM scratch");
}

#[test]
fn a_program_that_nothing_here_can_run_is_told_apart_from_one_that_fails() {
    // The header of a program for a processor that hardly any machine is or has an emulator for.
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x02\x01\x01\0\0\0".to_vec();
    program.resize(4096, 0);
    let context =
        Context::dockerfile("FROM scratch\nCOPY --chmod=755 tool /bin/tool\nRUN [\"/bin/tool\"]\n");
    context.write("tool", program);
    Lab::shared()
        .build(&context)
        .args(["--platform", "linux/loong64"])
        .fails()
        .says(&["a program for loong64", "qemu-user-static"])
        .points_at("Dockerfile:3", "RUN [\"/bin/tool\"]");
}
