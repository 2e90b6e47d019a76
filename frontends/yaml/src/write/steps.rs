//! The steps of a task: what a node does, in the fields of the language.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stromatekt_dockerfile::paths;
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::limits::Ulimit;
use stromatekt_graph::op::Op;
use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run, Security, Sharing};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::config::ImageConfig;

use super::units::Units;
use crate::environment;
use crate::names::CONTEXT;
use crate::process::with_shell;
use crate::spec::Variable;

/// Fields of an object.
pub type Fields = Map<String, Value>;

/// What steps are written with.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its units.
    pub units: &'a Units,
    /// The config of what the task is on.
    pub config: &'a ImageConfig,
}

/// Puts a field that says something.
pub fn put(fields: &mut Fields, name: &str, value: Value) {
    let is_empty = match &value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if !is_empty {
        fields.insert(name.to_owned(), value);
    }
}

/// One value, or a list of several.
pub fn one_or_more(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

impl Around<'_> {
    /// The fields of a step; nothing where the language has no word for it.
    pub fn step(&self, node: NodeId) -> Option<Fields> {
        let mut fields = Fields::new();
        match &self.graph.node(node).op {
            Op::Run(run) => self.run(&mut fields, run)?,
            Op::File(file) => self.files(&mut fields, &file.actions)?,
            _ => return None,
        }
        if self.graph.node(node).no_cache {
            put(&mut fields, "no-cache", json!(true));
        }
        Some(fields)
    }

    fn name(&self, node: NodeId) -> Option<&str> {
        self.units.names.get(&node).map(String::as_str)
    }

    fn run(&self, fields: &mut Fields, run: &Run) -> Option<()> {
        let text = run.args.last().cloned().unwrap_or_default();
        let is_text = run.executor == Executor::Runc
            && !text.trim().is_empty()
            && with_shell(None, self.config, &text) == run.args;
        let command = match is_text {
            true => json!(text),
            false => json!({ "args": run.args }),
        };
        put(fields, "run", command);
        let config = &self.config.config;
        let (env, sockets) = self.environment(run);
        put(fields, "env", env);
        if paths::join("/", &config.working_dir) != run.cwd {
            put(fields, "workdir", json!(run.cwd));
        }
        if config.user != run.user {
            put(fields, "user", json!(run.user));
        }
        let mounts: Option<Vec<Value>> =
            sockets.into_iter().map(|mount| self.mount(mount)).collect();
        put(fields, "mounts", Value::Array(mounts?));
        let network = match run.network {
            Network::Default => Value::Null,
            Network::None => json!("none"),
            Network::Host => json!("host"),
        };
        put(fields, "network", network);
        if run.security == Security::Insecure {
            put(fields, "security", json!("insecure"));
        }
        if run.executor == Executor::Wasi {
            put(fields, "executor", json!("wasi"));
        }
        put(fields, "hostname", json!(run.hostname));
        let mut hosts: Vec<(String, Vec<String>)> = Vec::new();
        for (name, address) in &run.extra_hosts {
            match hosts.last_mut().filter(|(last, _)| last == name) {
                Some((_, addresses)) => addresses.push(address.to_string()),
                None => hosts.push((name.clone(), vec![address.to_string()])),
            }
        }
        let hosts = hosts.into_iter().map(|(name, addresses)| {
            (
                name,
                one_or_more(addresses.into_iter().map(Value::from).collect()),
            )
        });
        put(fields, "hosts", Value::Object(hosts.collect()));
        let ulimits = run
            .limits
            .ulimits
            .iter()
            .map(|limit| (limit.name.clone(), ulimit(limit)));
        put(fields, "ulimits", Value::Object(ulimits.collect()));
        put(fields, "cgroup-parent", json!(run.limits.cgroup_parent));
        Some(())
    }

    /// What is done to the variables of the base, and the mounts in the order in which they must stand: the first ssh agent's socket
    /// becomes a variable by itself.
    fn environment<'m>(&self, run: &'m Run) -> (Value, Vec<&'m Mount>) {
        let mut mounts: Vec<&Mount> = run.mounts.iter().collect();
        let mut env = run.env.clone();
        if let Some((name, value)) = env.last()
            && name == environment::SSH
            && let Some(at) = mounts.iter().position(|mount| {
                matches!(mount.source, MountSource::Ssh { .. }) && mount.target == *value
            })
        {
            let first = mounts.remove(at);
            mounts.insert(0, first);
            env.pop();
        }
        let inherited = environment::of_config(&self.config.config.env);
        (variables(&inherited, &env), mounts)
    }

    fn mount(&self, mount: &Mount) -> Option<Value> {
        let mut fields = Fields::new();
        let mut default_target = None;
        let kind = match &mount.source {
            MountSource::Bind { .. } => "bind",
            MountSource::Cache { .. } => "cache",
            MountSource::Tmpfs { .. } => "tmpfs",
            MountSource::Secret { .. } => "secret",
            MountSource::Ssh { .. } => "ssh",
            MountSource::Inline { .. } => "file",
        };
        if kind != "bind" {
            put(&mut fields, "type", json!(kind));
        }
        if let MountSource::Secret {
            id, file: false, ..
        } = &mount.source
        {
            default_target = Some(format!("/run/secrets/{}", paths::base(id)));
        }
        if default_target.as_ref() != Some(&mount.target) {
            put(&mut fields, "target", json!(mount.target));
        }
        let access = |fields: &mut Fields, default: u32, mode: u32, uid: u32, gid: u32| {
            if mode != default {
                put(fields, "mode", json!(format!("{mode:04o}")));
            }
            for (name, id) in [("uid", uid), ("gid", gid)] {
                if id != 0 {
                    put(fields, name, json!(id));
                }
            }
        };
        let from = |fields: &mut Fields, from: NodeId, path: &str| {
            let name = self.name(from)?;
            if name != CONTEXT || kind == "cache" {
                put(fields, "from", json!(name));
            }
            if path != "/" {
                put(fields, "path", json!(path));
            }
            Some(())
        };
        match &mount.source {
            MountSource::Bind { from: tree, path } => from(&mut fields, *tree, path)?,
            MountSource::Cache {
                id,
                sharing,
                from: tree,
                mode,
                uid,
                gid,
            } => {
                if let Some((tree, path)) = tree {
                    from(&mut fields, *tree, path)?;
                }
                if *id != mount.target {
                    put(&mut fields, "id", json!(id));
                }
                let sharing = match sharing {
                    Sharing::Shared => Value::Null,
                    Sharing::Private => json!("private"),
                    Sharing::Locked => json!("locked"),
                };
                put(&mut fields, "sharing", sharing);
                access(&mut fields, 0o755, *mode, *uid, *gid);
            }
            MountSource::Tmpfs { size } => put(&mut fields, "size", json!(size)),
            MountSource::Secret {
                id,
                env,
                required,
                mode,
                uid,
                gid,
                ..
            } => {
                put(&mut fields, "id", json!(id));
                put(&mut fields, "env", json!(env));
                if *required {
                    put(&mut fields, "required", json!(true));
                }
                access(&mut fields, 0o400, *mode, *uid, *gid);
            }
            MountSource::Ssh {
                id,
                required,
                mode,
                uid,
                gid,
            } => {
                if id != "default" {
                    put(&mut fields, "id", json!(id));
                }
                if *required {
                    put(&mut fields, "required", json!(true));
                }
                access(&mut fields, 0o600, *mode, *uid, *gid);
            }
            MountSource::Inline { content, mode } => {
                bytes(&mut fields, content);
                access(&mut fields, 0o644, *mode, 0, 0);
            }
        }
        if mount.read_only == matches!(kind, "cache" | "tmpfs") {
            put(&mut fields, "read-only", json!(mount.read_only));
        }
        Some(Value::Object(fields))
    }

    fn files(&self, fields: &mut Fields, actions: &[FileAction]) -> Option<()> {
        let mut directories = Vec::new();
        let mut copies: Vec<Fields> = Vec::new();
        let mut files: Vec<&Copy> = Vec::new();
        for action in actions {
            match action {
                FileAction::MakeDirectory { path, owner, time } => {
                    let mut fields = Fields::new();
                    put(&mut fields, "path", json!(path));
                    if !owner.is_empty() {
                        put(&mut fields, "owner", json!(owner));
                    }
                    put(&mut fields, "time", json!(time));
                    directories.push(match fields.len() {
                        1 => json!(path),
                        _ => Value::Object(fields),
                    });
                }
                FileAction::Copy(copy) => match &copy.from {
                    CopySource::Inline { .. } => files.push(copy),
                    _ => {
                        let copy = self.copy(copy)?;
                        match copies.last_mut().filter(|last| goes_together(last, &copy)) {
                            Some(last) => join(last, copy),
                            None => copies.push(copy),
                        }
                    }
                },
            }
        }
        put(fields, "directories", one_or_more(directories));
        put(
            fields,
            "copy",
            one_or_more(copies.into_iter().map(Value::Object).collect()),
        );
        put(fields, "files", written(&files));
        Some(())
    }

    fn copy(&self, copy: &Copy) -> Option<Fields> {
        let mut fields = Fields::new();
        let (CopySource::Tree { from, .. } | CopySource::Blob { from, .. }) = &copy.from else {
            return None;
        };
        let name = self.name(*from)?;
        if name != CONTEXT {
            put(&mut fields, "from", json!(name));
        }
        if let CopySource::Tree { patterns, .. } = &copy.from
            && patterns.as_slice() != ["."]
        {
            let patterns = patterns.iter().map(|pattern| json!(pattern)).collect();
            put(&mut fields, "files", one_or_more(patterns));
        }
        put(&mut fields, "to", json!(copy.destination));
        if let (CopySource::Blob { name, .. }, Op::Http(http)) =
            (&copy.from, &self.graph.node(*from).op)
            && *name != paths::file_name(&http.url)
        {
            put(&mut fields, "name", json!(name));
        }
        options(&mut fields, copy);
        if copy.parents {
            put(&mut fields, "parents", json!(true));
        }
        if copy.unpack != Unpack::Never {
            put(&mut fields, "unpack", json!(true));
        }
        Some(fields)
    }
}

/// What makes some variables of others, as `env` says it.
fn variables(inherited: &[(String, String)], wanted: &[(String, String)]) -> Value {
    // Those that stay: the longest start of what is wanted that is there in this order.
    let mut rest = inherited.iter();
    let stays = wanted
        .iter()
        .take_while(|variable| rest.any(|known| known == *variable))
        .count();
    let mut changes = Map::new();
    for (name, _) in inherited {
        if !wanted.iter().any(|(known, _)| known == name) {
            changes.insert(name.clone(), Value::Null);
        }
    }
    for (name, value) in &wanted[stays..] {
        changes.insert(name.clone(), json!(value));
    }
    Value::Object(changes)
}

/// What makes the variables of one config of those of another, as `env` says it.
pub fn config_variables(inherited: &[String], wanted: &[String]) -> Value {
    let split = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    let name_of = |text: &String| split(text).0;
    let mut changes: Vec<Variable> = Vec::new();
    for variable in inherited {
        let name = name_of(variable);
        if !wanted.iter().any(|known| name_of(known) == name) {
            changes.push(Variable::Remove(name));
        }
    }
    for variable in wanted {
        if !inherited.contains(variable) {
            let (name, value) = split(variable);
            changes.push(Variable::Set(name, value));
        }
    }
    let mut env = inherited.to_vec();
    environment::apply_to_config(&mut env, &changes);
    if env != wanted {
        return json!(wanted);
    }
    let changes = changes.into_iter().filter_map(|change| match change {
        Variable::Set(name, value) => Some((name, json!(value))),
        Variable::Remove(name) => Some((name, Value::Null)),
        Variable::Clear => None,
    });
    Value::Object(changes.collect())
}

fn ulimit(limit: &Ulimit) -> Value {
    let text =
        |limit: Option<u64>| limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
    match limit.soft == limit.hard {
        true => json!(text(limit.soft)),
        false => json!(format!("{}:{}", text(limit.soft), text(limit.hard))),
    }
}

fn options(fields: &mut Fields, copy: &Copy) {
    put(fields, "owner", json!(copy.owner));
    put(fields, "mode", json!(copy.mode));
    put(
        fields,
        "exclude",
        one_or_more(copy.exclude.iter().map(|pattern| json!(pattern)).collect()),
    );
    if copy.link {
        put(fields, "link", json!(true));
    }
}

fn bytes(fields: &mut Fields, content: &[u8]) {
    let value = match std::str::from_utf8(content) {
        Ok(text) => ("content", json!(text)),
        Err(_) => ("base64", json!(STANDARD.encode(content))),
    };
    fields.insert(value.0.to_owned(), value.1);
}

/// Whether two copies are one of several files.
fn goes_together(one: &Fields, other: &Fields) -> bool {
    let without = |fields: &Fields| {
        let mut fields = fields.clone();
        fields.remove("files");
        fields
    };
    let is_directory = |fields: &Fields| {
        fields
            .get("to")
            .and_then(Value::as_str)
            .is_some_and(|to| to.ends_with('/'))
    };
    one.contains_key("files")
        && other.contains_key("files")
        && is_directory(one)
        && without(one) == without(other)
}

fn join(one: &mut Fields, other: Fields) {
    let list = |value: Option<&Value>| match value {
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
        None => Vec::new(),
    };
    let mut files = list(one.get("files"));
    files.extend(list(other.get("files")));
    one.insert("files".to_owned(), Value::Array(files));
}

/// Files that are written: by their paths where that says all, else one after another.
fn written(files: &[&Copy]) -> Value {
    let inline = |copy: &Copy| match &copy.from {
        CopySource::Inline { name, content } => (name.clone(), content.clone()),
        _ => (String::new(), Vec::new()),
    };
    let mut by_path = Map::new();
    let mut list = Vec::new();
    let mut is_by_path = true;
    for copy in files {
        let (name, content) = inline(copy);
        let to = &copy.destination;
        let mut fields = Fields::new();
        put(&mut fields, "to", json!(to));
        if paths::base(to) != name || to.ends_with('/') {
            is_by_path = false;
            fields.insert("name".to_owned(), json!(name));
        }
        is_by_path &= copy.exclude.is_empty();
        bytes(&mut fields, &content);
        options(&mut fields, copy);
        list.push(Value::Object(fields.clone()));
        fields.remove("to");
        let value = match fields.get("content") {
            Some(content) if fields.len() == 1 => content.clone(),
            _ => Value::Object(fields),
        };
        is_by_path &= by_path.insert(to.clone(), value).is_none();
    }
    match is_by_path {
        true => Value::Object(by_path),
        false => Value::Array(list),
    }
}
