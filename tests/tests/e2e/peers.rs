//! Other programs take what stromatekt makes, and the other way round: skopeo, umoci, docker, buildah, a registry.

use serde_json::Value;
use stromatekt_tests::docker::Docker;
use stromatekt_tests::registry::{self, Registry};
use stromatekt_tests::{Context, Lab, command, requirement};
use tempfile::TempDir;

fn context() -> Context {
    Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nWORKDIR /w\nENV GREETING=hello\nRUN mkdir d && echo file > d/file && ln d/file d/hard && ln -s file d/soft && rm /etc/group && rm -r /home && mkdir /home\nCOPY --chmod=755 say /say\nUSER worker\nENTRYPOINT [\"/say\"]\nCMD [\"world\"]\n",
        ),
        (
            "say",
            "#!/bin/sh\necho \"$GREETING $1 from $(id -un) in $(pwd)\"; cat d/hard; test ! -e /etc/group && echo no group\n",
        ),
    ])
}

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a temporary directory")
}

#[test]
fn skopeo_inspects_and_copies_each_kind_of_output() {
    if !requirement::program("skopeo") {
        return;
    }
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let at = |name: &str| out.path().join(name).display().to_string();
    lab.build(&context)
        .args(["-t", "said:1"])
        .output(format!("type=oci,tar=false,dest={}", at("layout")))
        .output(format!("type=oci,dest={}", at("oci.tar")))
        .output(format!("type=docker,dest={}", at("docker.tar")))
        .ok();
    for image in [
        format!("oci:{}:1", at("layout")),
        format!("oci-archive:{}", at("oci.tar")),
        format!("docker-archive:{}", at("docker.tar")),
    ] {
        let inspected: Value = command::program("skopeo", ["inspect", &image]).ok().json();
        assert_eq!(inspected["Os"], "linux", "{image}");
        assert!(
            inspected["Env"]
                .as_array()
                .is_some_and(|env| env.contains(&Value::from("GREETING=hello"))),
            "{image}: {inspected}"
        );
        let copy = directory();
        command::program(
            "skopeo",
            [
                "copy",
                "--quiet",
                &image,
                &format!("dir:{}", copy.path().display()),
            ],
        )
        .ok();
    }
}

#[test]
fn umoci_unpacks_a_layout() {
    if !requirement::program("umoci") {
        return;
    }
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let layout = out.path().join("layout").display().to_string();
    lab.build(&context)
        .args(["-t", "said:1"])
        .output(format!("type=oci,tar=false,dest={layout}"))
        .ok();
    let bundle = out.path().join("bundle");
    command::program(
        "umoci",
        [
            "unpack",
            "--image",
            &format!("{layout}:1"),
            &bundle.display().to_string(),
        ],
    )
    .ok();
    let rootfs = bundle.join("rootfs");
    assert_eq!(
        std::fs::read_to_string(rootfs.join("w/d/hard")).expect("it is there"),
        "file\n"
    );
    assert!(!rootfs.join("etc/group").exists());
    let config: Value =
        serde_json::from_slice(&std::fs::read(bundle.join("config.json")).expect("a config"))
            .expect("JSON");
    assert_eq!(
        config["process"]["args"],
        serde_json::json!(["/say", "world"])
    );
}

#[test]
fn docker_loads_and_runs_an_archive() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let (lab, context, out) = (Lab::shared(), context(), directory());
    let archive = out.path().join("docker.tar").display().to_string();
    lab.build(&context)
        .args([
            "-t",
            "stromatekt-said:1",
            "--iidfile",
            &out.path().join("iid").display().to_string(),
        ])
        .output(format!("type=docker,dest={archive}"))
        .ok();
    docker.run(["load", "-i", &archive]).ok();
    let said = docker
        .run([
            "run",
            "--rm",
            "--network",
            "none",
            "stromatekt-said:1",
            "docker",
        ])
        .ok();
    assert_eq!(
        said.text(),
        "hello docker from worker in /w\nfile\nno group"
    );
    let id = docker
        .run([
            "image",
            "inspect",
            "--format",
            "{{.Id}}",
            "stromatekt-said:1",
        ])
        .ok();
    let iid = std::fs::read_to_string(out.path().join("iid")).expect("an iidfile");
    assert_eq!(
        iid,
        id.text(),
        "docker gives the image the id that stromatekt told"
    );
}

#[test]
fn an_archive_that_docker_saved_is_a_base() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let out = directory();
    let base = stromatekt_tests::lab::base("busybox").display().to_string();
    docker
        .run(["import", "--change", "ENV SAVED=1", &base, "saved:1"])
        .ok();
    let archive = out.path().join("saved.tar").display().to_string();
    docker.run(["save", "-o", &archive, "saved:1"]).ok();
    let lab = Lab::empty();
    lab.stromatekt(["image", "load", &archive, "--name", "saved:1"])
        .run()
        .ok();
    let rootfs = lab
        .build(&Context::dockerfile(
            "FROM saved:1\nRUN echo $SAVED > /saved\n",
        ))
        .rootfs();
    assert_eq!(rootfs.text("saved"), "1");
}

#[test]
fn a_base_is_pulled_from_a_registry() {
    let Some(registry) = Registry::start() else {
        return;
    };
    if !requirement::program("skopeo") {
        return;
    }
    let (lab, out) = (Lab::with_busybox(), directory());
    let layout = out.path().join("layout").display().to_string();
    lab.build(&Context::dockerfile("FROM busybox\nENV PULLED=1\n"))
        .args(["-t", "x:1"])
        .output(format!("type=oci,tar=false,dest={layout}"))
        .ok();
    let name = registry.name("base/image:1");
    command::program(
        "skopeo",
        [
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--preserve-digests",
            &format!("oci:{layout}:1"),
            &format!("docker://{name}"),
        ],
    )
    .ok();

    let fresh = Lab::empty();
    let context = Context::dockerfile(&format!("FROM {name}\nRUN echo $PULLED > /pulled\n"));
    let image = fresh.build(&context).image();
    assert_eq!(image.rootfs().text("pulled"), "1");
    let base = stromatekt_tests::Image::read(std::path::Path::new(&layout));
    assert_eq!(
        image.layers[0].digest, base.layers[0].digest,
        "the registry's blob is kept as it is"
    );

    // By digest, too; and a digest that the registry does not have is an error.
    let by_digest = Context::dockerfile(&format!(
        "FROM {}@{}\n",
        registry.name("base/image"),
        base.digest
    ));
    fresh.build(&by_digest).ok();
    let absent = format!(
        "FROM {}@sha256:{}",
        registry.name("base/image"),
        "0".repeat(64)
    );
    fresh
        .build(&Context::dockerfile(&absent))
        .fails()
        .points_at("Dockerfile:1", &absent);

    // What is in the store needs no registry, unless --pull asks for it.
    drop(registry);
    fresh.build(&context).ok().all_cached();
    fresh
        .build(&context)
        .args(["--pull"])
        .fails()
        .says(&[&name]);
}

#[test]
fn pull_finds_what_moved() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (lab, name) = (Lab::with_busybox(), registry.name("moving:latest"));
    let push = |text: &str| {
        lab.build(&Context::dockerfile(&format!(
            "FROM busybox\nRUN echo {text} > /text\n"
        )))
        .args(["-t", &name, "-o", "type=registry"])
        .ok();
    };
    let user = Lab::empty();
    let seen = |args: &[&str]| {
        user.build(&Context::dockerfile(&format!("FROM {name}\n")))
            .args(args)
            .rootfs()
            .text("text")
            .to_owned()
    };
    push("one");
    assert_eq!(seen(&[]), "one");
    push("two");
    assert_eq!(seen(&["--pull"]), "two");
}

#[test]
fn an_image_that_no_registry_has_is_named_with_its_line() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let name = registry.name("not/there:1");
    Lab::shared()
        .build(&Context::dockerfile(&format!("FROM {name}\n")))
        .fails()
        .says(&[&name])
        .points_at("Dockerfile:1", &format!("FROM {name}"));
}

#[test]
fn credentials_are_those_of_dockers_config() {
    let Some(registry) = Registry::with_password() else {
        return;
    };
    let name = registry.name("private:1");
    let host = name.trim_end_matches("/private:1");
    let config = directory();
    let auth = registry::AUTH;
    std::fs::write(
        config.path().join("config.json"),
        format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{auth}\"}}}}}}"),
    )
    .expect("own directory");
    let empty = directory();

    let lab = Lab::with_busybox();
    let context = Context::dockerfile("FROM busybox\nRUN touch /with-credentials\n");
    let push = |config: &TempDir| {
        lab.build(&context)
            .env("DOCKER_CONFIG", config.path())
            .args(["-t", &name, "-o", "type=registry"])
            .run()
    };
    push(&empty).failed().says(&[host]);
    push(&config).ok();

    let user = Lab::empty();
    let from = Context::dockerfile(&format!("FROM {name}\n"));
    user.build(&from)
        .env("DOCKER_CONFIG", empty.path())
        .fails()
        .says(&[&name]);
    let rootfs = user
        .build(&from)
        .env("DOCKER_CONFIG", config.path())
        .rootfs();
    assert!(rootfs.has("with-credentials"));
}

#[test]
fn buildah_takes_a_layout_as_a_base() {
    if !requirement::program("buildah") {
        return;
    }
    let (lab, context) = (Lab::shared(), context());
    // buildah makes a name of the path, which must be in lower case.
    let out = tempfile::Builder::new()
        .prefix(&format!("stromatekt-layout-{}", std::process::id()))
        .rand_bytes(0)
        .tempdir()
        .expect("there is room for a temporary directory");
    let layout = out.path().join("layout").display().to_string();
    lab.build(&context)
        .args(["-t", "said:1"])
        .output(format!("type=oci,tar=false,dest={layout}"))
        .ok();
    let storage = out.path().join("storage").display().to_string();
    let global = [
        "--root",
        &storage,
        "--runroot",
        &format!("{storage}-run"),
        "--storage-driver",
        "vfs",
    ]
    .map(str::to_owned);
    let buildah = |args: &[&str]| {
        command::program(
            "buildah",
            global
                .iter()
                .map(String::as_str)
                .chain(args.iter().copied()),
        )
    };
    let container = buildah(&["from", &format!("oci:{layout}:1")]).ok();
    let mounted = buildah(&["mount", container.text()]).ok();
    assert!(std::path::Path::new(mounted.text()).join("say").exists());
    buildah(&["umount", container.text()]).ok();
}
