//! An `Expect` node: passes a tree on whose content is what somebody wrote down before, and fails the build where it is not.
//!
//! What was once as expected is remembered: for the next time, when nothing is read, and to tell what differs when the expected is not met.

use std::fmt::Write;
use std::sync::Arc;

use stromatekt_graph::NodeId;
use stromatekt_graph::forecast::State;
use stromatekt_graph::layers::{Expect, Expected};
use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;
use stromatekt_oci::digest::{Digest, HashingReader};

use crate::build::{Build, Value};
use crate::contexts::content_of;
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::limits::blocking;
use crate::snapshots::Tree;

/// How many paths a summary names.
const NAMED: usize = 10;

impl Build {
    /// The tree, once it is known to be as expected.
    pub async fn expect_step(self: &Arc<Self>, id: NodeId, expect: &Expect) -> Result<Value> {
        let value = self.wait(expect.tree).await?;
        let checked = self.check(id, expect, &value).await;
        let outcome = match &checked {
            Ok(true) => Outcome::Cached,
            _ => Outcome::Done,
        };
        self.start(id);
        self.complete(id, &checked, outcome);
        checked.map(|_| value)
    }

    /// Whether it was checked before.
    async fn check(self: &Arc<Self>, id: NodeId, expect: &Expect, value: &Value) -> Result<bool> {
        let mut inputs = vec![self.tree_id(value).await?.0];
        let lower = match &expect.expected {
            Expected::Layer {
                lower: Some(lower), ..
            } => Some(self.wait(*lower).await?).filter(|value| !matches!(value, Value::Empty)),
            _ => None,
        };
        if let Expected::Layer { lower: Some(_), .. } = &expect.expected {
            inputs.push(match &lower {
                Some(value) => self.tree_id(value).await?.0,
                None => crate::images::empty_tree().0,
            });
        }
        let key = self.key_of(id, &inputs);
        if self.parts.snapshots.find_step(&key)?.is_some() {
            return Ok(true);
        }
        if self.only_looks() {
            // The tree is what it is: those who take it can be told of.
            let why = "it was not checked yet".into();
            self.finds(id, State::Runs { why });
            return Ok(false);
        }
        self.start(id);
        let tree = self.tree(value).await?;
        let expected = expect.expected.clone();
        let found = match &expected {
            Expected::Layer { .. } => {
                let layer = self.layer_until(lower.as_ref(), value, None).await?;
                Some(layer.layer.diff_id)
            }
            Expected::Tree(_) | Expected::File { .. } => None,
        };
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        let parts = Arc::clone(&self.parts);
        blocking(move || parts.compare_expected(&key, &expected, tree.as_ref(), found)).await?;
        Ok(false)
    }
}

impl Parts {
    fn compare_expected(
        &self,
        key: &Digest,
        expected: &Expected,
        tree: Option<&Tree>,
        layer: Option<Digest>,
    ) -> Result<()> {
        let root = self.snapshots.root(tree)?;
        let (what, wanted, found) = match expected {
            Expected::Tree(wanted) => ("the tree".to_owned(), wanted, content_of(&root)?),
            Expected::File { path, digest } => (
                format!("the file {path}"),
                digest,
                file_digest(&root, path)?,
            ),
            Expected::Layer { diff_id, .. } => {
                ("the layer".to_owned(), diff_id, layer.unwrap_or(*diff_id))
            }
        };
        let content = known_as(expected, wanted);
        if found != *wanted {
            let summary = self.difference(expected, wanted, &content, &root, tree)?;
            return Err(Error::Unexpected {
                what,
                expected: *wanted,
                found,
                summary,
            });
        }
        if let Some(tree) = tree {
            for key in [key, &content] {
                self.store
                    .add_step(key, &tree.id, tree.snapshot.as_str(), true)?;
            }
        }
        Ok(())
    }

    /// In what a tree differs from one that was as expected.
    fn difference(
        &self,
        expected: &Expected,
        wanted: &Digest,
        content: &Digest,
        root: &Root,
        tree: Option<&Tree>,
    ) -> Result<String> {
        let mut earlier = self.snapshots.find_step(content)?;
        if earlier.is_none()
            && matches!(expected, Expected::Layer { .. })
            && let Some(record) = self.store.diff_of_layer(wanted)?
        {
            earlier = self.snapshots.find(record.upper)?;
        }
        let (Some(earlier), Some(tree)) = (earlier, tree) else {
            return Ok(
                "nothing with the expected digest was built with this store, so there is nothing to compare with"
                    .into(),
            );
        };
        if let Expected::File { path, .. } = expected {
            return file_difference(&self.snapshots.root(Some(&earlier))?, root, path);
        }
        let changes = self.snapshots.diff(Some(&earlier), tree, None)?;
        let mut told = String::from("against what had that digest:");
        let changed = changes.changed.iter().map(|path| ("differs", path));
        let removed = changes.removed.iter().map(|path| ("is missing", path));
        for (how, path) in changed.chain(removed).take(NAMED) {
            // Writing to a string cannot fail.
            let _ = write!(told, " /{} {how};", path.display());
        }
        if let Some(more) = changes.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(told, " and {more} more");
        }
        Ok(told.trim_end_matches(';').to_owned())
    }
}

/// What a tree is remembered by that had this content.
fn known_as(expected: &Expected, wanted: &Digest) -> Digest {
    let what = match expected {
        Expected::Tree(_) => "tree".to_owned(),
        Expected::File { path, .. } => format!("file {path}"),
        Expected::Layer { .. } => "layer".to_owned(),
    };
    Digest::of(format!("content {wanted} of the {what}"))
}

fn file_digest(root: &Root, path: &str) -> Result<Digest> {
    let failed = || Error::file("read the expected file", path);
    let file = root
        .open_file(path.trim_start_matches('/'), OFlag::O_RDONLY, 0)
        .map_err(failed())?;
    let mut reader = HashingReader::new(file);
    std::io::copy(&mut reader, &mut std::io::sink()).map_err(failed())?;
    Ok(reader.finish().1)
}

/// Where two versions of a file begin to differ.
fn file_difference(earlier: &Root, now: &Root, path: &str) -> Result<String> {
    let read = |root: &Root| -> Result<Vec<u8>> {
        let failed = || Error::file("read the expected file", path);
        let mut file = root
            .open_file(path.trim_start_matches('/'), OFlag::O_RDONLY, 0)
            .map_err(failed())?;
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).map_err(failed())?;
        Ok(content)
    };
    let (one, other) = (read(earlier)?, read(now)?);
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let line = one[..same].iter().filter(|&&byte| byte == b'\n').count() + 1;
    Ok(format!(
        "it had {} bytes, and has {}; they differ from line {line} on",
        one.len(),
        other.len()
    ))
}
