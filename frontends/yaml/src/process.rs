//! The processes of steps.

use std::collections::BTreeMap;

use stromatekt_dockerfile::{paths, proxy_environment};
use stromatekt_graph::NodeId;
use stromatekt_graph::limits::Limits;
use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run, Security};
use stromatekt_oci::config::ImageConfig;
use stromatekt_pipeline::{Place, Problem};

use crate::builder::Builder;
use crate::environment;
use crate::spec::{Access, Command, MountKind, MountSpec, Step, with_ulimits};

const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What there is to a process besides its command.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// The tree that it runs on.
    pub root: NodeId,
    /// The config of that tree.
    pub config: &'a ImageConfig,
    /// Where it runs.
    pub workdir: &'a str,
    /// The step.
    pub step: &'a Step,
}

impl Builder<'_> {
    /// The process of a command that stands at this place.
    pub fn process(
        &mut self,
        process: &Process<'_>,
        command: &Command,
        place: &Place,
    ) -> Result<Run, Problem> {
        let settings = &process.step.settings;
        let config = &process.config.config;
        let network = match &settings.network {
            Some((Network::Host, place))
                if !self.options.allows_host_network && self.options.network != Network::Host =>
            {
                return Err(not_allowed(place, "network.host"));
            }
            Some((network, _)) => *network,
            None => self.options.network,
        };
        let security = match &settings.security {
            Some((Security::Insecure, place)) if !self.options.allows_insecure => {
                return Err(not_allowed(place, "security.insecure"));
            }
            Some((security, _)) => *security,
            None => Security::default(),
        };
        let executor = settings.executor.unwrap_or_default();
        let args = match command {
            Command::Args(args) => args.clone(),
            Command::Shell(_) if executor == Executor::Wasi => {
                return Err(place
                    .problem("a WebAssembly runtime has no shell that could run a text")
                    .help("write `run: {args: [MODULE, …]}`"));
            }
            Command::Shell(text) => with_shell(settings.shell.as_ref(), process.config, text),
        };
        let mut env = environment::of_config(&config.env);
        environment::apply(&mut env, &settings.env);
        let mounts = self.mounts(&settings.mounts, process.workdir, &mut env)?;
        let options = &self.options;
        let build_args = options.variables.iter();
        let build_args = build_args
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect();
        let hosts = settings.hosts.iter().chain(&options.extra_hosts);
        Ok(Run {
            root: process.root,
            args,
            shown: None,
            executor,
            env,
            proxy_env: proxy_environment(&build_args),
            cwd: process.workdir.to_owned(),
            user: settings.user.clone().unwrap_or_else(|| config.user.clone()),
            groups: Vec::new(),
            mounts,
            network,
            security,
            extra_hosts: hosts.cloned().collect(),
            hostname: settings.hostname.clone(),
            limits: Limits {
                ulimits: with_ulimits(&options.limits.ulimits, settings.ulimits.clone()),
                cgroup_parent: settings
                    .cgroup_parent
                    .clone()
                    .or_else(|| options.limits.cgroup_parent.clone()),
                resources: options.limits.resources.clone(),
            },
        })
    }

    fn mounts(
        &mut self,
        specs: &[MountSpec],
        workdir: &str,
        env: &mut Vec<(String, String)>,
    ) -> Result<Vec<Mount>, Problem> {
        let mut mounts: Vec<Mount> = Vec::with_capacity(specs.len());
        let mut places: BTreeMap<String, &Place> = BTreeMap::new();
        for spec in specs {
            let sockets = mounts
                .iter()
                .filter(|mount| matches!(mount.source, MountSource::Ssh { .. }));
            let sockets = sockets.count();
            let mount = self.mount(spec, workdir, sockets)?;
            if let MountSource::Ssh { .. } = mount.source {
                let named = spec.target.clone().unwrap_or_else(|| mount.target.clone());
                environment::set_default(env, environment::SSH, &named);
            }
            // A secret that is a variable alone is nowhere.
            if !matches!(mount.source, MountSource::Secret { file: false, .. })
                && let Some(first) = places.insert(mount.target.clone(), &spec.place)
            {
                let message = format!("there is another mount at `{}`", mount.target);
                let problem = spec.place.problem(message);
                return Err(problem.also("it is here", first.clone()));
            }
            mounts.push(mount);
        }
        // Outer ones first, so that none hides another.
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(mounts)
    }

    fn mount(&mut self, spec: &MountSpec, workdir: &str, sockets: usize) -> Result<Mount, Problem> {
        let mut default_target = String::new();
        let source = match &spec.kind {
            MountKind::Bind { from, path } => MountSource::Bind {
                from: match from {
                    Some(from) => self.made(from)?.tree,
                    None => self.context()?,
                },
                path: path.clone(),
            },
            MountKind::Cache {
                id,
                sharing,
                from,
                access,
            } => MountSource::Cache {
                id: match id {
                    Some(id) => id.clone(),
                    None => paths::clean(spec.target.as_deref().unwrap_or("/")),
                },
                sharing: *sharing,
                from: match from {
                    Some((from, path)) => Some((self.made(from)?.tree, path.clone())),
                    None => None,
                },
                mode: access.mode,
                uid: access.uid,
                gid: access.gid,
            },
            MountKind::Tmpfs(size) => MountSource::Tmpfs { size: *size },
            MountKind::Secret {
                id,
                env,
                required,
                access: Access { mode, uid, gid },
            } => {
                default_target = format!("/run/secrets/{}", paths::base(id));
                MountSource::Secret {
                    id: id.clone(),
                    env: env.clone(),
                    file: env.is_none() || spec.target.is_some(),
                    required: *required,
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                }
            }
            MountKind::Ssh {
                id,
                required,
                access: Access { mode, uid, gid },
            } => {
                default_target = format!("/run/buildkit/ssh_agent.{sockets}");
                MountSource::Ssh {
                    id: id.clone(),
                    required: *required,
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                }
            }
            MountKind::File(content, mode) => MountSource::Inline {
                content: content.clone(),
                mode: *mode,
            },
        };
        let target = paths::join(workdir, spec.target.as_deref().unwrap_or(&default_target));
        if target == "/" {
            return Err(spec
                .place
                .problem("nothing can be mounted over the root directory")
                .help("give it another `target`"));
        }
        Ok(Mount {
            target,
            source,
            read_only: spec.read_only,
        })
    }
}

/// The argument vector of a text.
pub fn with_shell(shell: Option<&Vec<String>>, config: &ImageConfig, text: &str) -> Vec<String> {
    let mut args = match (shell, config.config.shell.as_slice()) {
        (Some(shell), _) => shell.clone(),
        (None, []) => DEFAULT_SHELL.map(str::to_owned).to_vec(),
        (None, shell) => shell.to_vec(),
    };
    args.push(text.to_owned());
    args
}

fn not_allowed(place: &Place, permission: &str) -> Problem {
    place
        .problem(format!(
            "the step needs the permission {permission}, which was not given"
        ))
        .help(format!("pass --allow {permission}"))
}
