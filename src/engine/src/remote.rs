//! `Git` and `Http` nodes: what comes over the network, kept between builds.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stromatekt_graph::forecast::State;
use stromatekt_graph::{NodeId, op};
use stromatekt_kernel::Timestamp;
use stromatekt_oci::Digest;
use stromatekt_sources::http::{Fetched, Validators};
use stromatekt_store::TreeId;

use crate::build::Build;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::limits::until_cancelled;
use crate::snapshots::Tree;

/// A file that was fetched.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    /// Where it is.
    pub path: PathBuf,
    /// The digest of its content.
    pub digest: Digest,
    /// When it was modified, as the server says.
    pub modified: Option<Timestamp>,
}

/// What is remembered of a file that was fetched before.
#[derive(Serialize, Deserialize)]
struct Known {
    url: String,
    digest: Digest,
    modified: Option<i64>,
    validators: Validators,
}

impl Build {
    /// The tree of a repository at a commit; the commit is looked up anew each time.
    pub async fn git(&self, id: NodeId, git: &op::Git) -> Result<Tree> {
        let vertex = self.vertex(id);
        vertex.start();
        let result = self.git_tree(id, git).await;
        let outcome = match &result {
            Ok((_, true)) => Outcome::Cached,
            _ => Outcome::Done,
        };
        self.complete(id, &result, outcome);
        result.map(|(tree, _)| tree)
    }

    /// The tree, and whether it was there before.
    async fn git_tree(&self, id: NodeId, git: &op::Git) -> Result<(Tree, bool)> {
        let _turn = self.parts.limits.network(&self.cancel).await?;
        let secrets = &self.request.secrets;
        let auth = stromatekt_sources::git::Auth::find(&git.remote, |id| secrets.value(id))?;
        let resolved = stromatekt_sources::git::resolve(git, &auth);
        let commit = until_cancelled(&self.cancel, resolved).await??;
        let tree_id = |commit: &str| {
            let key = (
                &git.remote,
                &git.subdirectory,
                // The directory `.git` tells how it was fetched.
                git.keep_git_dir.then_some(&git.reference),
                (git.skip_submodules, git.commit_time),
                commit,
            );
            TreeId(Digest::of(format!("git {key:?}")))
        };
        if let Some(tree) = self.parts.snapshots.find(tree_id(&commit))? {
            return Ok((tree, true));
        }
        if self.only_looks() {
            let why = format!("the commit {commit} was not fetched yet");
            self.finds(id, State::Runs { why });
            return Err(Error::WouldRun);
        }
        let draft = self.parts.snapshots.fork(None)?;
        let repositories = self.parts.store.directory("git")?;
        let into = draft.path();
        let checkout = stromatekt_sources::git::checkout(git, &repositories, &into, &auth);
        let checkout = until_cancelled(&self.cancel, checkout)
            .await?
            .map_err(|error| self.parts.snapshots.explain(error.into()))?;
        Ok((draft.keep_as(tree_id(&checkout.commit))?, false))
    }

    /// A file of a web server; not fetched again while the server says that it is the same.
    pub async fn http(&self, id: NodeId, http: &op::Http) -> Result<Arc<Download>> {
        let vertex = self.vertex(id);
        vertex.start();
        let result = self.download(id, http).await;
        let outcome = match &result {
            Ok((_, true)) => Outcome::Cached,
            _ => Outcome::Done,
        };
        self.complete(id, &result, outcome);
        result.map(|(download, _)| Arc::new(download))
    }

    async fn download(&self, id: NodeId, http: &op::Http) -> Result<(Download, bool)> {
        let directory = self.parts.store.directory("downloads")?;
        // Hashed: a URL is no file name.
        let note = directory.join(format!("{}.json", Digest::of(&http.url).hex()));
        let file_of = |digest: &Digest| directory.join(digest.hex());
        let known = fs::read(&note)
            .ok()
            .and_then(|text| serde_json::from_slice::<Known>(&text).ok())
            .filter(|known| known.url == http.url && file_of(&known.digest).is_file());
        let found = |known: &Known| Download {
            path: file_of(&known.digest),
            digest: known.digest,
            modified: known.modified.map(seconds),
        };
        // A checksum leaves nothing to ask.
        if let Some(known) = &known
            && http.checksum == Some(known.digest)
        {
            return Ok((found(known), true));
        }
        if self.only_looks() {
            self.finds(
                id,
                match known {
                    Some(_) if http.checksum.is_none() => State::Unknown {
                        why: "the server has to be asked whether it changed".into(),
                    },
                    _ => State::Runs {
                        why: "it was not fetched yet".into(),
                    },
                },
            );
            return Err(Error::WouldRun);
        }
        let _turn = self.parts.limits.network(&self.cancel).await?;
        let scratch = self.parts.store.lease().scratch_file();
        let validators = known.as_ref().map(|known| &known.validators);
        let fetch = stromatekt_sources::http::fetch(
            &http.url,
            &scratch,
            validators.filter(|_| http.checksum.is_none()),
            http.checksum.as_ref(),
        );
        match until_cancelled(&self.cancel, fetch).await?? {
            Fetched::NotModified => {
                let known = known.ok_or_else(|| Error::Unsupported {
                    what: format!(
                        "{}: the server says that nothing changed, but was not asked",
                        http.url
                    ),
                    hint: "build again".to_owned(),
                })?;
                Ok((found(&known), true))
            }
            Fetched::New {
                digest,
                last_modified,
                validators,
                ..
            } => {
                let known = Known {
                    url: http.url.clone(),
                    digest,
                    modified: last_modified,
                    validators,
                };
                let path = file_of(&digest);
                fs::rename(&scratch, &path).map_err(Error::file("move a download to", &path))?;
                let text = serde_json::to_vec(&known)
                    .map_err(|error| Error::file("write", &note)(error.into()))?;
                let unnamed = self.parts.store.lease().scratch_file();
                fs::write(&unnamed, text)
                    .and_then(|()| fs::rename(&unnamed, &note))
                    .map_err(Error::file("write", &note))?;
                Ok((found(&known), false))
            }
        }
    }
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds: 0,
    }
}
