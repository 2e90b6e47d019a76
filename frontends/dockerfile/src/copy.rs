//! COPY and ADD: sources and destination as the actions of one file operation.

use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::{File, Http};
use stromatekt_graph::{Node, NodeId, Op, Origin};
use stromatekt_oci::Digest;

use crate::error::Problem;
use crate::source::Builder;
use crate::state::State;
use crate::{chmod, git_url, paths};

/// COPY or ADD, every word expanded.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// What ADD has and COPY has not.
    pub add: Option<AddFlags>,
    /// Paths, patterns, URLs and repositories.
    pub sources: Vec<String>,
    /// Here-documents, after all other sources.
    pub documents: Vec<Document>,
    /// Destination.
    pub destination: String,
    /// `--chown`, empty where absent.
    pub chown: String,
    /// `--chmod`, empty where absent.
    pub chmod: String,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
}

/// What ADD has and COPY has not.
#[derive(Clone, Debug, Default)]
pub struct AddFlags {
    /// `--checksum`, empty where absent.
    pub checksum: String,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`.
    pub unpack: Option<bool>,
}

/// A file whose content stands in the Dockerfile.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// How the node of a copy is marked.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Its label.
    pub label: String,
    /// Where it stands.
    pub origin: Option<Origin>,
    /// Whether no earlier result is looked for.
    pub no_cache: bool,
}

impl CopyRequest {
    fn keyword(&self) -> &'static str {
        if self.add.is_some() { "ADD" } else { "COPY" }
    }

    /// The history's text.
    fn text(&self) -> String {
        let mut words = vec![self.keyword().to_owned()];
        if self.parents {
            words.push("--parents".to_owned());
        }
        if !self.chown.is_empty() {
            words.push(format!("--chown={}", self.chown));
        }
        if !self.chmod.is_empty() {
            words.push(format!("--chmod={}", self.chmod));
        }
        words.extend(self.sources.iter().cloned());
        words.extend(
            self.documents
                .iter()
                .map(|document| format!("<<{}", document.name)),
        );
        words.push(self.destination.clone());
        words.push("# buildkit".to_owned());
        words.join(" ")
    }

    fn check(&self) -> Result<(), Problem> {
        if !self.chmod.is_empty() {
            chmod::check(&self.chmod).map_err(|reason| Problem::Chmod {
                mode: self.chmod.clone(),
                reason,
            })?;
        }
        let Some(add) = self.add.as_ref().filter(|add| !add.checksum.is_empty()) else {
            return Ok(());
        };
        let fail = |reason: &str| {
            Err(Problem::Checksum {
                reason: reason.to_owned(),
            })
        };
        match self.sources.as_slice() {
            [source] if is_http(source) => match add.checksum.parse::<Digest>() {
                Ok(_) => Ok(()),
                Err(error) => fail(&error.to_string()),
            },
            [source] if git_url::parse(source).is_some() => Ok(()),
            [_] => fail("only files from the web and git repositories have one"),
            _ => fail("it belongs to a single source"),
        }
    }
}

/// Appends the copy to a stage. `from` is the tree that plain paths are taken from; without paths, there is none.
pub fn copy(
    builder: &mut Builder,
    state: &mut State,
    request: &CopyRequest,
    from: Option<NodeId>,
    marks: Marks,
) -> Result<(), Problem> {
    request.check()?;
    let template = Copy {
        // Replaced in each action.
        from: CopySource::Inline {
            name: String::new(),
            content: Vec::new(),
        },
        destination: paths::destination(state.working_dir(), &request.destination),
        owner: (!request.chown.is_empty()).then(|| request.chown.clone()),
        mode: (!request.chmod.is_empty()).then(|| request.chmod.clone()),
        unpack: Unpack::Never,
        parents: false,
        exclude: request.exclude.clone(),
        // BuildKit drops --link beside --chmod.
        link: request.link && request.chmod.is_empty(),
    };
    let mut actions = Vec::new();
    for source in &request.sources {
        let action = source_action(builder, request, source, from, &template, &marks)?;
        actions.push(FileAction::Copy(Box::new(action)));
    }
    for document in &request.documents {
        actions.push(FileAction::Copy(Box::new(Copy {
            from: CopySource::Inline {
                name: document.name.clone(),
                content: document.content.clone().into_bytes(),
            },
            ..template.clone()
        })));
    }
    let upper = builder.graph.add(Node {
        op: Op::File(File {
            root: state.tree,
            actions,
        }),
        label: marks.label,
        origin: marks.origin,
        no_cache: marks.no_cache,
    })?;
    let lower_is_empty = builder.is_scratch(state.tree);
    state.add_layer(upper, lower_is_empty, request.text());
    Ok(())
}

fn source_action(
    builder: &mut Builder,
    request: &CopyRequest,
    source: &str,
    from: Option<NodeId>,
    template: &Copy,
    marks: &Marks,
) -> Result<Copy, Problem> {
    if let Some(repository) = git_url::parse(source) {
        let from = git_source(builder, request, source, repository, marks)?;
        return Ok(Copy {
            from: CopySource::Tree {
                from,
                patterns: vec![".".to_owned()],
            },
            ..template.clone()
        });
    }
    if is_http(source) {
        let Some(add) = &request.add else {
            return Err(Problem::RemoteCopy {
                what: "a URL",
                source_text: source.to_owned(),
            });
        };
        // Checked before.
        let checksum = add.checksum.parse().ok();
        let from = builder.graph.add(Node {
            op: Op::Http(Http {
                url: source.to_owned(),
                checksum,
            }),
            label: marks.label.clone(),
            origin: marks.origin.clone(),
            no_cache: false,
        })?;
        return Ok(Copy {
            from: CopySource::Blob {
                from,
                name: paths::file_name(source),
            },
            unpack: if add.unpack == Some(true) {
                Unpack::Always
            } else {
                Unpack::Never
            },
            ..template.clone()
        });
    }
    let from = match from {
        Some(tree) => tree,
        None => builder.context()?,
    };
    let unpack = request
        .add
        .as_ref()
        .is_some_and(|add| add.unpack != Some(false));
    Ok(Copy {
        from: CopySource::Tree {
            from,
            patterns: vec![if request.parents {
                paths::source_with_pivot(source)
            } else {
                paths::source(source)
            }],
        },
        unpack: if unpack {
            Unpack::Archives
        } else {
            Unpack::Never
        },
        parents: request.parents,
        ..template.clone()
    })
}

fn git_source(
    builder: &mut Builder,
    request: &CopyRequest,
    source: &str,
    repository: Result<git_url::GitUrl, String>,
    marks: &Marks,
) -> Result<NodeId, Problem> {
    let fail = |reason: String| Problem::Git {
        source_text: source.to_owned(),
        reason,
    };
    let repository = repository.map_err(&fail)?;
    let Some(add) = &request.add else {
        return Err(Problem::RemoteCopy {
            what: "a git repository",
            source_text: source.to_owned(),
        });
    };
    let mut git = repository.git;
    git.keep_git_dir = match (add.keep_git_dir, repository.keep_git_dir) {
        (Some(flag), Some(query)) if flag != query => {
            return Err(fail(
                "--keep-git-dir and keep-git-dir of the URL differ".to_owned(),
            ));
        }
        (flag, query) => query.or(flag).unwrap_or(false),
    };
    if !add.checksum.is_empty() {
        if git
            .checksum
            .as_ref()
            .is_some_and(|known| *known != add.checksum)
        {
            return Err(fail("--checksum and checksum of the URL differ".to_owned()));
        }
        git.checksum = Some(add.checksum.clone());
    }
    Ok(builder.graph.add(Node {
        op: Op::Git(git),
        label: marks.label.clone(),
        origin: marks.origin.clone(),
        no_cache: false,
    })?)
}

/// Whether a source is a path: neither a file on a web server nor a repository.
pub fn is_local(source: &str) -> bool {
    !is_http(source) && git_url::parse(source).is_none()
}

fn is_http(source: &str) -> bool {
    (source.starts_with("http://") || source.starts_with("https://"))
        && git_url::parse(source).is_none()
}
