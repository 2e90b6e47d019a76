//! The environment variables that docker and buildx users set, and docker's config.

use std::fs;
use std::process::Command;

use stromatekt_tests::http::Server;
use stromatekt_tests::{Context, Lab, command, requirement};
use tempfile::TempDir;

fn context() -> Context {
    Context::dockerfile("FROM busybox\n")
}

#[test]
fn what_chooses_a_daemon_is_told_and_what_forbids_is_obeyed() {
    let (lab, context) = (Lab::shared(), context());
    for (name, value) in [
        ("DOCKER_HOST", "tcp://192.0.2.1:2375"),
        ("BUILDKIT_HOST", "tcp://192.0.2.1:1234"),
        ("BUILDX_CPU_PROFILE", "/profile"),
        ("BUILDX_MEM_PROFILE", "/profile"),
        ("BUILDX_METADATA_PROVENANCE", "max"),
        ("DOCKER_CONTEXT", "other"),
        ("DOCKER_BUILDKIT", "0"),
        ("BUILDKIT_COLORS", "run=red"),
        ("BUILDX_METADATA_WARNINGS", "1"),
    ] {
        lab.build(&context)
            .env(name, value)
            .ok()
            .says(&["WARNING", name]);
    }
    for (name, value) in [
        ("BUILDX_BUILDER", "mine"),
        ("DOCKER_CONTENT_TRUST", "1"),
        ("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "/policy"),
    ] {
        lab.build(&context)
            .env(name, value)
            .fails()
            .says(&[name, "unset it"]);
    }
    lab.stromatekt(["pull", "busybox"])
        .env("DOCKER_CONTENT_TRUST", "1")
        .run()
        .failed()
        .says(&["DOCKER_CONTENT_TRUST"]);
    let quiet = lab
        .build(&context)
        .env("DOCKER_BUILDKIT", "1")
        .env("BUILDX_BUILDER", "default")
        .ok();
    assert!(!quiet.stderr.contains("WARNING"), "{quiet}");
}

#[test]
fn progress_has_its_default_from_the_environment() {
    let (lab, context) = (Lab::shared(), context());
    let path = context.path().to_string_lossy().into_owned();
    let outcome = lab
        .stromatekt(["build", &path])
        .env("BUILDKIT_PROGRESS", "rawjson")
        .run()
        .ok();
    assert!(outcome.stderr.starts_with('{'), "{outcome}");
    let outcome = lab
        .stromatekt(["build", "--progress=none", &path])
        .run()
        .ok();
    assert_eq!((outcome.text(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn the_platform_has_its_default_from_the_environment() {
    let (lab, context) = (
        Lab::shared(),
        Context::dockerfile("FROM scratch\nCOPY Dockerfile /\n"),
    );
    let image = lab
        .build(&context)
        .env("DOCKER_DEFAULT_PLATFORM", "linux/arm64")
        .image();
    assert_eq!(image.config["architecture"], "arm64");
    lab.build(&context)
        .env("DOCKER_DEFAULT_PLATFORM", "a/b/c/d/e")
        .fails()
        .says(&["DOCKER_DEFAULT_PLATFORM"]);
}

#[test]
fn an_image_is_not_loaded_where_the_environment_says_so() {
    let lab = Lab::with_busybox();
    lab.build(&context())
        .args(["-t", "not-loaded"])
        .env("BUILDX_NO_DEFAULT_LOAD", "1")
        .ok()
        .says(&["BUILDX_NO_DEFAULT_LOAD"]);
    assert!(!lab.images().contains("not-loaded"));
    lab.build(&context())
        .args(["-t", "loaded", "--load"])
        .env("BUILDX_NO_DEFAULT_LOAD", "1")
        .ok();
    assert!(lab.images().contains("loaded"));
}

#[test]
fn proxies_of_the_config_are_build_args() {
    let directory = TempDir::new().expect("there is room for a temporary directory");
    fs::write(
        directory.path().join("config.json"),
        r#"{"proxies": {"default": {"httpProxy": "http://proxy.invalid:1", "noProxy": "config"}}}"#,
    )
    .expect("own directory");
    let context = Context::dockerfile("FROM busybox\nRUN env | grep -i proxy | sort > /proxies\n");
    let lab = Lab::shared();
    let expected = [
        "HTTP_PROXY=http://proxy.invalid:1",
        "NO_PROXY=mine",
        "http_proxy=http://proxy.invalid:1",
        "no_proxy=mine",
    ];
    let image = lab
        .build(&context)
        .args(["--no-cache", "--build-arg", "NO_PROXY=mine"])
        .env("DOCKER_CONFIG", directory.path())
        .image();
    assert_eq!(image.rootfs().lines("proxies"), expected);
    let config = directory.path().to_string_lossy().into_owned();
    let path = context.path().to_string_lossy().into_owned();
    let outcome = lab
        .stromatekt([
            "--config",
            &config,
            "build",
            "--no-cache",
            "--progress=plain",
            "--build-arg",
            "NO_PROXY=mine",
            &path,
        ])
        .run()
        .ok();
    assert!(
        !outcome.stderr.contains("proxy.invalid"),
        "a proxy may have a password: {outcome}"
    );
}

#[test]
fn downloads_go_through_the_proxy_of_the_environment() {
    // A proxy is asked for whole URLs.
    let proxy = Server::start(&[("http://files.invalid/f", b"by proxy")]);
    let context = Context::dockerfile("FROM scratch\nADD http://files.invalid/f /f\n");
    let lab = Lab::shared();
    let build = || lab.build(&context).env("HTTP_PROXY", proxy.url(""));
    assert_eq!(build().rootfs().text("f"), "by proxy");
    build()
        .args(["--no-cache"])
        .env("NO_PROXY", "files.invalid")
        .fails()
        .says(&["files.invalid"]);
}

#[test]
fn labels_tell_the_repository() {
    if !requirement::program("git") {
        return;
    }
    let context = Context::new(&[("sub/Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(context.path()).args(args);
        command::run(&mut git, None).ok().text().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    git(&[&who[..], &["commit", "--quiet", "-m", "first"]].concat());
    git(&[
        "remote",
        "add",
        "origin",
        "https://user:secret@example.org/x.git",
    ]);
    let revision = git(&["rev-parse", "HEAD"]);
    let lab = Lab::shared();
    let sub = context.path().join("sub");
    let labels = |variables: &[(&str, &str)]| {
        let build = lab
            .build_of(&sub)
            .args(["--label", "org.opencontainers.image.revision=mine"]);
        let build = variables
            .iter()
            .fold(build, |build, (name, value)| build.env(name, value));
        build.image().config["config"]["Labels"].clone()
    };
    let key = |name: &str| format!("org.opencontainers.image.{name}");
    assert_eq!(labels(&[])[key("revision")], "mine");
    let full = labels(&[("BUILDX_GIT_LABELS", "full")]);
    assert_eq!(full[key("revision")], revision);
    assert_eq!(full[key("source")], "https://example.org/x.git");
    assert_eq!(full["com.docker.image.source.entrypoint"], "sub/Dockerfile");
    context.write("sub/more", "more");
    let dirty = labels(&[("BUILDX_GIT_LABELS", "1"), ("BUILDX_GIT_CHECK_DIRTY", "1")]);
    assert_eq!(dirty[key("revision")], format!("{revision}-dirty"));
}
