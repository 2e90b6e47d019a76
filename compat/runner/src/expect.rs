//! Whether an image has what a case expects of it by itself.

use std::path::Path;

use serde_json::Value;
use stromatekt_compare::{Image, Node, NodeKind};
use stromatekt_oci::Digest;

use crate::definition::{Expectations, Expected, Properties};
use crate::verdict::Finding;

/// What is not as expected.
#[must_use]
pub fn check(expectations: &Expectations, image: &Image) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, expected) in &expectations.paths {
        let found = image.root.get(Path::new(path.trim_start_matches('/')));
        for text in of_path(expected, found) {
            findings.push(Finding::new(None, format!("expect {path}"), text));
        }
    }
    let config = serde_json::to_value(&image.config).unwrap_or_default();
    for (name, expected) in &expectations.config {
        let found = field(&config, name).unwrap_or(&Value::Null);
        if found != expected {
            findings.push(Finding::new(
                None,
                format!("expect {name}"),
                format!("{expected} expected, stromatekt has {found}"),
            ));
        }
    }
    findings
}

fn of_path(expected: &Expected, found: Option<&Node>) -> Vec<String> {
    match (expected, found) {
        (Expected::Absent, None) => Vec::new(),
        (Expected::Absent, Some(node)) => vec![format!(
            "nothing expected, stromatekt has a {}",
            kind(&node.kind)
        )],
        (Expected::File(_), None) => vec!["expected, but stromatekt has nothing there".to_owned()],
        (Expected::File(properties), Some(node)) => of_node(properties, node),
    }
}

fn of_node(expected: &Properties, node: &Node) -> Vec<String> {
    let target = match &node.kind {
        NodeKind::Symlink(target) => Some(target.to_string_lossy().into_owned()),
        _ => None,
    };
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: &Option<String>, found: Option<String>| {
        if let Some(expected) = expected
            && Some(expected) != found.as_ref()
        {
            wrong.push(format!(
                "{what} {expected:?} expected, stromatekt has {}",
                found.map_or("none".to_owned(), |found| format!("{found:?}"))
            ));
        }
    };
    compare("type", &expected.kind, Some(kind(&node.kind).to_owned()));
    compare("mode", &expected.mode, Some(format!("{:04o}", node.mode)));
    compare(
        "owner",
        &expected.owner,
        Some(format!("{}:{}", node.uid, node.gid)),
    );
    compare("target", &expected.target, target);
    if let Some(content) = &expected.content {
        match &node.kind {
            NodeKind::File(found) if found.digest == Digest::of(content.as_bytes()) => {}
            NodeKind::File(found) => {
                let shown = found
                    .text
                    .as_ref()
                    .map_or(format!("{} bytes", found.size), |text| format!("{text:?}"));
                wrong.push(format!(
                    "content {content:?} expected, stromatekt has {shown}"
                ));
            }
            other => wrong.push(format!("a file expected, stromatekt has a {}", kind(other))),
        }
    }
    wrong
}

/// The words of `case.yaml`.
fn kind(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::File(_) => "file",
        NodeKind::Directory => "directory",
        NodeKind::Symlink(_) => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::CharDevice(..) => "character-device",
        NodeKind::BlockDevice(..) => "block-device",
    }
}

/// The field that a name with dots means; keys may have dots themselves.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(name) {
        return Some(found);
    }
    name.match_indices('.')
        .find_map(|(at, _)| field(value.get(&name[..at])?, &name[at + 1..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::field;

    #[test]
    fn fields_are_found_by_names_with_dots() {
        let config = json!({"config": {"Env": ["A=1"], "Labels": {"org.example.a": "b"}}});
        assert_eq!(field(&config, "config.Env"), Some(&json!(["A=1"])));
        assert_eq!(
            field(&config, "config.Labels.org.example.a"),
            Some(&json!("b"))
        );
        assert_eq!(field(&config, "config.Cmd"), None);
    }
}
