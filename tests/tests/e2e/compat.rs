//! `stromatekt compat`: built twice, by another builder and by stromatekt, and compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use stromatekt_tests::docker::Docker;
use stromatekt_tests::lab::base;
use stromatekt_tests::{Context, Lab, Outcome, requirement};
use tempfile::TempDir;

/// A daemon that has the busybox base, as the store has it not: with one more variable.
fn docker_with_busybox() -> Option<Arc<Docker>> {
    let docker = Docker::shared()?;
    let base = base("busybox").display().to_string();
    docker
        .run(["import", "--change", "ENV OF_DOCKER=1", &base, "busybox"])
        .ok();
    Some(docker)
}

fn compat(lab: &Lab, docker: &Docker, args: &[&str], context: &Context) -> Outcome {
    lab.stromatekt(["compat", "--network", "none"])
        .args(args)
        .arg(context.path())
        .env("DOCKER_HOST", docker.host())
        .run()
}

#[track_caller]
fn exits(outcome: Outcome, code: i32) -> Outcome {
    assert_eq!(outcome.code, Some(code), "{outcome}");
    outcome
}

/// A `storage.conf` for a storage of one's own in a directory.
pub fn buildahs_storage(directory: &Path) -> PathBuf {
    let path = directory.join("storage.conf");
    let text = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/storage\"\nrunroot = \"{0}/run\"\n",
        directory.display()
    );
    fs::write(&path, text).expect("there is room for it");
    path
}

#[test]
fn docker_and_stromatekt_build_the_same() {
    let Some(docker) = docker_with_busybox() else {
        return;
    };
    // A store without any base: docker's is the base of both.
    let lab = Lab::empty();
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox AS build\nARG NAME\nRUN mkdir /out && echo \"$NAME $OF_DOCKER\" > /out/f && ln /out/f /out/g\n\
             FROM busybox\nCOPY --from=build /out /in\nCOPY a /a\nRUN rm -r /home && ln -s a /b\nUSER 1\nCMD [\"sh\"]\n",
        ),
        ("a", "a\n"),
    ]);
    let args = ["--against", "classic", "--build-arg", "NAME=x"];
    let outcome = exits(compat(&lab, &docker, &args, &context), 0);
    assert!(outcome.text().contains("(classic builder)"), "{outcome}");
    assert!(
        outcome.text().contains("the images are the same"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("is the base for stromatekt, too"),
        "{outcome}"
    );
    let left = docker.run(["image", "ls"]).ok();
    assert!(!left.text().contains("stromatekt-compat"), "{left}");
    let json = exits(
        compat(&lab, &docker, &[&args[..], &["--json"]].concat(), &context),
        0,
    );
    assert_eq!(json.json()["same"], true, "{json}");
}

#[test]
fn an_image_is_compared_with_what_is_built() {
    let lab = Lab::shared();
    let context = Context::dockerfile("FROM busybox\nRUN echo 1 > /f\n");
    lab.build(&context).args(["-t", "compat-image:1"]).ok();
    let compare = |context: &Context| {
        lab.stromatekt(["compat", "--against", "compat-image:1"])
            .arg(context.path())
            .run()
    };
    exits(compare(&context), 0);
    let other = Context::dockerfile("FROM busybox\nRUN echo 2 > /f\n");
    let outcome = exits(compare(&other), 1);
    assert!(outcome.text().contains("~ /f content"), "{outcome}");
    let failing = Context::dockerfile("FROM busybox\nRUN false\n");
    let outcome = exits(compare(&failing), 1);
    assert!(outcome.text().contains("fails at line 2"), "{outcome}");
}

#[test]
fn failures_are_compared_too() {
    let Some(docker) = docker_with_busybox() else {
        return;
    };
    let lab = Lab::shared();
    let compare = |dockerfile: &str, args: &[&str]| {
        let args = [&["--against", "classic"], args].concat();
        compat(&lab, &docker, &args, &Context::dockerfile(dockerfile))
    };
    for dockerfile in [
        "FROM busybox\n\nRUN echo bad; exit 3\n",
        "FROM busybox\n\nRUM x\n",
    ] {
        let outcome = exits(compare(dockerfile, &[]), 0);
        assert_eq!(
            outcome.text().matches("fails at line 3").count(),
            2,
            "{outcome}"
        );
        assert!(
            outcome.text().ends_with("both builds fail alike"),
            "{outcome}"
        );
        let json = exits(compare(dockerfile, &["--json"]), 0).json();
        assert_eq!(json["failures"]["left"]["line"], 3, "{json}");
        assert_eq!(json["failures"]["right"]["line"], 3, "{json}");
    }
    // What only BuildKit knows.
    let outcome = exits(
        compare("FROM busybox\nRUN --mount=type=tmpfs,target=/t true\n", &[]),
        1,
    );
    assert!(
        outcome
            .text()
            .ends_with("one build fails, the other does not"),
        "{outcome}"
    );
}

#[test]
fn what_cannot_be_compared_leaves_nothing_behind() {
    let lab = Lab::shared();
    let temporary = TempDir::new().expect("there is room for a temporary directory");
    let context = Context::dockerfile("FROM busybox\n");
    let run = |args: &[&str]| {
        lab.stromatekt(["compat"])
            .args(args)
            .arg(context.path())
            .env("DOCKER_HOST", "unix:///no/such/socket")
            .env("TMPDIR", temporary.path())
            .run()
    };
    if requirement::program("docker") {
        let outcome = exits(run(&[]), 2);
        assert!(
            outcome.stderr.contains("cannot reach its daemon"),
            "{outcome}"
        );
    }
    for (args, said) in [
        (&["--against", "no-such-image"][..], "no-such-image"),
        (&["--against", "classic", "-t", "x"], "--tag"),
        (&["--against", "classic", "--squash"], "--squash"),
        (
            &[
                "--against",
                "classic",
                "--platform",
                "linux/amd64,linux/arm64",
            ],
            "several platforms",
        ),
    ] {
        let outcome = exits(run(args), 2);
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
    let left = fs::read_dir(temporary.path()).expect("it is there").count();
    assert_eq!(left, 0);
}

#[test]
fn buildah_and_stromatekt_build_the_same() {
    if !requirement::program("buildah") {
        return;
    }
    let (lab, out) = (
        Lab::shared(),
        TempDir::new().expect("there is room for a temporary directory"),
    );
    let storage = buildahs_storage(out.path());
    let archive = out.path().join("base.tar").display().to_string();
    lab.stromatekt(["image", "save", "busybox", "-o", &archive])
        .run()
        .ok();
    let buildah = |args: &[&str]| {
        let ended = Command::new("buildah")
            .args(args)
            .env("CONTAINERS_STORAGE_CONF", &storage)
            .output()
            .expect("buildah runs");
        assert!(ended.status.success(), "{ended:?}");
        String::from_utf8_lossy(&ended.stdout).trim().to_owned()
    };
    let id = buildah(&["pull", "--quiet", &format!("docker-archive:{archive}")]);
    buildah(&["tag", &id, "docker.io/library/busybox:latest"]);
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM docker.io/library/busybox\nENV A=1\nCOPY a /d/a\nRUN echo x > /x\nCMD [\"sh\"]\n",
        ),
        ("a", "a\n"),
    ]);
    let outcome = lab
        .stromatekt(["compat", "--against", "buildah", "--network", "none"])
        .arg(context.path())
        .env("CONTAINERS_STORAGE_CONF", &storage)
        .run();
    let outcome = exits(outcome, 0);
    assert!(
        outcome.text().contains("the images are the same"),
        "{outcome}"
    );
    assert!(!buildah(&["images"]).contains("stromatekt-compat"));
}
