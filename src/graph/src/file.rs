//! The actions of a [`File`](crate::op::File) operation. Paths are absolute in the tree, and symlinks in
//! them are followed beneath its root.

use serde::Serialize;

use crate::graph::NodeId;
use crate::op::ValueKind;

/// One action.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAction {
    /// Files copied into the tree.
    Copy(Box<Copy>),
    /// A directory with all its parents, made with mode 0755 where absent; nothing where it exists (`WORKDIR`).
    MakeDirectory {
        /// Absolute path.
        path: String,
        /// `USER` as written, owner of what is made; root where empty.
        owner: String,
        /// The time of the directory itself, if it is made, in seconds since 1970 (`SOURCE_DATE_EPOCH`); its parents have that of the step.
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<i64>,
    },
}

/// What is copied, where to, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Copy {
    /// Where the sources are.
    pub from: CopySource,
    /// Destination, absolute. Ends in `/` where the user wrote it so: then it is a directory.
    pub destination: String,
    /// `--chown` as written; the owners of the source where absent.
    pub owner: Option<String>,
    /// `--chmod` as written, octal or symbolic; the modes of the source where absent.
    pub mode: Option<String>,
    /// Whether archives are unpacked.
    pub unpack: Unpack,
    /// Keep the parent directories of each source, from `/./` on where it has that.
    pub parents: bool,
    /// Patterns of what is left out, relative to each source.
    pub exclude: Vec<String>,
    /// The copy does not look at what is in the tree (symlinked directories are replaced by directories).
    pub link: bool,
}

/// Where the sources of a copy are.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopySource {
    /// Paths and patterns in a tree. More than one source, or a pattern, demands a destination that is a directory.
    Tree {
        /// The tree.
        from: NodeId,
        /// Paths, cleaned and relative to the tree's root; `*`, `?`, `[…]` as Go's `filepath.Match`.
        patterns: Vec<String>,
    },
    /// A fetched file.
    Blob {
        /// The [`Op::Http`](crate::Op::Http).
        from: NodeId,
        /// Name of the file where the destination is a directory.
        name: String,
    },
    /// A here-document.
    Inline {
        /// Name of the file where the destination is a directory.
        name: String,
        /// The bytes.
        content: Vec<u8>,
    },
}

/// Whether archives are unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpack {
    /// Copied as they are (`COPY`, and `ADD --unpack=false`).
    #[default]
    Never,
    /// A local file that is a tar archive, maybe compressed, is unpacked (`ADD`).
    Archives,
    /// As `Archives`, for fetched files too (`ADD --unpack=true`).
    Always,
}

impl FileAction {
    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        if let Self::Copy(copy) = self {
            match &mut copy.from {
                CopySource::Tree { from, .. } => visit(from, ValueKind::Tree),
                CopySource::Blob { from, .. } => visit(from, ValueKind::Blob),
                CopySource::Inline { .. } => {}
            }
        }
    }
}
