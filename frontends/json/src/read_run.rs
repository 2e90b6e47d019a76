//! A step that runs a process: `spec` is a part of the runtime-spec's `config.json`, the rest is what that has no place for.

use stromatekt_graph::limits::{Resources, Ulimit};
use stromatekt_graph::path;
use stromatekt_graph::run::{Executor, Network, Security};
use stromatekt_pipeline::{Fields, Item, Kind, Problem, check_hostname, hosts};

use crate::model::{MountEntry, RunStep};
use crate::read::{absolute, each, no_zero, optional_string};
use crate::read_mount;

/// The value of `soft` and `hard` that is no limit: `RLIM_INFINITY` of getrlimit(2).
const UNLIMITED: u64 = u64::MAX;

/// The fields of a step of type `run`.
pub fn run(fields: &mut Fields<'_>) -> Result<RunStep, Problem> {
    let spec = spec(&fields.required("spec")?)?;
    let executors = [("runc", Executor::Runc), ("wasi", Executor::Wasi)];
    let executor = match fields.take("executor") {
        Some(item) => item.word("executor", &executors)?,
        None => Executor::default(),
    };
    let networks = [
        ("default", Network::Default),
        ("host", Network::Host),
        ("none", Network::None),
    ];
    let network = match fields.take("network") {
        Some(item) => Some((item.word("network", &networks)?, item.place())),
        None => None,
    };
    let securities = [
        ("sandbox", Security::Sandbox),
        ("insecure", Security::Insecure),
    ];
    let security = match fields.take("security") {
        Some(item) => Some((item.word("security", &securities)?, item.place())),
        None => None,
    };
    let extra_hosts = match fields.take("extraHosts") {
        Some(item) => hosts(&item)?,
        None => Vec::new(),
    };
    Ok(RunStep {
        args: spec.process.args,
        env: spec.process.env,
        cwd: spec.process.cwd,
        user: spec.process.user.name,
        groups: spec.process.user.groups,
        hostname: spec.hostname,
        mounts: spec.mounts,
        executor,
        network,
        security,
        extra_hosts,
        ulimits: spec.process.ulimits,
        cgroup_parent: optional_string(fields, "cgroupParent")?,
        resources: spec.resources,
    })
}

struct Spec {
    process: Process,
    hostname: Option<String>,
    mounts: Vec<MountEntry>,
    resources: Option<Resources>,
}

struct Process {
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: String,
    user: User,
    ulimits: Vec<Ulimit>,
}

#[derive(Default)]
struct User {
    /// As `USER` of a Dockerfile has it.
    name: String,
    /// More groups.
    groups: Vec<u32>,
}

fn spec(item: &Item<'_>) -> Result<Spec, Problem> {
    let mut fields = item.fields("the `spec` of a process")?;
    let process = process(&fields.required("process")?)?;
    let hostname = match fields.take("hostname") {
        Some(item) => Some(hostname(&item)?),
        None => None,
    };
    let mounts = each(fields.take("mounts"), read_mount::mount)?;
    let resources = match fields.take("linux") {
        Some(item) => linux(&item)?,
        None => None,
    };
    fields.refuse(
        &[
            "annotations",
            "domainname",
            "hooks",
            "ociVersion",
            "root",
            "solaris",
            "vm",
            "windows",
            "zos",
        ],
        "of the runtime-spec is not supported here",
    )?;
    fields.finish()?;
    Ok(Spec {
        process,
        hostname,
        mounts,
        resources,
    })
}

fn hostname(item: &Item<'_>) -> Result<String, Problem> {
    let name = item.non_empty()?;
    check_hostname(&item.place(), name)?;
    Ok(name.to_owned())
}

fn process(item: &Item<'_>) -> Result<Process, Problem> {
    let mut fields = item.fields("a process")?;
    let args_item = fields.required("args")?;
    let args: Vec<String> = args_item
        .strings()?
        .into_iter()
        .map(str::to_owned)
        .collect();
    if args.is_empty() {
        return Err(args_item.problem("there is nothing to run"));
    }
    for arg in args_item.list()? {
        no_zero(&arg, arg.string()?)?;
    }
    let mut env = Vec::new();
    for variable in fields
        .take("env")
        .map_or(Ok(Vec::new()), |item| item.list())?
    {
        let text = variable.string()?;
        no_zero(&variable, text)?;
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                env.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                return Err(variable
                    .problem(format!("`{text}` is no variable"))
                    .help("write NAME=value"));
            }
        }
    }
    let cwd = match fields.take("cwd") {
        Some(item) => path::clean(&absolute(&item)?),
        None => "/".to_owned(),
    };
    let user = match fields.take("user") {
        Some(item) => user(&item)?,
        None => User::default(),
    };
    let ulimits = match fields.take("rlimits") {
        Some(item) => rlimits(&item)?,
        None => Vec::new(),
    };
    fields.refuse(
        &[
            "apparmorProfile",
            "capabilities",
            "commandLine",
            "consoleSize",
            "execCPUAffinity",
            "ioPriority",
            "noNewPrivileges",
            "oomScoreAdj",
            "scheduler",
            "selinuxLabel",
            "terminal",
        ],
        "of the runtime-spec is not supported here",
    )?;
    fields.finish()?;
    Ok(Process {
        args,
        env,
        cwd,
        user,
        ulimits,
    })
}

/// A string is what `USER` of a Dockerfile has, an object has numbers or names.
fn user(item: &Item<'_>) -> Result<User, Problem> {
    if let Kind::String(text) = item.kind() {
        return Ok(User {
            name: no_zero(item, text)?.to_owned(),
            groups: Vec::new(),
        });
    }
    let mut fields = item.fields("the user of a process")?;
    let number = |item: Item<'_>| -> Result<u32, Problem> {
        let id = item.u64()?;
        // The highest one that containers have.
        match i32::try_from(id).map(i32::unsigned_abs) {
            Ok(id) => Ok(id),
            Err(_) => Err(item.problem(format!("`{id}` is too big for an id"))),
        }
    };
    let uid = fields.take("uid").map(number).transpose()?;
    let gid = fields.take("gid").map(number).transpose()?;
    let groups = each(fields.take("additionalGids"), |item| number(item.clone()))?;
    let username = fields.take("username");
    let user = match (&username, uid) {
        (Some(name), None) => {
            let text = no_zero(name, name.non_empty()?)?;
            if text.contains(':') {
                return Err(name
                    .problem("a name of a user has no `:`")
                    .help("`gid` is the number of a group; a string `name:group` in the place of the object names one"));
            }
            text.to_owned()
        }
        (Some(name), Some(_)) => {
            return Err(name.problem("a user has a `uid` or a `username`, not both"));
        }
        // Without a group, the tree says which one is the user's.
        (None, Some(uid)) => uid.to_string(),
        (None, None) => {
            return Err(fields
                .problem("the user of a process has no `uid`")
                .help("`uid` is a number; `username` a name of the tree's /etc/passwd"));
        }
    };
    fields.refuse(&["umask"], "of the runtime-spec is not supported here")?;
    fields.finish()?;
    let name = match gid {
        Some(gid) => format!("{user}:{gid}"),
        None => user,
    };
    Ok(User { name, groups })
}

fn rlimits(item: &Item<'_>) -> Result<Vec<Ulimit>, Problem> {
    let mut limits: Vec<Ulimit> = Vec::new();
    for item in item.list()? {
        let mut fields = item.fields("a limit")?;
        let kind = fields.required("type")?;
        let text = kind.string()?;
        let name = Ulimit::NAMES
            .iter()
            .find(|name| text.strip_prefix("RLIMIT_") == Some(&name.to_uppercase()));
        let Some(name) = name else {
            let known: Vec<String> = Ulimit::NAMES
                .iter()
                .map(|name| format!("RLIMIT_{}", name.to_uppercase()))
                .collect();
            let mut problem = kind.problem(format!("`{text}` is no limit of setrlimit(2)"));
            problem.help = stromatekt_pipeline::suggest(text, known.iter().map(String::as_str));
            return Err(problem);
        };
        if limits.iter().any(|limit| limit.name == *name) {
            return Err(kind.problem(format!("`{text}` is there twice")));
        }
        let soft = fields.required("soft")?;
        let hard = fields.required("hard")?;
        let bound = |item: &Item<'_>| Ok(Some(item.u64()?).filter(|value| *value != UNLIMITED));
        let limit = Ulimit {
            name: (*name).to_owned(),
            soft: bound(&soft)?,
            hard: bound(&hard)?,
        };
        if limit.soft.unwrap_or(UNLIMITED) > limit.hard.unwrap_or(UNLIMITED) {
            return Err(soft.problem("the soft limit is above the hard one"));
        }
        fields.finish()?;
        limits.push(limit);
    }
    Ok(limits)
}

fn linux(item: &Item<'_>) -> Result<Option<Resources>, Problem> {
    let mut fields = item.fields("`linux` of a process")?;
    let mut resources = None;
    if let Some(item) = fields.take("resources") {
        let mut found = Resources::default();
        let mut fields = item.fields("the resources of a process")?;
        if let Some(item) = fields.take("memory") {
            let mut fields = item.fields("`memory` of a process")?;
            found.memory = fields.take("limit").map(|item| item.u64()).transpose()?;
            found.memory_swap = fields.take("swap").map(|item| item.i64()).transpose()?;
            fields.finish()?;
        }
        if let Some(item) = fields.take("cpu") {
            let mut fields = item.fields("`cpu` of a process")?;
            found.cpu_shares = fields.take("shares").map(|item| item.u64()).transpose()?;
            found.cpu_quota = fields.take("quota").map(|item| item.i64()).transpose()?;
            found.cpu_period = fields.take("period").map(|item| item.u64()).transpose()?;
            found.cpus = optional_string(&mut fields, "cpus")?;
            found.mems = optional_string(&mut fields, "mems")?;
            fields.finish()?;
        }
        fields.finish()?;
        resources = Some(found);
    }
    fields.refuse(
        &[
            "cgroupsPath",
            "devices",
            "gidMappings",
            "intelRdt",
            "maskedPaths",
            "mountLabel",
            "namespaces",
            "personality",
            "readonlyPaths",
            "rootfsPropagation",
            "seccomp",
            "sysctl",
            "timeOffsets",
            "uidMappings",
        ],
        "of the runtime-spec is not supported here",
    )?;
    fields.finish()?;
    Ok(resources)
}
