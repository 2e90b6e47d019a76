//! RUN: the argument vector, what here-documents do to it, and the mounts of the process.

use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run, Security};
use stromatekt_graph::{Node, NodeId, Op};

use crate::copy::{Document, Marks};
use crate::error::Problem;
use crate::labels;
use crate::mount::{Kind, MountFlag};
use crate::options::{Entitlement, Options};
use crate::paths;
use crate::source::Builder;
use crate::state::State;
use crate::{build_args, environment::Environment};

/// Where a here-document that is a script of its own is mounted.
const PIPES: &str = "/dev/pipes";

/// Where memory that processes share is (shm_overview(7)).
const SHARED_MEMORY: &str = "/dev/shm";

/// RUN, mounts expanded.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The command.
    pub command: Command,
    /// The mounts, with the tree that `from` names (none where it names none).
    pub mounts: Vec<(MountFlag, Option<NodeId>)>,
    /// `--network`, where it is given and not `default`.
    pub network: Option<Network>,
    /// `--security`.
    pub security: Security,
}

/// What is run.
#[derive(Clone, Debug)]
pub enum Command {
    /// The exec form.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
    /// A single here-document and nothing else: its content is the command.
    Script(Document),
}

/// The argument vector of a command in a stage, and what must be mounted for it.
fn arguments(command: &Command, state: &State) -> (Vec<String>, Option<Mount>) {
    match command {
        Command::Exec(args) => (args.clone(), None),
        Command::Shell(text) => (state.with_shell(std::slice::from_ref(text)), None),
        // A script that names its interpreter is a file that is run; the name goes through the shell as BuildKit has it.
        Command::Script(script) if script.content.starts_with("#!") => {
            let target = paths::join(PIPES, &script.name);
            let mount = Mount {
                target: target.clone(),
                source: MountSource::Inline {
                    content: script.content.clone().into_bytes(),
                    mode: 0o755,
                },
                read_only: true,
            };
            (state.with_shell(&[target]), Some(mount))
        }
        Command::Script(script) => (
            state.with_shell(std::slice::from_ref(&script.content)),
            None,
        ),
    }
}

impl RunRequest {
    /// What the label says of the here-document.
    pub fn summary(&self) -> Option<String> {
        match &self.command {
            Command::Script(script) => Some(labels::summary(&script.content)),
            _ => None,
        }
    }
}

/// Appends the process to a stage.
pub fn run(
    builder: &mut Builder,
    state: &mut State,
    request: &RunRequest,
    options: &Options,
    marks: Marks,
) -> Result<(), Problem> {
    let allowed = |entitlement| match options.allows(entitlement) {
        true => Ok(()),
        false => Err(Problem::NotAllowed { entitlement }),
    };
    let network = request.network.unwrap_or(options.network);
    if network == Network::Host {
        allowed(Entitlement::NetworkHost)?;
    }
    if request.security == Security::Insecure {
        allowed(Entitlement::SecurityInsecure)?;
    }
    let (args, script) = arguments(&request.command, state);
    let mut environment = state.environment.clone();
    let mut mounts: Vec<Mount> = script.into_iter().collect();
    // As in BuildKit; a mount of the step's own at that place hides it.
    mounts.extend(options.shm_size.map(|size| Mount {
        target: SHARED_MEMORY.to_owned(),
        source: MountSource::Tmpfs { size: Some(size) },
        read_only: false,
    }));
    for (flag, from) in &request.mounts {
        let socket = match flag.kind {
            Kind::Ssh => Some(ssh_target(flag, &mounts, &mut environment)),
            _ => None,
        };
        mounts.push(mount(builder, state, options, flag, *from, socket)?);
    }
    // Outer ones first, as BuildKit mounts them, so that none hides another.
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    let text = state.run_text(&args);
    let upper = builder.graph.add(Node {
        op: Op::Run(Box::new(Run {
            root: state.tree,
            args,
            shown: None,
            executor: Executor::default(),
            env: environment.to_vec(),
            proxy_env: build_args::proxy_environment(&options.build_args),
            cwd: paths::clean(state.working_dir()),
            user: state.image.config.user.clone(),
            groups: Vec::new(),
            mounts,
            network,
            security: request.security,
            extra_hosts: options.extra_hosts.clone(),
            hostname: build_args::hostname(options).map(str::to_owned),
            limits: options.limits.clone(),
        })),
        label: marks.label,
        origin: marks.origin,
        no_cache: marks.no_cache,
    })?;
    let lower_is_empty = builder.is_scratch(state.tree);
    state.add_layer(upper, lower_is_empty, text);
    Ok(())
}

fn mount(
    builder: &mut Builder,
    state: &State,
    options: &Options,
    flag: &MountFlag,
    from: Option<NodeId>,
    socket: Option<String>,
) -> Result<Mount, Problem> {
    let inside = paths::join("/", &flag.source);
    let target = |default: String| {
        if flag.target.is_empty() {
            default
        } else {
            flag.target.clone()
        }
    };
    // Without a target, BuildKit mounts over the working directory.
    let mut mount_target = target(String::new());
    let source = match flag.kind {
        Kind::Bind => MountSource::Bind {
            from: match from {
                Some(tree) => tree,
                None => builder.context()?,
            },
            path: inside,
        },
        Kind::Tmpfs => MountSource::Tmpfs { size: flag.size },
        Kind::Cache => cache(builder, options, flag, from, inside)?,
        Kind::Secret => {
            let id = [&flag.source, &flag.id]
                .into_iter()
                .find(|id| !id.is_empty())
                .cloned()
                .unwrap_or_else(|| paths::base(&flag.target).to_owned());
            let file = flag.env.is_none() || !flag.target.is_empty();
            mount_target = target(format!("/run/secrets/{}", paths::base(&id)));
            MountSource::Secret {
                id,
                env: flag.env.clone(),
                file,
                required: flag.required,
                mode: flag.mode.unwrap_or(0o400),
                uid: flag.uid.unwrap_or(0),
                gid: flag.gid.unwrap_or(0),
            }
        }
        Kind::Ssh => {
            mount_target = socket.unwrap_or_default();
            MountSource::Ssh {
                id: match flag.id.as_str() {
                    "" => "default".to_owned(),
                    id => id.to_owned(),
                },
                required: flag.required,
                mode: flag.mode.unwrap_or(0o600),
                uid: flag.uid.unwrap_or(0),
                gid: flag.gid.unwrap_or(0),
            }
        }
    };
    let target = paths::join(state.working_dir(), &mount_target);
    if target == "/" {
        return Err(Problem::Mount {
            reason: "nothing can be mounted over the root directory".to_owned(),
            help: Some("give it a `target`".to_owned()),
            place: None,
        });
    }
    Ok(Mount {
        target,
        source,
        read_only: flag.read_only,
    })
}

/// Where the socket of an ssh mount stands; the first one goes into the environment.
fn ssh_target(flag: &MountFlag, mounts: &[Mount], environment: &mut Environment) -> String {
    const VARIABLE: &str = "SSH_AUTH_SOCK";
    let number = mounts
        .iter()
        .filter(|mount| matches!(mount.source, MountSource::Ssh { .. }))
        .count();
    let target = match flag.target.as_str() {
        "" => format!("/run/buildkit/ssh_agent.{number}"),
        target => target.to_owned(),
    };
    if environment.get(VARIABLE).is_none() {
        environment.set(VARIABLE, &target);
    }
    target
}

fn cache(
    builder: &mut Builder,
    options: &Options,
    flag: &MountFlag,
    from: Option<NodeId>,
    inside: String,
) -> Result<MountSource, Problem> {
    let id = match flag.id.as_str() {
        "" => paths::clean(&flag.target),
        id => id.to_owned(),
    };
    // An owner or a mode is that of a new empty directory; a path in another tree has its own.
    let is_new = inside == "/" && flag.has_owner_or_mode();
    let from = match (from, inside.as_str()) {
        _ if is_new => None,
        (None, "/") => None,
        (None, _) => Some((builder.scratch()?, inside)),
        (Some(tree), _) => Some((tree, inside)),
    };
    let or = |value: Option<u32>, default| value.filter(|_| is_new).unwrap_or(default);
    Ok(MountSource::Cache {
        id: match build_args::cache_namespace(options) {
            Some(namespace) => format!("{namespace}/{id}"),
            None => id,
        },
        sharing: flag.sharing.unwrap_or_default(),
        from,
        mode: or(flag.mode, 0o755),
        uid: or(flag.uid, 0),
        gid: or(flag.gid, 0),
    })
}
