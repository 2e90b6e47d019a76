//! docker's own verbs, and scripts that call them: `alias docker=stromatekt`.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use stromatekt_tests::registry::Registry;
use stromatekt_tests::{Context, Lab, Outcome, binary, command, requirement};
use tempfile::TempDir;

const DOCKERFILE: &str =
    "FROM busybox\nENV MADE=1\nLABEL a.b=c\nRUN echo made > /made\nCMD [\"/bin/sh\"]\n";

/// A script as a job of continuous integration has it, with docker being stromatekt.
fn script(lab: &Lab, text: &str, variables: &[(&str, &str)]) -> Outcome {
    let directory = TempDir::new().expect("there is room for a temporary directory");
    symlink(binary::stromatekt(), directory.path().join("docker")).expect("own directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-eu", "-c", text])
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .env("STROMATEKT_ROOT", lab.root())
        .env("DOCKER_CONFIG", directory.path())
        .envs(variables.iter().copied());
    command::run(&mut shell, None)
}

#[test]
fn a_script_of_a_job_runs_with_stromatekt_as_docker() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (lab, context) = (Lab::with_busybox(), Context::dockerfile(DOCKERFILE));
    let text = r#"
        docker version > /dev/null
        docker info > /dev/null
        cd "$CONTEXT"
        export DOCKER_BUILDKIT=1
        docker build -t app --pull=false --label "commit=$COMMIT" .
        docker tag app "$REGISTRY/team/app:$COMMIT"
        docker push "$REGISTRY/team/app:$COMMIT"
        docker push -q "$REGISTRY/team/app:$COMMIT"
        id=$(docker image inspect --format '{{.Id}}' app)
        test "$id" = "$(docker images --no-trunc -q app)"
        docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' app | grep -x MADE=1
        test "$(docker inspect --type image -f '{{index .Config.Labels "commit"}}' app)" = "$COMMIT"
        docker image inspect --format '{{index .RepoDigests 0}}' app | grep "^$REGISTRY/team/app@sha256:"
        docker images --format '{{.Repository}}:{{.Tag}}' | grep -x "$REGISTRY/team/app:$COMMIT"
        docker history --no-trunc --format '{{.CreatedBy}}' app | head -n 1 | grep CMD
        docker save app | docker load | grep 'Loaded image: app:latest'
        docker save -o app.tar app
        docker load -q -i app.tar
        digest=$(docker image inspect --format '{{index .RepoDigests 0}}' app)
        docker rmi "$REGISTRY/team/app:$COMMIT" app
        if docker image inspect app > /dev/null 2>&1; then echo still there; exit 1; fi
        docker pull "$REGISTRY/team/app:$COMMIT"
        test "$(docker pull -q "$REGISTRY/team/app:$COMMIT")" = "$REGISTRY/team/app:$COMMIT"
        test "$(docker image inspect --format '{{.Id}}' "$REGISTRY/team/app:$COMMIT")" = "$id"
        test "$(docker image inspect --format '{{index .RepoDigests 0}}' "$digest")" = "$digest"
        docker rmi -f nope
        docker image prune -f
        docker builder prune -af
        docker buildx build -q -t app . | grep '^sha256:'
    "#;
    let outcome = script(
        &lab,
        text,
        &[
            ("CONTEXT", &context.path().to_string_lossy()),
            ("COMMIT", "0abc"),
            ("REGISTRY", registry.address()),
        ],
    );
    outcome.ok();
}

#[test]
fn usage_says_docker_where_it_is_called_docker() {
    let lab = Lab::shared();
    let outcome = script(
        &lab,
        "docker build --help; docker build --nope || true",
        &[],
    )
    .ok();
    assert!(outcome.text().contains("docker build"), "{outcome}");
    assert!(
        outcome.stderr.contains("docker build --help") || outcome.stderr.contains("--nope"),
        "{outcome}"
    );
}

#[test]
fn all_names_of_build_are_build() {
    let (lab, context) = (Lab::shared(), Context::dockerfile(DOCKERFILE));
    let path = context.path().to_string_lossy().into_owned();
    let id = |verb: &[&str]| {
        let outcome = lab
            .stromatekt(verb.iter().copied())
            .args(["-q", &path])
            .run()
            .ok();
        outcome.text().to_owned()
    };
    let expected = id(&["build"]);
    for verb in [
        &["image", "build"][..],
        &["builder", "build"],
        &["buildx", "build"],
        &["buildx", "b"],
    ] {
        assert_eq!(id(verb), expected, "{verb:?}");
    }
}

#[test]
fn inspect_has_dockers_shape() {
    let (lab, context) = (Lab::shared(), Context::dockerfile(DOCKERFILE));
    lab.build(&context).args(["-t", "shaped"]).ok();
    let shown = lab.stromatekt(["inspect", "shaped"]).run().ok().json();
    let image = &shown[0];
    assert_eq!(image["RepoTags"][0], "shaped:latest");
    assert_eq!(image["Comment"], "buildkit.dockerfile.v0");
    assert_eq!(image["RootFS"]["Type"], "layers");
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(2));
    let config = &image["Config"];
    assert_eq!(config["Labels"]["a.b"], "c");
    assert!(
        config["Entrypoint"].is_null() && config.get("Entrypoint").is_some(),
        "{config}"
    );
    assert_eq!(config["User"], "");
    let filled = |template: &str| {
        let outcome = lab
            .stromatekt(["image", "inspect", "--format", template, "shaped"])
            .run()
            .ok();
        outcome.text().to_owned()
    };
    assert_eq!(filled("{{json .Config.Cmd}}"), r#"["/bin/sh"]"#);
    assert_eq!(
        filled("{{.Config.Cmd}} {{.Config.Volumes}}"),
        "[/bin/sh] map[]"
    );
    lab.stromatekt(["inspect", "-f", "{{.Nope}}", "shaped"])
        .run()
        .failed()
        .says(&[".Nope", ".RepoTags"]);
    lab.stromatekt(["inspect", "--type", "container", "shaped"])
        .run()
        .failed()
        .says(&["--type=container"]);
}

#[test]
fn history_is_the_newest_step_first() {
    let (lab, context) = (Lab::shared(), Context::dockerfile(DOCKERFILE));
    lab.build(&context).args(["-t", "with-history"]).ok();
    let outcome = lab.stromatekt(["history", "with-history"]).run().ok();
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert!(lines[0].starts_with("IMAGE "), "{outcome}");
    assert!(
        lines[1].contains("CMD [\"/bin/sh\"]") && lines[1].contains("0B"),
        "{outcome}"
    );
    assert!(
        lines[2].starts_with("<missing>") && lines[2].contains("RUN /bin/sh -c echo made"),
        "{outcome}"
    );
    let quiet = lab
        .stromatekt(["image", "history", "-q", "--no-trunc", "with-history"])
        .run()
        .ok();
    assert!(quiet.text().starts_with("sha256:"), "{quiet}");
    assert_eq!(quiet.text().lines().count(), lines.len() - 1);
}

#[test]
fn what_is_about_containers_is_refused_with_a_way_out() {
    let lab = Lab::shared();
    for (args, said) in [
        (&["run", "--rm", "-it", "busybox", "sh"][..], "docker load"),
        (&["ps"], "docker load"),
        (&["compose", "up", "-d"], "services"),
        (&["buildx", "create", "--use"], "no daemon"),
        (&["image", "import", "x"], "image load"),
        (&["system", "df"], "du -sh"),
    ] {
        let name = args
            .iter()
            .take_while(|arg| !arg.starts_with('-'))
            .take(1)
            .copied()
            .collect::<String>();
        lab.stromatekt(args.iter().copied()).run().failed().says(&[
            &name,
            "only builds images",
            said,
        ]);
    }
    lab.stromatekt(["-H", "tcp://192.0.2.1:1", "images"])
        .run()
        .failed()
        .says(&["--host=tcp://192.0.2.1:1"]);
    lab.stromatekt(["--context", "default", "images"])
        .run()
        .ok();
}

#[test]
fn nothing_is_pruned_unasked() {
    let (lab, context) = (Lab::with_busybox(), Context::dockerfile(DOCKERFILE));
    lab.build(&context).ok();
    lab.stromatekt(["image", "prune"])
        .run()
        .failed()
        .says(&["--force"]);
    lab.stromatekt(["builder", "prune", "--filter", "until=1h", "-f"])
        .run()
        .failed()
        .says(&["--filter"]);
    let dangling = |lab: &Lab| {
        let outcome = lab
            .stromatekt(["images", "-q", "--filter", "dangling=true"])
            .run()
            .ok();
        outcome.text().lines().count()
    };
    assert_eq!(dangling(&lab), 1);
    lab.stromatekt(["system", "prune", "-f"]).run().ok();
    assert_eq!(dangling(&lab), 0);
    assert!(lab.images().contains("busybox"));
}

#[test]
fn a_login_is_tried_and_kept() {
    let Some(registry) = Registry::with_password() else {
        return;
    };
    let directory = TempDir::new().expect("there is room for a temporary directory");
    let config = directory.path().to_string_lossy().into_owned();
    let (lab, address) = (Lab::with_busybox(), registry.address());
    let cli = |args: &[&str]| {
        lab.stromatekt(["--config", &config])
            .args(args.iter().copied())
    };
    let name = format!("{address}/mine");
    cli(&["tag", "busybox", &name]).run().ok();
    cli(&["push", &name]).run().failed().says(&["docker login"]);
    cli(&["login", "-u", "ali", "--password-stdin", address])
        .stdin("wrong\n")
        .run()
        .failed()
        .says(&["does not take"]);
    cli(&["login", "-u", "ali", address])
        .run()
        .failed()
        .says(&["--password-stdin"]);
    let outcome = cli(&["login", "-u", "ali", "--password-stdin", address])
        .stdin("open sesame\n")
        .run()
        .ok();
    assert_eq!(outcome.text(), "Login Succeeded");
    let kept = fs::read_to_string(directory.path().join("config.json")).expect("it is kept");
    assert!(kept.contains(stromatekt_tests::registry::AUTH), "{kept}");
    cli(&["push", &name]).run().ok();
    cli(&["logout", address]).run().ok();
    cli(&["pull", &name]).run().failed();
    let other = cli(&["logout", address]).run().ok();
    assert!(other.text().contains("Not logged in"), "{other}");
}

#[test]
fn several_tags_are_pushed_at_once() {
    let Some(registry) = Registry::start() else {
        return;
    };
    if !requirement::program("skopeo") {
        return;
    }
    let lab = Lab::with_busybox();
    let name = format!("{}/several", registry.address());
    for tag in ["1", "2"] {
        lab.stromatekt(["tag", "busybox", &format!("{name}:{tag}")])
            .run()
            .ok();
    }
    let outcome = lab.stromatekt(["push", "-a", &name]).run().ok();
    assert_eq!(outcome.text().lines().count(), 2, "{outcome}");
    let tags = command::program(
        "skopeo",
        [
            "list-tags",
            "--tls-verify=false",
            &format!("docker://{name}"),
        ],
    )
    .ok()
    .json();
    assert_eq!(tags["Tags"].as_array().map(Vec::len), Some(2), "{tags}");
    lab.stromatekt(["push", &format!("{name}:3")])
        .run()
        .failed()
        .says(&["several:3"]);
}
