//! The config of an image, as far as it differs from the one that it starts as.

use serde_json::{Map, Value, json};
use stromatekt_oci::config::{HealthConfig, History, ImageConfig};
use stromatekt_oci::platform::Platform;

use super::steps::{Fields, config_variables, put};
use crate::config::{call, normalize};
use crate::duration;

/// What an image's config is written with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// What it starts as.
    pub config: &'a ImageConfig,
    /// The platform that somebody asked for.
    pub asked: Option<&'a Platform>,
    /// How many entries of the history are the base's.
    pub base_history: usize,
    /// The time that `source-date-epoch` gives.
    pub created: Option<&'a str>,
}

/// Whether a config can come of one: only what `config` can take away is missing.
pub fn is_reachable(start: &ImageConfig, wanted: &ImageConfig) -> bool {
    let (from, to) = (&start.config, &wanted.config);
    let loses = |from: &str, to: &str| !from.is_empty() && to.is_empty();
    from.exposed_ports.is_subset(&to.exposed_ports)
        && from.volumes.is_subset(&to.volumes)
        && (from.healthcheck.is_none() || to.healthcheck.is_some())
        && (from.shell.is_empty() || !to.shell.is_empty())
        && !loses(&from.stop_signal, &to.stop_signal)
        && to.on_build.starts_with(&from.on_build)
}

/// The fields of `config`.
pub fn fields(start: &Start<'_>, wanted: &ImageConfig) -> Fields {
    let mut fields = Fields::new();
    let (from, to) = (&start.config.config, &wanted.config);
    if from.entrypoint != to.entrypoint {
        fields.insert("entrypoint".to_owned(), json!(to.entrypoint));
    }
    let cmd: &[String] = match from.entrypoint == to.entrypoint {
        true => &from.cmd,
        false => &[],
    };
    let mut is_escaped = from.args_escaped;
    // Not put: an empty one says something.
    if cmd != to.cmd {
        fields.insert("cmd".to_owned(), json!(to.cmd));
        is_escaped = true;
    }
    if is_escaped != to.args_escaped {
        put(&mut fields, "args-escaped", json!(to.args_escaped));
    }
    put(&mut fields, "env", config_variables(&from.env, &to.env));
    for (name, from, to) in [
        ("user", &from.user, &to.user),
        ("workdir", &from.working_dir, &to.working_dir),
        ("stop-signal", &from.stop_signal, &to.stop_signal),
        ("author", &start.config.author, &wanted.author),
    ] {
        if from != to {
            put(&mut fields, name, json!(to));
        }
    }
    let mut labels = Map::new();
    for name in from
        .labels
        .keys()
        .filter(|name| !to.labels.contains_key(*name))
    {
        labels.insert(name.clone(), Value::Null);
    }
    for (name, value) in &to.labels {
        if from.labels.get(name) != Some(value) {
            labels.insert(name.clone(), json!(value));
        }
    }
    put(&mut fields, "labels", Value::Object(labels));
    let more = |from: &std::collections::BTreeSet<String>,
                to: &std::collections::BTreeSet<String>| {
        to.difference(from)
            .map(|text| json!(text))
            .collect::<Value>()
    };
    put(
        &mut fields,
        "ports",
        more(&from.exposed_ports, &to.exposed_ports),
    );
    put(&mut fields, "volumes", more(&from.volumes, &to.volumes));
    if let Some(health) = to
        .healthcheck
        .as_ref()
        .filter(|_| from.healthcheck != to.healthcheck)
    {
        fields.insert("healthcheck".to_owned(), healthcheck(health));
    }
    if from.shell != to.shell {
        put(&mut fields, "shell", json!(to.shell));
    }
    let triggers = to.on_build.get(from.on_build.len()..).unwrap_or_default();
    put(&mut fields, "on-build", json!(triggers));
    if wanted.created.as_deref() != start.created {
        put(&mut fields, "created", json!(wanted.created));
    }
    let mut called = start.config.clone();
    if let Some(asked) = start.asked {
        call(&mut called, asked);
    }
    normalize(&mut called);
    if called.platform() != wanted.platform() {
        put(
            &mut fields,
            "platform",
            json!(wanted.platform().to_string()),
        );
    }
    let history = wanted.history.get(start.base_history..).unwrap_or_default();
    fields.insert("history".to_owned(), history.iter().map(entry).collect());
    fields
}

fn healthcheck(health: &HealthConfig) -> Value {
    let mut fields = Fields::new();
    match health.test.as_slice() {
        [none] if none == "NONE" && *health == only(&health.test) => return json!("none"),
        [kind, text] if kind == "CMD-SHELL" => put(&mut fields, "test", json!(text)),
        test => put(&mut fields, "test", json!(test)),
    }
    for (name, time) in [
        ("interval", health.interval),
        ("timeout", health.timeout),
        ("start-period", health.start_period),
        ("start-interval", health.start_interval),
    ] {
        if time != 0 {
            put(&mut fields, name, json!(duration::write(time)));
        }
    }
    if health.retries != 0 {
        put(&mut fields, "retries", json!(health.retries));
    }
    Value::Object(fields)
}

fn only(test: &[String]) -> HealthConfig {
    HealthConfig {
        test: test.to_vec(),
        ..HealthConfig::default()
    }
}

fn entry(entry: &History) -> Value {
    let mut fields = Fields::new();
    for (name, text) in [
        ("by", &entry.created_by),
        ("comment", &entry.comment),
        ("author", &entry.author),
    ] {
        if !text.is_empty() {
            put(&mut fields, name, json!(text));
        }
    }
    put(&mut fields, "created", json!(entry.created));
    if entry.empty_layer {
        put(&mut fields, "empty-layer", json!(true));
    }
    Value::Object(fields)
}
