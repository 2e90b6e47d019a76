//! `stromatekt image diff`: two images from anywhere, side by side.

use std::fs;

use serde_json::Value;
use stromatekt_tests::docker::Docker;
use stromatekt_tests::registry::Registry;
use stromatekt_tests::{Context, Lab, Outcome, requirement};
use tempfile::TempDir;

fn diff(lab: &Lab, args: &[&str]) -> Outcome {
    lab.stromatekt(["image", "diff"]).args(args).run()
}

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a temporary directory")
}

#[track_caller]
fn exits(outcome: Outcome, code: i32) -> Outcome {
    assert_eq!(outcome.code, Some(code), "{outcome}");
    outcome
}

#[test]
fn an_image_is_the_same_wherever_it_is() {
    let (lab, out) = (Lab::shared(), directory());
    let context = Context::dockerfile(
        "FROM busybox\nENV A=1\nRUN mkdir /d && echo x > /d/f && ln /d/f /d/g && rm -r /home\nCMD [\"sh\"]\n",
    );
    let at = |name: &str| out.path().join(name).display().to_string();
    lab.build(&context)
        .args(["-t", "diff-same:1"])
        .output("type=image")
        .output(format!("type=oci,tar=false,dest={}", at("layout")))
        .output(format!("type=oci,dest={}", at("oci.tar")))
        .output(format!("type=docker,dest={}", at("docker.tar")))
        .ok();
    for place in [
        at("layout"),
        format!("oci:{}:1", at("layout")),
        format!("oci-archive:{}", at("oci.tar")),
        format!("docker-archive:{}:diff-same:1", at("docker.tar")),
    ] {
        let outcome = exits(diff(&lab, &["diff-same:1", &place]), 0);
        assert!(
            outcome.text().ends_with("the images are the same"),
            "{place}: {outcome}"
        );
    }
    let json = exits(diff(&lab, &["--json", "diff-same:1", &at("layout")]), 0).json();
    assert_eq!(json["same"], Value::Bool(true), "{json}");
}

#[test]
fn what_differs_is_told_and_what_is_expected_to_is_counted() {
    let (lab, out) = (Lab::shared(), directory());
    let build = |name: &str, dockerfile: &str| {
        let layout = out.path().join(name).display().to_string();
        lab.build(&Context::dockerfile(dockerfile))
            .output(format!("type=oci,tar=false,dest={layout}"))
            .ok();
        layout
    };
    let left = build(
        "left",
        "FROM busybox\nENV A=1\nRUN echo one > /f; echo 1 > /a.pyc; mkdir /d; echo > /d/x; chmod 600 /d/x\n",
    );
    let right = build(
        "right",
        "FROM busybox\nENV A=2\nRUN echo two > /f; echo 2 > /a.pyc; ln -s f /l\n",
    );
    let told = exits(diff(&lab, &[&left, &right]), 1);
    for text in [
        "  ~ Env[1]  A=1  A=2\n",
        "  - /d  (directory 0755 0:0)\n      … and 1 below it\n",
        "  + /l  (symbolic link 0:0 -> f)\n",
        "  ~ /f content: ",
        "      -one\n      +two\n",
        "  bytecode ",
        "history: 2 differences (--history shows them)\n",
    ] {
        assert!(told.text().contains(text), "expected {text:?}:\n{told}");
    }
    assert_eq!(told.stderr, "");
    let told = exits(diff(&lab, &["--history", &left, &right]), 1);
    assert!(
        told.text().contains("- ENV A=1\n      + ENV A=2\n"),
        "{told}"
    );
    let json = exits(diff(&lab, &["--json", &left, &right]), 1).json();
    let places = |json: &Value| -> Vec<String> {
        let differences = json["differences"].as_array().expect("a list");
        let places = differences.iter().map(|difference| &difference["place"]);
        places
            .map(|place| place.as_str().expect("a text").to_owned())
            .collect()
    };
    for place in [
        "config.Env[1]",
        "history[1].created_by",
        "/d/x",
        "/f content",
    ] {
        assert!(places(&json).iter().any(|found| found == place), "{json}");
    }
    assert_eq!(json["noise"]["bytecode"]["count"], 1, "{json}");
    let strict = exits(diff(&lab, &["--json", "--strict", &left, &right]), 1).json();
    assert!(
        places(&strict)
            .iter()
            .any(|found| found == "/a.pyc content")
    );
    assert_eq!(strict["noise"], serde_json::json!({}));
}

#[test]
fn what_cannot_be_compared_has_an_exit_code_of_its_own() {
    let (lab, out) = (Lab::shared(), directory());
    let broken = out.path().join("broken.tar");
    fs::write(&broken, "this is no archive").expect("there is room for it");
    let broken = broken.display().to_string();
    for (image, said) in [
        ("no-such-image", "there is no image `no-such-image`"),
        ("/no/such/path", "/no/such/path"),
        (broken.as_str(), "broken.tar"),
        ("dir:/tmp", "transport"),
        ("docker://127.0.0.1:1/x", "127.0.0.1:1"),
    ] {
        let outcome = exits(diff(&lab, &["busybox", image]), 2);
        assert!(outcome.stderr.contains(said), "{outcome}");
        assert_eq!(outcome.text(), "");
    }
}

#[test]
fn a_registrys_image_is_fetched() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let lab = Lab::shared();
    let name = registry.name("diff:1");
    lab.build(&Context::dockerfile("FROM busybox\nRUN echo > /f\n"))
        .args(["-t", &name, "--load", "--push"])
        .ok();
    let outcome = exits(diff(&lab, &[&name, &format!("docker://{name}")]), 0);
    assert!(
        outcome.text().ends_with("the images are the same"),
        "{outcome}"
    );
}

#[test]
fn dockers_own_image_is_saved() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let (lab, out) = (Lab::shared(), directory());
    let archive = out.path().join("docker.tar").display().to_string();
    lab.build(&Context::dockerfile("FROM busybox\nRUN echo > /f\n"))
        .args(["-t", "stromatekt-diff:1"])
        .output(format!("type=docker,dest={archive}"))
        .ok();
    docker.run(["load", "-i", &archive]).ok();
    let compare = |image: &str| {
        lab.stromatekt(["image", "diff", image, &archive])
            .env("DOCKER_HOST", docker.host())
            .run()
    };
    let outcome = exits(compare("docker-daemon:stromatekt-diff:1"), 0);
    assert!(
        outcome.text().ends_with("the images are the same"),
        "{outcome}"
    );
    let outcome = exits(compare("docker-daemon:stromatekt-diff:2"), 2);
    assert!(outcome.stderr.contains("stromatekt-diff:2"), "{outcome}");
}

#[test]
fn what_is_not_installed_is_told() {
    let lab = Lab::shared();
    let outcome = lab
        .stromatekt(["image", "diff", "busybox", "docker-daemon:x"])
        .env("PATH", "/nowhere")
        .run();
    let outcome = exits(outcome, 2);
    assert!(
        outcome.stderr.contains("docker is not installed"),
        "{outcome}"
    );
}

#[test]
fn buildahs_own_image_is_written_to_a_layout() {
    if !requirement::program("buildah") {
        return;
    }
    let (lab, out) = (Lab::shared(), directory());
    let archive = out.path().join("oci.tar").display().to_string();
    lab.build(&Context::dockerfile("FROM busybox\nRUN echo > /f\n"))
        .output(format!("type=oci,dest={archive}"))
        .ok();
    let storage = super::compat::buildahs_storage(out.path());
    let pulled = std::process::Command::new("buildah")
        .args(["pull", "--quiet", &format!("oci-archive:{archive}")])
        .env("CONTAINERS_STORAGE_CONF", &storage)
        .output()
        .expect("buildah runs");
    assert!(pulled.status.success(), "{pulled:?}");
    let id = String::from_utf8_lossy(&pulled.stdout).trim().to_owned();
    let outcome = lab
        .stromatekt(["image", "diff", &archive])
        .arg(format!("containers-storage:{id}"))
        .env("CONTAINERS_STORAGE_CONF", &storage)
        .run();
    exits(outcome, 0);
}
