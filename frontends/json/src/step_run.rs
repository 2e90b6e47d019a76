//! A step that runs a process.

use stromatekt_dockerfile::proxy_environment;
use stromatekt_graph::limits::{Limits, Ulimit};
use stromatekt_graph::run::{Mount, MountSource, Network, Run, Security};
use stromatekt_graph::{NodeId, Op};
use stromatekt_pipeline::{Options, Place, Problem};

use crate::build::Builder;
use crate::model::{MountEntry, MountKind, RunStep};
use crate::timeline::Marks;

/// The tree after the step.
pub fn run(
    builder: &mut Builder<'_>,
    root: NodeId,
    run: &RunStep,
    marks: &Marks<'_>,
) -> Result<NodeId, Problem> {
    let mut mounts = Vec::new();
    for entry in &run.mounts {
        mounts.push(mount(builder, entry, marks)?);
    }
    // Outer ones first, so that none hides another.
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    let options = builder.options;
    // Of two addresses for one name, the first counts.
    let extra_hosts = run.extra_hosts.iter().chain(&options.extra_hosts);
    let extra_hosts = extra_hosts.cloned().collect();
    let variables = options.variables.iter();
    let variables = variables.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let proxy_env = proxy_environment(&variables.collect());
    let op = Op::Run(Box::new(Run {
        root,
        args: run.args.clone(),
        shown: None,
        executor: run.executor,
        env: run.env.clone(),
        proxy_env,
        cwd: run.cwd.clone(),
        user: run.user.clone(),
        groups: run.groups.clone(),
        mounts,
        network: network(run, options)?,
        security: security(run, options)?,
        extra_hosts,
        hostname: run.hostname.clone(),
        limits: limits(run, &options.limits),
    }));
    let label = marks.label(&format!("run {}", run.args.join(" ")));
    builder.step(op, label, marks.place)
}

fn network(run: &RunStep, options: &Options) -> Result<Network, Problem> {
    match &run.network {
        Some((Network::Host, place))
            if !options.allows_host_network && options.network != Network::Host =>
        {
            Err(not_allowed(place, "network.host"))
        }
        Some((network, _)) => Ok(*network),
        None => Ok(options.network),
    }
}

fn security(run: &RunStep, options: &Options) -> Result<Security, Problem> {
    match &run.security {
        Some((Security::Insecure, place)) if !options.allows_insecure => {
            Err(not_allowed(place, "security.insecure"))
        }
        Some((security, _)) => Ok(*security),
        None => Ok(Security::default()),
    }
}

fn not_allowed(place: &Place, permission: &str) -> Problem {
    place
        .problem(format!(
            "the step needs the permission {permission}, which was not given"
        ))
        .help(format!("pass --allow {permission}"))
}

/// What the step says counts most, limit by limit.
fn limits(run: &RunStep, outer: &Limits) -> Limits {
    let is_said = |limit: &&Ulimit| run.ulimits.iter().any(|own| own.name == limit.name);
    let inherited = outer.ulimits.iter().filter(|limit| !is_said(limit));
    Limits {
        ulimits: inherited.chain(&run.ulimits).cloned().collect(),
        cgroup_parent: run
            .cgroup_parent
            .clone()
            .or_else(|| outer.cgroup_parent.clone()),
        resources: run
            .resources
            .clone()
            .unwrap_or_else(|| outer.resources.clone()),
    }
}

fn mount(
    builder: &mut Builder<'_>,
    entry: &MountEntry,
    marks: &Marks<'_>,
) -> Result<Mount, Problem> {
    let source = match &entry.kind {
        MountKind::Bind { from, source } => MountSource::Bind {
            from: match from {
                Some(name) => builder.tree(name, marks.here)?,
                None => builder.context(&entry.place)?,
            },
            path: source.text.clone(),
        },
        MountKind::Tmpfs { size } => MountSource::Tmpfs { size: *size },
        MountKind::Cache {
            id,
            sharing,
            from,
            access,
        } => MountSource::Cache {
            id: id.clone(),
            sharing: *sharing,
            from: match from {
                Some((name, path)) => Some((builder.tree(name, marks.here)?, path.clone())),
                None => None,
            },
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
        },
        MountKind::Secret {
            id,
            env,
            file,
            required,
            access,
        } => MountSource::Secret {
            id: id.clone(),
            env: env.clone(),
            file: *file,
            required: *required,
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
        },
        MountKind::Ssh {
            id,
            required,
            access,
        } => MountSource::Ssh {
            id: id.clone(),
            required: *required,
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
        },
        MountKind::Inline { content, mode } => MountSource::Inline {
            content: content.clone(),
            mode: *mode,
        },
    };
    Ok(Mount {
        target: entry.destination.clone(),
        source,
        read_only: entry.read_only,
    })
}
