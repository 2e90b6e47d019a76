//! Operations as steps of a JSON pipeline, field by field as `read` and its siblings take them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stromatekt_graph::NodeId;
use stromatekt_graph::export::{Object, TreeFile};
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::limits::{Limits, Ulimit};
use stromatekt_graph::op::{Expected, Git, Http, ImageLocation, Op};
use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run, Security, Sharing};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::digest::Digest;

use crate::write::{WriteError, Writer};

/// A file that is a blob: all but its tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    path: String,
    media_type: Option<String>,
    digest: Option<Digest>,
}

impl BlobKey {
    /// The file of a tree.
    pub fn of(file: &TreeFile) -> Self {
        Self {
            path: file.path.clone(),
            media_type: file.media_type.clone(),
            digest: file.digest,
        }
    }
}

/// A map without what is null.
fn fields(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, v)| !v.is_null()).collect())
        }
        other => other,
    }
}

/// True, or nothing.
fn flag(value: bool) -> Value {
    if value { true.into() } else { Value::Null }
}

/// Where an image is.
pub fn location(source: &ImageLocation) -> Value {
    match source {
        ImageLocation::Named(reference) => fields(json!({
            "imageType": "docker",
            "name": reference.familiar_name(),
            "tag": reference.tag(),
            "digest": reference.digest().map(ToString::to_string),
        })),
        ImageLocation::Layout { path, selector } => {
            let is_digest = selector
                .as_ref()
                .is_some_and(|s| s.parse::<Digest>().is_ok());
            fields(json!({
                "imageType": "oci",
                "path": path.to_string_lossy(),
                "tag": selector.as_ref().filter(|_| !is_digest),
                "digest": selector.as_ref().filter(|_| is_digest),
            }))
        }
    }
}

/// A repository.
pub fn git(name: &str, git: &Git) -> Value {
    fields(json!({
        "sourceType": "git",
        "resultVar": name,
        "remote": git.remote,
        "reference": git.reference,
        "subdirectory": git.subdirectory,
        "keepGitDir": flag(git.keep_git_dir),
        "checksum": git.checksum,
        "skipSubmodules": flag(git.skip_submodules),
        "commitTime": flag(git.commit_time),
        "fetchByCommit": flag(git.fetch_by_commit),
    }))
}

/// A file of a web server.
pub fn http(name: &str, http: &Http) -> Value {
    fields(json!({
        "sourceType": "http",
        "resultVar": name,
        "url": http.url,
        "checksum": http.checksum.map(|digest| digest.to_string()),
    }))
}

/// A file that becomes a blob.
pub fn blob(var: &str, file: &BlobKey) -> Value {
    json!({"stepType": "snapshot-files", "files": [fields(json!({
        "fileType": "blob",
        "path": file.path,
        "media": file.media_type,
        "hash": file.digest.map_or("sha256".to_owned(), |digest| digest.to_string()),
        "var": var,
    }))]})
}

/// An operation on a tree.
pub fn step(writer: &Writer<'_>, id: NodeId, op: &Op) -> Result<Value, WriteError> {
    match op {
        Op::Run(process) => run(writer, id, process),
        Op::File(file) => {
            let mut files = Vec::new();
            for action in &file.actions {
                files.push(action_entry(writer, id, action)?);
            }
            Ok(json!({"stepType": "files", "files": files}))
        }
        Op::Stack(stack) => {
            let names: Result<Vec<&str>, _> = stack
                .layers
                .iter()
                .map(|layer| writer.changeset(layer.changeset))
                .collect();
            let mut step = json!({"stepType": "apply-changesets", "changesets": names?});
            if stack.is_exclusive {
                step["exclusive"] = true.into();
            }
            Ok(step)
        }
        Op::Expect(expect) => Ok(match &expect.expected {
            Expected::Tree(digest) => json!({"stepType": "expect", "tree": digest.to_string()}),
            Expected::File { path, digest } => {
                json!({"stepType": "expect", "path": path, "digest": digest.to_string()})
            }
            Expected::Layer { diff_id, .. } => {
                json!({"stepType": "expect", "changeset": diff_id.to_string()})
            }
        }),
        Op::Objects(described) => {
            let objects = objects(writer, &described.objects, id)?;
            Ok(json!({"stepType": "import-objects", "objects": objects, "path": described.path}))
        }
        _ => Err(writer.cannot(id, "it is no step")),
    }
}

/// Layers that are imported.
pub fn objects(
    writer: &Writer<'_>,
    objects: &[Object],
    user: NodeId,
) -> Result<Vec<Value>, WriteError> {
    let mut list = Vec::new();
    for object in objects {
        let mut layers = Vec::new();
        if let Some(base) = object.base {
            layers.push(writer.name_of(base, user)?);
        }
        for layer in &object.layers {
            layers.push(writer.changeset(*layer)?);
        }
        if layers.is_empty() {
            return Err(writer.cannot(user, "it describes no layers"));
        }
        list.push(json!({
            "layer": layers,
            "name": object.name,
            "mediaType": match object.compression {
                Compression::None => "tar",
                Compression::Gzip => "tar+gzip",
                Compression::Zstd => "tar+zstd",
                Compression::Bzip2 | Compression::Xz => {
                    return Err(writer.cannot(user, "layers are compressed in a way that images do not have"));
                }
            },
        }));
    }
    Ok(list)
}

fn action_entry(writer: &Writer<'_>, id: NodeId, action: &FileAction) -> Result<Value, WriteError> {
    match action {
        FileAction::Copy(copy) => copy_entry(writer, id, copy),
        FileAction::MakeDirectory { path, owner, time } => Ok(fields(json!({
            "fileType": "make-directory",
            "path": path,
            "owner": (!owner.is_empty()).then_some(owner),
            "time": time,
        }))),
    }
}

fn copy_entry(writer: &Writer<'_>, id: NodeId, copy: &Copy) -> Result<Value, WriteError> {
    let mut entry = match &copy.from {
        CopySource::Tree { from, patterns } => {
            let from = writer.name_of(*from, id)?;
            json!({
                "fileType": "copy-file",
                "from": (from != "context").then_some(from),
                "source": match patterns.as_slice() {
                    [one] => json!(one),
                    several => json!(several),
                },
            })
        }
        CopySource::Blob { from, name } => {
            json!({"fileType": "fetched-file", "from": writer.name_of(*from, id)?, "name": name})
        }
        CopySource::Inline { name, content } => {
            let mut entry = json!({
                "fileType": "inline-file",
                "name": (!name.is_empty()).then_some(name),
            });
            put_content(&mut entry, content);
            entry
        }
    };
    entry["target"] = copy.destination.as_str().into();
    entry["owner"] = json!(copy.owner);
    entry["mode"] = json!(copy.mode);
    entry["link"] = flag(copy.link);
    // What files of the other types cannot have means nothing for them.
    if !matches!(copy.from, CopySource::Inline { .. }) {
        entry["unpack"] = match copy.unpack {
            Unpack::Never => Value::Null,
            Unpack::Archives => "archives".into(),
            Unpack::Always => "always".into(),
        };
    }
    if matches!(copy.from, CopySource::Tree { .. }) {
        entry["parents"] = flag(copy.parents);
        entry["exclude"] = match copy.exclude.is_empty() {
            true => Value::Null,
            false => json!(copy.exclude),
        };
    }
    Ok(fields(entry))
}

fn put_content(entry: &mut Value, content: &[u8]) {
    match std::str::from_utf8(content) {
        Ok(text) => entry["content"] = text.into(),
        Err(_) => entry["contentBase64"] = STANDARD.encode(content).into(),
    }
}

fn run(writer: &Writer<'_>, id: NodeId, run: &Run) -> Result<Value, WriteError> {
    let env: Vec<String> = run
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut mounts = Vec::new();
    for mount in &run.mounts {
        mounts.push(mount_entry(writer, id, mount)?);
    }
    let limits = &run.limits;
    let process = fields(json!({
        "args": run.args,
        "env": (!env.is_empty()).then_some(env),
        "cwd": (run.cwd != "/").then_some(&run.cwd),
        "user": user(writer, id, run)?,
        "rlimits": (!limits.ulimits.is_empty()).then(|| limits.ulimits.iter().map(rlimit).collect::<Vec<_>>()),
    }));
    let spec = fields(json!({
        "process": process,
        "hostname": run.hostname,
        "mounts": (!mounts.is_empty()).then_some(mounts),
        "linux": resources(limits),
    }));
    let mut hosts: Map<String, Value> = Map::new();
    for (name, address) in &run.extra_hosts {
        let addresses = hosts.entry(name).or_insert_with(|| json!([]));
        if let Some(addresses) = addresses.as_array_mut() {
            addresses.push(address.to_string().into());
        }
    }
    Ok(fields(json!({
        "stepType": "run",
        "spec": spec,
        "executor": match run.executor {
            Executor::Runc => Value::Null,
            Executor::Wasi => "wasi".into(),
        },
        "network": match run.network {
            Network::Default => Value::Null,
            Network::Host => "host".into(),
            Network::None => "none".into(),
        },
        "security": match run.security {
            Security::Sandbox => Value::Null,
            Security::Insecure => "insecure".into(),
        },
        "extraHosts": (!hosts.is_empty()).then_some(hosts),
        "cgroupParent": limits.cgroup_parent,
    })))
}

/// A text where that says all.
fn user(writer: &Writer<'_>, id: NodeId, run: &Run) -> Result<Value, WriteError> {
    if run.groups.is_empty() {
        return Ok(match run.user.as_str() {
            "" => Value::Null,
            user => user.into(),
        });
    }
    let (name, group) = match run.user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (run.user.as_str(), None),
    };
    let gid = match group.map(str::parse::<u32>) {
        None => None,
        Some(Ok(gid)) => Some(gid),
        Some(Err(_)) => {
            return Err(writer.cannot(id, "a user with more groups has a number as its group"));
        }
    };
    let name = if name.is_empty() { "0" } else { name };
    let uid = name.parse::<u32>().ok();
    Ok(fields(json!({
        "uid": uid,
        "username": uid.is_none().then_some(name),
        "gid": gid,
        "additionalGids": run.groups,
    })))
}

fn rlimit(limit: &Ulimit) -> Value {
    json!({
        "type": format!("RLIMIT_{}", limit.name.to_uppercase()),
        "soft": limit.soft.unwrap_or(u64::MAX),
        "hard": limit.hard.unwrap_or(u64::MAX),
    })
}

fn resources(limits: &Limits) -> Value {
    let resources = &limits.resources;
    if *resources == Default::default() {
        return Value::Null;
    }
    json!({"resources": {
        "memory": fields(json!({"limit": resources.memory, "swap": resources.memory_swap})),
        "cpu": fields(json!({
            "shares": resources.cpu_shares,
            "quota": resources.cpu_quota,
            "period": resources.cpu_period,
            "cpus": resources.cpus,
            "mems": resources.mems,
        })),
    }})
}

fn mount_entry(writer: &Writer<'_>, id: NodeId, mount: &Mount) -> Result<Value, WriteError> {
    let access = |mode: u32, uid: u32, gid: u32| {
        json!({
            "mode": format!("{mode:04o}"),
            "uid": (uid != 0).then_some(uid),
            "gid": (gid != 0).then_some(gid),
        })
    };
    let (kind, more) = match &mount.source {
        MountSource::Bind { from, path } => {
            let from = writer.name_of(*from, id)?;
            let from = (from != "context").then_some(from);
            ("bind", json!({"from": from, "source": path}))
        }
        MountSource::Tmpfs { size } => ("tmpfs", json!({"size": size})),
        MountSource::Cache {
            id: cache,
            sharing,
            from,
            mode,
            uid,
            gid,
        } => {
            let mut more = access(*mode, *uid, *gid);
            more["id"] = cache.as_str().into();
            more["sharing"] = match sharing {
                Sharing::Shared => Value::Null,
                Sharing::Private => "private".into(),
                Sharing::Locked => "locked".into(),
            };
            if let Some((from, path)) = from {
                more["from"] = writer.name_of(*from, id)?.into();
                more["source"] = path.as_str().into();
            }
            ("cache", more)
        }
        MountSource::Secret {
            id: secret,
            env,
            file,
            required,
            mode,
            uid,
            gid,
        } => {
            let mut more = access(*mode, *uid, *gid);
            more["id"] = secret.as_str().into();
            more["env"] = json!(env);
            more["file"] = (*file).into();
            more["required"] = flag(*required);
            ("secret", more)
        }
        MountSource::Ssh {
            id: agent,
            required,
            mode,
            uid,
            gid,
        } => {
            let mut more = access(*mode, *uid, *gid);
            more["id"] = agent.as_str().into();
            more["required"] = flag(*required);
            ("ssh", more)
        }
        MountSource::Inline { content, mode } => {
            let mut more = json!({"mode": format!("{mode:04o}")});
            put_content(&mut more, content);
            ("inline", more)
        }
    };
    let mut entry = json!({"type": kind, "destination": mount.target});
    if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), more) {
        entry.extend(more);
    }
    if mount.read_only {
        entry["options"] = json!(["ro"]);
    }
    Ok(fields(entry))
}
