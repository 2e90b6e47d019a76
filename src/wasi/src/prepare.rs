//! The surroundings of a module: its tree, with the mounts of its step over it, and whose files it makes.

use std::path::{Path, PathBuf};

use stromatekt_executor::{MountPoint, Request, ResolvedMount, Secrets, Stubs, User};
use stromatekt_graph::run::{Mount, MountSource, Run};
use stromatekt_kernel::Root;
use stromatekt_kernel::confine::Confinement;
use stromatekt_kernel::process::DetachedMount;

use crate::error::{Error, Result};

/// A request that owns what it needs, to be prepared on another thread.
#[derive(Debug)]
pub struct Step {
    pub id: String,
    pub rootfs: PathBuf,
    pub run: Run,
    pub mounts: Vec<ResolvedMount>,
    pub secrets: Secrets,
}

/// A step that can be started.
#[derive(Debug)]
pub struct Prepared {
    pub confinement: Confinement,
    /// The mount points that were made in the tree.
    pub stubs: Stubs,
    /// Whose process it is.
    pub user: User,
    /// Variables that are secret.
    pub secret: Vec<(String, String)>,
}

impl Step {
    /// What the request asks.
    pub fn own(request: &Request<'_>) -> Result<Self> {
        let refuse = |message: &str| stromatekt_executor::Error::Request {
            id: request.id.to_owned(),
            message: message.to_owned(),
        };
        if request.run.args.is_empty() {
            return Err(refuse("it has no arguments, so there is no module").into());
        }
        if request.run.mounts.len() != request.mounts.len() {
            return Err(refuse("its mounts and what stands there are not as many").into());
        }
        Ok(Self {
            id: request.id.to_owned(),
            rootfs: request.rootfs.to_owned(),
            run: request.run.clone(),
            mounts: request.mounts.to_vec(),
            secrets: request.secrets.clone(),
        })
    }

    /// Makes what the module's thread needs.
    pub fn prepare(&self) -> Result<Prepared> {
        let root = Root::open(&self.rootfs).map_err(Error::file("open", &self.rootfs))?;
        let user = User::of(&self.run, &root)?;
        let mut prepared = Prepared {
            confinement: Confinement::to(&self.rootfs)?,
            stubs: Stubs::new(root),
            secret: Vec::new(),
            user,
        };
        for (mount, source) in self.run.mounts.iter().zip(&self.mounts) {
            self.add(mount, source, &mut prepared)?;
        }
        let (root, cwd) = (prepared.stubs.root(), Path::new(&self.run.cwd));
        stromatekt_executor::make_working_dir(root, cwd, &prepared.user)?;
        let User { uid, gid, groups } = &prepared.user;
        prepared.confinement.user(*uid, *gid, groups);
        Ok(prepared)
    }

    fn add(&self, mount: &Mount, resolved: &ResolvedMount, prepared: &mut Prepared) -> Result<()> {
        let target = mount.target.as_str();
        let detached =
            |source: &Path| DetachedMount::clone_of(source).map_err(Error::file("mount", source));
        let (kind, made) = match (&mount.source, resolved) {
            (MountSource::Bind { path, .. }, ResolvedMount::Tree(tree)) => {
                let (source, kind) = stromatekt_executor::find_in_tree(tree, path, target)?;
                (kind, detached(&source)?)
            }
            (MountSource::Cache { .. }, ResolvedMount::Directory(directory)) => {
                (MountPoint::Directory, detached(directory)?)
            }
            (MountSource::Tmpfs { size }, ResolvedMount::Made) => {
                // What tmpfs(5) has where nothing else is said.
                let made = DetachedMount::tmpfs_with(0o1777, *size)
                    .map_err(Error::file("mount a file system in memory at", target))?;
                (MountPoint::Tmpfs, made)
            }
            (
                MountSource::Secret {
                    id, env, required, ..
                },
                ResolvedMount::Made,
            ) => {
                let value = match self.secrets.value(id)? {
                    Some(value) => String::from_utf8_lossy(&value).into_owned(),
                    None if *required => {
                        return Err(
                            stromatekt_executor::Error::SecretNotGiven { id: id.clone() }.into(),
                        );
                    }
                    // As in a container: the variable is set, to nothing.
                    None => String::new(),
                };
                prepared
                    .secret
                    .extend(env.iter().map(|env| (env.clone(), value.clone())));
                return Ok(());
            }
            _ => {
                return Err(stromatekt_executor::Error::Request {
                    id: self.id.clone(),
                    message: format!("what stands at `{target}` is not what a mount there needs"),
                }
                .into());
            }
        };
        made.restrict(mount.read_only)
            .map_err(Error::file("mount at", target))?;
        prepared.stubs.make(target, kind)?;
        prepared.confinement.mount(made, Path::new(target));
        Ok(())
    }
}
