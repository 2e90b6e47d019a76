//! What the renderers make of a small plan.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stromatekt_graph::file::FileAction;
use stromatekt_graph::forecast::{Forecast, State};
use stromatekt_graph::op::{Context, Diff, Export, ExportLayer, File, Scratch};
use stromatekt_graph::{Graph, Node, NodeId, Op, Origin};
use stromatekt_oci::config::ImageConfig;

use super::picture::lines;
use super::{Kind, Plan, Root, dot, json, page, svg, text};

fn add(graph: &mut Graph, label: &str, op: Op) -> NodeId {
    let node = Node {
        op,
        label: label.into(),
        origin: Some(Origin {
            file: Arc::from("Dockerfile"),
            first_line: 2,
            last_line: 3,
        }),
        no_cache: false,
    };
    graph.add(node).unwrap()
}

/// From nothing a directory, of which a layer; and a context that nobody needs.
fn plan(label: &str) -> Plan {
    let mut graph = Graph::new();
    let empty = add(&mut graph, "scratch", Op::Scratch(Scratch));
    let context = Context {
        name: "context".into(),
    };
    add(&mut graph, "not needed", Op::Context(context));
    let make = FileAction::MakeDirectory {
        path: "/a".into(),
        owner: String::new(),
        time: None,
    };
    let made = File {
        root: empty,
        actions: vec![make],
    };
    let tree = add(&mut graph, label, Op::File(made));
    let diff = Diff {
        lower: Some(empty),
        upper: tree,
    };
    let changeset = add(&mut graph, "layer", Op::Diff(diff));
    let export = Export {
        base: None,
        layers: vec![ExportLayer {
            changeset,
            history: None,
        }],
        config: ImageConfig::default(),
        tree,
    };
    let node = add(&mut graph, "exporting", Op::Export(Box::new(export)));
    let runs = Forecast {
        state: State::Runs {
            why: "no earlier result".into(),
        },
        seconds: Some(1.5),
    };
    let roots = [Root {
        node,
        name: "app".into(),
    }];
    let forecasts = HashMap::from([(tree, runs)]);
    Plan::new(
        "app".into(),
        &graph,
        &roots,
        &forecasts,
        vec!["a note".into()],
    )
}

#[test]
fn steps_are_those_that_are_needed_and_views_are_no_work() {
    let plan = plan("WORKDIR /a");
    let kinds: Vec<Kind> = plan.steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [Kind::Scratch, Kind::File, Kind::Diff, Kind::Export]);
    assert_eq!(plan.waves(), [vec![2], vec![4]]);
    let lines: Vec<(usize, usize)> = lines(&plan)
        .iter()
        .map(|line| (line.from, line.to))
        .collect();
    assert_eq!(lines, [(2, 4)], "the layer is a line, drawn once");
}

#[test]
fn text_is_aligned() {
    assert_eq!(
        text::render(&plan("WORKDIR /a")),
        "app: 2 steps in 2 waves of up to 1 at the same time: 1 to run, 1 known only when others have run; last time those took 1.50 s

wave 1
  2 runs        WORKDIR /a  no earlier result; last time 1.50 s

wave 2
  4 unknown  2  exporting

images
  4 app

notes
  a note
"
    );
}

#[test]
fn json_has_the_fields_that_are_documented() {
    let value: Value = serde_json::from_str(&json::render(&plan("WORKDIR /a"))).unwrap();
    assert_eq!(
        value["steps"][1],
        json!({
            "id": 2, "label": "WORKDIR /a", "kind": "file",
            "origin": { "file": "Dockerfile", "firstLine": 2, "lastLine": 3 },
            "inputs": [1], "output": "tree", "state": "runs", "why": "no earlier result",
            "wave": 1, "seconds": 1.5,
        })
    );
    assert_eq!(value["images"], json!([{ "name": "app", "step": 4 }]));
    assert_eq!(
        (&value["version"], &value["notes"]),
        (&json!(1), &json!(["a note"]))
    );
}

#[test]
fn labels_of_others_stay_labels() {
    let mut plan = plan("RUN echo \"</title><script>\\ &lt; 'x'\"\n\u{1b}[1m");
    let dot = dot::render(&plan);
    assert!(
        dot.contains(r#"label="RUN echo \"</title><script>\\ &amp;lt; 'x'\" "#),
        "{dot}"
    );
    for text in [
        &mut plan.title,
        &mut plan.notes[0],
        &mut plan.images[0].name,
    ] {
        text.push_str("\n\u{1b}[2J");
    }
    for step in &mut plan.steps {
        let why = format!("it would fail:\n\u{1b}[2J{}", "x".repeat(500));
        step.state = State::Runs { why };
    }
    let text = text::render(&plan);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.lines().count(), 13, "{text}");
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(300), "{text}");
    for picture in [svg::render(&plan), page::render(&plan)] {
        assert!(!picture.contains("</title><script>"), "{picture}");
        assert!(!picture.contains('\u{1b}'), "{picture}");
    }
}
