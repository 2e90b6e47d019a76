//! Comparing image configs, field by field.
//!
//! A field that is empty, zero or `null` is the same as one that is not there: builders write both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stromatekt_oci::{ContainerConfig, ImageConfig};

use crate::compare::Found;
use crate::comparison::{Difference, Kind};
use crate::noise::Class;
use crate::rules::{BUILDAH, Builder};
use crate::sequence::unequal;

/// What docker notes of the container that it built in, at the top of a config and among the fields of the container.
const DAEMON: [&str; 3] = ["container", "container_config", "docker_version"];
const CONTAINER: [&str; 10] = [
    "Hostname",
    "Domainname",
    "Image",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "MacAddress",
];
/// Labels and fields by which builders tell of themselves.
const NOTES: [&str; 4] = [
    "moby.buildkit.buildinfo.v1",
    "moby.buildkit.cache.v0",
    BUILDAH,
    "Parent",
];

pub(crate) fn compare(left: &ImageConfig, right: &ImageConfig, found: &mut Found<'_>) {
    for (field, left, right) in [
        ("architecture", &left.architecture, &right.architecture),
        ("os", &left.os, &right.os),
        ("author", &left.author, &right.author),
    ] {
        text(field, left, right, found);
    }
    for (field, left, right) in [
        ("variant", &left.variant, &right.variant),
        ("os.version", &left.os_version, &right.os_version),
    ] {
        let plain = |text: &Option<String>| text.clone().unwrap_or_default();
        text(field, &plain(left), &plain(right), found);
    }
    list("os.features", &left.os_features, &right.os_features, found);
    if left.created != right.created {
        let difference = Difference::new("created", Kind::Config)
            .sides(left.created.clone(), right.created.clone());
        found.add_as(Some(Class::Created), difference);
    }
    container(&left.config, &right.config, found);
    extra("", &left.extra, &right.extra, &DAEMON, found);
}

fn container(left: &ContainerConfig, right: &ContainerConfig, found: &mut Found<'_>) {
    text("config.User", &left.user, &right.user, found);
    set(
        "config.ExposedPorts",
        &left.exposed_ports,
        &right.exposed_ports,
        found,
    );
    list("config.Env", &left.env, &right.env, found);
    for (field, left, right) in [
        ("config.Entrypoint", &left.entrypoint, &right.entrypoint),
        ("config.Cmd", &left.cmd, &right.cmd),
        ("config.Shell", &left.shell, &right.shell),
    ] {
        words(field, left, right, found);
    }
    set("config.Volumes", &left.volumes, &right.volumes, found);
    working_dir(&left.working_dir, &right.working_dir, found);
    map("config.Labels", &left.labels, &right.labels, found);
    text(
        "config.StopSignal",
        &left.stop_signal,
        &right.stop_signal,
        found,
    );
    if left.args_escaped != right.args_escaped {
        let side = |flag: bool| flag.then(|| "true".to_owned());
        // BuildKit writes it on every platform, others for Windows alone.
        let is_note = found.rules.left != Builder::BuildKit;
        let difference = Difference::new("config.ArgsEscaped", Kind::Config)
            .sides(side(left.args_escaped), side(right.args_escaped));
        found.add_as(is_note.then_some(Class::BuilderNotes), difference);
    }
    let health = |config: &ContainerConfig| -> Map<String, Value> {
        let health = config.healthcheck.as_ref().map(serde_json::to_value);
        match health {
            Some(Ok(Value::Object(fields))) => fields,
            _ => Map::new(),
        }
    };
    extra(
        "config.Healthcheck.",
        &health(left),
        &health(right),
        &[],
        found,
    );
    list("config.OnBuild", &left.on_build, &right.on_build, found);
    extra("config.", &left.extra, &right.extra, &CONTAINER, found);
}

fn text(field: &str, left: &str, right: &str, found: &mut Found<'_>) {
    if left != right {
        let side = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        found.add(Difference::new(field, Kind::Config).sides(side(left), side(right)));
    }
}

fn working_dir(left: &str, right: &str, found: &mut Found<'_>) {
    const FIELD: &str = "config.WorkingDir";
    // BuildKit says where an image of nothing starts; others leave it out, which means the same.
    let is_root = |text: &str| matches!(text, "" | "/");
    if found.rules.left != Builder::BuildKit && left != right && is_root(left) && is_root(right) {
        let side = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let difference = Difference::new(FIELD, Kind::Config).sides(side(left), side(right));
        found.add_as(Some(Class::BuilderNotes), difference);
    } else {
        text(FIELD, left, right, found);
    }
}

/// A command: one thing, as people write it.
fn words(field: &str, left: &[String], right: &[String], found: &mut Found<'_>) {
    if left != right {
        let side =
            |words: &[String]| (!words.is_empty()).then(|| Value::from(words.to_vec()).to_string());
        found.add(Difference::new(field, Kind::Config).sides(side(left), side(right)));
    }
}

fn list(field: &str, left: &[String], right: &[String], found: &mut Found<'_>) {
    for (old, new) in unequal(left, right) {
        let Some(at) = old.or(new) else { continue };
        let difference = Difference::new(format!("{field}[{at}]"), Kind::Config).sides(
            old.map(|old| left[old].clone()),
            new.map(|new| right[new].clone()),
        );
        found.add(difference);
    }
}

fn set(field: &str, left: &BTreeSet<String>, right: &BTreeSet<String>, found: &mut Found<'_>) {
    for key in left.symmetric_difference(right) {
        let side = |set: &BTreeSet<String>| set.contains(key).then(|| key.clone());
        let difference =
            Difference::new(format!("{field}.{key}"), Kind::Config).sides(side(left), side(right));
        found.add(difference);
    }
}

fn map(
    field: &str,
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
    found: &mut Found<'_>,
) {
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (old, new) = (left.get(key), right.get(key));
        if old != new {
            let class = NOTES.contains(&key.as_str()).then_some(Class::BuilderNotes);
            let difference = Difference::new(format!("{field}.{key}"), Kind::Config)
                .sides(old.cloned(), new.cloned());
            found.add_as(class, difference);
        }
    }
}

/// Fields that are compared as they are written. Those in `daemon` are docker's notes.
fn extra(
    prefix: &str,
    left: &Map<String, Value>,
    right: &Map<String, Value>,
    daemon: &[&str],
    found: &mut Found<'_>,
) {
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let side = |fields: &Map<String, Value>| {
            let value = fields.get(key).filter(|value| !is_nothing(value))?;
            Some(match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            })
        };
        let (old, new) = (side(left), side(right));
        if old == new {
            continue;
        }
        let class = match key.as_str() {
            key if daemon.contains(&key) => Some(Class::DaemonFields),
            key if NOTES.contains(&key) => Some(Class::BuilderNotes),
            _ => None,
        };
        let difference = Difference::new(format!("{prefix}{key}"), Kind::Config).sides(old, new);
        found.add_as(class, difference);
    }
}

/// Whether Go writes this for a field that has no value.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}
