//! What the steps do to the layers of a timeline.

use serde_json::{Value, json};
use stromatekt_graph::op::Export;
use stromatekt_graph::{Graph, NodeId, Op};

use crate::given;

fn lowered(timelines: Value) -> (Graph, Vec<NodeId>) {
    let import = |name: &str| json!({"importType": "layer", "image": {"imageType": "docker", "name": name}, "resultVar": name});
    let value = json!({"images": [import("base"), import("patched")], "timelines": timelines});
    let lowered = given::lowered(&value.to_string())
        .unwrap_or_else(|problem| panic!("{problem}: {:?}", problem.help));
    let nodes = lowered.images.iter().map(|image| image.exports[0].node);
    (lowered.graph.clone(), nodes.collect())
}

fn export(graph: &Graph, node: NodeId) -> &Export {
    match &graph.node(node).op {
        Op::Export(export) => export,
        other => panic!("{other:?} is no export"),
    }
}

fn write(path: &str) -> Value {
    json!({"stepType": "files", "files": [{"fileType": "inline-file", "content": "x", "target": path}]})
}

fn image_name(graph: &Graph, node: Option<NodeId>) -> String {
    match node.map(|node| &graph.node(node).op) {
        Some(Op::Image(image)) => image.source.to_string(),
        other => panic!("{other:?} is no image"),
    }
}

#[test]
fn the_base_of_a_built_stack_is_swapped_by_one_line() {
    let (graph, images) = lowered(json!([
        {"resultVar": "app", "steps": [
            {"stepType": "apply", "layerStack": "base"}, write("/a"),
            {"stepType": "snapshot-changeset", "var": "a"}, write("/b"),
            {"stepType": "export-image"}]},
        {"resultVar": "swapped", "steps": [
            {"stepType": "copy-layer-stack", "layerStack": "app"},
            {"stepType": "apply", "layerStack": "patched"},
            {"stepType": "export-image"}]},
    ]));
    let (app, swapped) = (export(&graph, images[0]), export(&graph, images[1]));
    assert_eq!(
        image_name(&graph, app.base),
        "docker.io/library/base:latest"
    );
    assert_eq!(
        image_name(&graph, swapped.base),
        "docker.io/library/patched:latest"
    );
    let layers =
        |export: &Export| -> Vec<NodeId> { export.layers.iter().map(|l| l.changeset).collect() };
    assert_eq!(layers(app), layers(swapped), "what it wrote stays");
    assert_eq!(app.layers.len(), 2, "open changes are a layer, too");
    let Op::Stack(stack) = &graph.node(swapped.tree).op else {
        panic!("the changesets are put on the other base");
    };
    assert_eq!(stack.base, swapped.base);
}

#[test]
fn what_was_applied_goes_when_another_stack_is_and_what_was_copied_stays() {
    let (graph, images) = lowered(json!([
        {"resultVar": "one", "steps": [write("/1"), {"stepType": "snapshot-changeset", "var": "x"}]},
        {"resultVar": "two", "steps": [write("/2"), {"stepType": "snapshot-changeset", "var": "y"}]},
        {"resultVar": "app", "steps": [
            {"stepType": "apply-changesets", "changesets": ["x"]},
            {"stepType": "copy-changeset", "changeset": "y"},
            {"stepType": "apply", "layerStack": "base"},
            {"stepType": "export-image"}]},
    ]));
    let app = export(&graph, images[0]);
    assert_eq!(app.layers.len(), 1);
    assert!(graph.node(app.layers[0].changeset).label.contains('y'));
}

#[test]
fn changes_stay_open_when_another_stack_is_applied() {
    let (graph, images) = lowered(json!([
        {"resultVar": "app", "steps": [
            {"stepType": "apply", "layerStack": "base"}, write("/a"),
            {"stepType": "apply", "layerStack": "patched"}, write("/b"),
            {"stepType": "snapshot-changeset", "var": "both"},
            {"stepType": "export-image"}]},
    ]));
    let app = export(&graph, images[0]);
    assert_eq!(app.layers.len(), 1);
    let Op::Diff(diff) = &graph.node(app.layers[0].changeset).op else {
        panic!("a changeset");
    };
    assert_eq!(diff.lower, app.base, "it begins on the new base, before /a");
}

#[test]
fn an_image_on_top_of_another_is_its_layers() {
    let (graph, images) = lowered(json!([
        {"resultVar": "app", "steps": [
            {"stepType": "export-image", "layers": ["base", "patched"], "configFrom": "base",
             "config": {"config": {"Cmd": ["x"]}}}]},
    ]));
    let app = export(&graph, images[0]);
    assert_eq!(app.layers.len(), 2);
    assert!(
        matches!(graph.node(app.layers[1].changeset).op, Op::Layer(ref layer) if layer.index == 1)
    );
    assert_eq!(app.config.config.cmd, ["x"]);
    assert_eq!(app.config.history.len(), 4);
    assert!(matches!(graph.node(app.tree).op, Op::Stack(_)));
}

#[test]
fn the_history_of_an_image_is_about_its_layers_wherever_its_config_is_from() {
    let base = "docker.io/library/base:latest";
    for (config_from, has_path) in [(None, false), (Some("patched"), true)] {
        let mut step =
            json!({"stepType": "export-image", "config": {"created": "2024-01-01T00:00:00Z"}});
        if let Some(name) = config_from {
            step["configFrom"] = name.into();
        }
        let (graph, images) = lowered(json!([
            {"resultVar": "app", "steps": [
                {"stepType": "apply", "layerStack": "base"}, write("/a"),
                {"stepType": "snapshot-changeset", "var": "mine"}, step]},
        ]));
        let app = export(&graph, images[0]);
        let told: Vec<(&str, Option<&str>)> = app
            .config
            .history
            .iter()
            .map(|entry| (entry.created_by.as_str(), entry.created.as_deref()))
            .collect();
        let mine = ("mine", Some("2024-01-01T00:00:00Z"));
        assert_eq!(told, [(base, None), (base, None), mine]);
        assert_eq!(app.layers[0].history, Some(2));
        assert_eq!(!app.config.config.env.is_empty(), has_path);
    }
}

#[test]
fn the_history_of_picked_layers_has_an_entry_for_each() {
    let (graph, images) = lowered(json!([
        {"resultVar": "app", "steps": [
            {"stepType": "export-image", "layers": ["imports.base.layers.1", "imports.patched.layers.0"], "configFrom": "base"}]},
    ]));
    let history = &export(&graph, images[0]).config.history;
    let told: Vec<&str> = history.iter().map(|e| e.created_by.as_str()).collect();
    assert_eq!(told, ["base.layers.1", "patched.layers.0"]);
}
