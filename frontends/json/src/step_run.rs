//! A step that runs a process.

use stromatekt_graph::run::{Mount, MountSource, Run};
use stromatekt_graph::{NodeId, Op};
use stromatekt_pipeline::Problem;

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
    let mut extra_hosts = options.extra_hosts.clone();
    extra_hosts.extend(run.extra_hosts.iter().cloned());
    let op = Op::Run(Box::new(Run {
        root,
        args: run.args.clone(),
        shown: None,
        executor: run.executor,
        env: run.env.clone(),
        proxy_env: Vec::new(),
        cwd: run.cwd.clone(),
        user: run.user.clone(),
        groups: Vec::new(),
        mounts,
        network: run.network.unwrap_or(options.network),
        security: run.security,
        extra_hosts,
        hostname: run.hostname.clone(),
        limits: run.limits.clone().unwrap_or_else(|| options.limits.clone()),
    }));
    let label = marks.label(&format!("run {}", run.args.join(" ")));
    builder.step(op, label, marks.place)
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
