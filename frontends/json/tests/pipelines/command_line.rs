//! What is said besides the pipeline: permissions, variables, limits, hosts, where images are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stromatekt_graph::Op;
use stromatekt_graph::limits::{Limits, Resources, Ulimit};
use stromatekt_graph::op::ImageLocation;
use stromatekt_graph::run::{Network, Run};
use stromatekt_json::lower;
use stromatekt_pipeline::{Document, ImageConfigs, Lowered, Lowering, Options, Problem};

use crate::given;

/// A pipeline of one step that runs a process, with these fields.
fn pipeline(step: Value) -> String {
    let mut run = json!({"stepType": "run", "spec": {"process": {"args": ["x"]}}});
    let step = step.as_object().expect("a map").clone();
    run.as_object_mut().expect("a map").extend(step);
    json!({"timelines": [{"resultVar": "a", "steps": [run, {"stepType": "export-image"}]}]})
        .to_string()
}

fn lowered(text: &str, options: &Options) -> Result<Lowered, Problem> {
    given::lowered_with(text, options, &BTreeMap::new())
}

/// The process of the one step.
fn process(lowered: &Lowered) -> &Run {
    let mut nodes = lowered.graph.nodes();
    let found = nodes.find_map(|(_, node)| match &node.op {
        Op::Run(run) => Some(run.as_ref()),
        _ => None,
    });
    found.expect("a process")
}

#[test]
fn steps_have_no_permission_that_was_not_given() {
    let nothing = Options {
        allows_host_network: false,
        allows_insecure: false,
        ..given::options()
    };
    for (step, permission) in [
        (json!({"network": "host"}), "network.host"),
        (json!({"security": "insecure"}), "security.insecure"),
    ] {
        let text = pipeline(step);
        let problem = lowered(&text, &nothing).expect_err(permission);
        assert_eq!(
            problem.message,
            format!("the step needs the permission {permission}, which was not given")
        );
        assert_eq!(
            problem.help.as_deref(),
            Some(format!("pass --allow {permission}").as_str())
        );
        let field = permission.split('.').next().unwrap_or_default();
        assert_eq!(problem.place.path, format!("timelines[0].steps[0].{field}"));
        lowered(&text, &given::options()).expect("it is allowed");
    }
    let host = Options {
        network: Network::Host,
        ..nothing
    };
    lowered(&pipeline(json!({"network": "host"})), &host).expect("all have that network");
}

#[test]
fn proxies_reach_the_steps_and_other_variables_are_told_to_be_unused() {
    let given = |name: &str| (name.to_owned(), Some("v".to_owned()));
    let options = Options {
        variables: [given("https_proxy"), given("VERSION")].into(),
        ..given::options()
    };
    let lowered = lowered(&pipeline(json!({})), &options).expect("it is sound");
    let names: Vec<&str> = process(&lowered)
        .proxy_env
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["HTTPS_PROXY", "https_proxy"]);
    assert_eq!(
        lowered.warnings,
        ["[Warning] One or more build-args [VERSION] were not consumed"]
    );
}

#[test]
fn what_a_step_says_counts_more_than_the_command_line_one_by_one() {
    let ulimit = |name: &str, value| Ulimit {
        name: name.to_owned(),
        soft: Some(value),
        hard: Some(value),
    };
    let address = |text: &str| text.parse().expect("an address");
    let options = Options {
        limits: Limits {
            ulimits: vec![ulimit("core", 1), ulimit("nofile", 2)],
            cgroup_parent: Some("outer".to_owned()),
            resources: Resources {
                memory: Some(1),
                ..Resources::default()
            },
        },
        extra_hosts: vec![("a".to_owned(), address("10.0.0.1"))],
        ..given::options()
    };
    let text = pipeline(json!({
        "spec": {"process": {"args": ["x"], "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]}},
        "extraHosts": {"a": "10.0.0.2"},
    }));
    let lowered = lowered(&text, &options).expect("it is sound");
    let run = process(&lowered);
    assert_eq!(run.limits.ulimits, [ulimit("core", 1), ulimit("nofile", 3)]);
    assert_eq!(run.limits.cgroup_parent.as_deref(), Some("outer"));
    assert_eq!(run.limits.resources.memory, Some(1));
    let hosts: Vec<String> = run.extra_hosts.iter().map(|(_, a)| a.to_string()).collect();
    assert_eq!(hosts, ["10.0.0.2", "10.0.0.1"], "the first one counts");
}

#[test]
fn directories_are_named_from_where_the_pipeline_is() {
    let text = json!({
        "sources": [{"sourceType": "directory", "resultVar": "shared", "path": "../shared"}],
        "timelines": [{"resultVar": "a", "steps": [
            {"stepType": "apply", "layerStack": "shared"}, {"stepType": "export-image"}]}],
    })
    .to_string();
    for (file, expected) in [
        ("p.json", "../shared"),
        ("some/where/p.json", "some/where/../shared"),
        ("/p.json", "/../shared"),
    ] {
        let document = Document::parse_json(file, &text).expect("JSON");
        let (options, configs) = (given::options(), ImageConfigs::new());
        let lowering = lower(&document, &options, &configs, &BTreeMap::new());
        let Ok(Lowering::Done(lowered)) = lowering else {
            panic!("{file}: it is sound");
        };
        assert_eq!(lowered.contexts["shared"], Path::new(expected), "{file}");
    }
}

#[test]
fn images_are_where_the_nearest_of_their_names_says() {
    let text = json!({
        "images": [{"importType": "layer", "image": {"imageType": "docker", "name": "debian", "tag": "12"}, "resultVar": "base"}],
        "timelines": [{"resultVar": "a", "steps": [
            {"stepType": "apply", "layerStack": "base"}, {"stepType": "export-image"}]}],
    })
    .to_string();
    for (names, expected) in [
        (&["debian", "debian:12"][..], Some("debian:12")),
        (
            &["debian", "docker.io/library/debian:12"],
            Some("docker.io/library/debian:12"),
        ),
        (&["debian", "debian:11"], Some("debian")),
        (&["debian:11", "deb"], None),
    ] {
        let overrides: BTreeMap<String, PathBuf> = names
            .iter()
            .map(|name| ((*name).to_owned(), name.into()))
            .collect();
        let lowered =
            given::lowered_with(&text, &given::options(), &overrides).expect("it is sound");
        let mut nodes = lowered.graph.nodes();
        let found = nodes.find_map(|(_, node)| match &node.op {
            Op::Image(image) => Some(image.source.clone()),
            _ => None,
        });
        let path = match found {
            Some(ImageLocation::Layout { path, .. }) => Some(path),
            _ => None,
        };
        assert_eq!(path.as_deref(), expected.map(Path::new), "{names:?}");
    }
}
