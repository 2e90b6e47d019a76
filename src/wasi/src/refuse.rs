//! What a step may ask of a container but not of a module: refused by name, never ignored.

use stromatekt_graph::limits::{Limits, Resources};
use stromatekt_graph::run::{Mount, MountSource, Network, Run, Security};

use crate::error::{Error, Result};

const USE_RUNC: &str = "leave it out, or use the executor `runc` for this step";

/// Whether a module can have all that a step asks for.
pub fn check(run: &Run) -> Result<()> {
    if run.network == Network::Host {
        return refuse("the host's network", USE_RUNC);
    }
    if run.security == Security::Insecure {
        return refuse("more privileges (`insecure`)", USE_RUNC);
    }
    if run.hostname.is_some() {
        return refuse("a host name", USE_RUNC);
    }
    if !run.extra_hosts.is_empty() {
        return refuse("additional hosts: it has no network", USE_RUNC);
    }
    run.mounts.iter().try_for_each(check_mount)?;
    check_limits(&run.limits)
}

fn check_mount(mount: &Mount) -> Result<()> {
    let (kind, way_out) = match &mount.source {
        MountSource::Bind { .. }
        | MountSource::Cache { .. }
        | MountSource::Tmpfs { .. }
        | MountSource::Secret { file: false, .. } => return Ok(()),
        MountSource::Secret { .. } => (
            "a secret as a file",
            "hand it over in a variable, by `env` of the mount, or use the executor `runc` for this step",
        ),
        MountSource::Ssh { .. } => ("the socket of an ssh agent", USE_RUNC),
        MountSource::Inline { .. } => (
            "a here-document",
            "copy the file into the tree before this step, or use the executor `runc` for it",
        ),
    };
    refuse(&format!("{kind} (mount at `{}`)", mount.target), way_out)
}

fn check_limits(limits: &Limits) -> Result<()> {
    if let Some(ulimit) = limits.ulimits.iter().find(|limit| limit.name != "nofile") {
        return refuse(&format!("the limit `{}`", ulimit.name), USE_RUNC);
    }
    let Resources {
        memory: _,
        memory_swap,
        cpu_shares,
        cpu_quota,
        cpu_period,
        cpus,
        mems,
    } = &limits.resources;
    let asked = [
        ("a control group", limits.cgroup_parent.is_some()),
        ("a limit of swap", memory_swap.is_some()),
        ("a share of the processors", cpu_shares.is_some()),
        (
            "a quota of processor time",
            cpu_quota.is_some() || cpu_period.is_some(),
        ),
        ("processors of its own", cpus.is_some()),
        ("memory nodes of its own", mems.is_some()),
    ];
    match asked.into_iter().find(|(_, is_asked)| *is_asked) {
        Some((what, _)) => refuse(what, USE_RUNC),
        None => Ok(()),
    }
}

fn refuse(what: &str, way_out: &'static str) -> Result<()> {
    Err(Error::Refused {
        what: what.to_owned(),
        way_out,
    })
}
