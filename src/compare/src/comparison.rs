//! What a comparison found. Its JSON is for machines: fields are added, but none is renamed or removed.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::noise::Class;

/// What differs between two images.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Comparison {
    /// What the left image is called.
    pub left: String,
    /// What the right image is called.
    pub right: String,
    /// What differs, in order: config, history, manifest, layers, root filesystem.
    pub differences: Vec<Difference>,
    /// What was expected to differ, by class.
    pub noise: BTreeMap<Class, Vec<Difference>>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `config.Env[2]`, `history[3].created_by`, `layers`, `layer[2] /etc/x`, `/etc/x`, `/etc/passwd mode`.
    ///
    /// Elements of lists are counted from 0, as the left image has them, or the right one where the left one has none.
    pub place: String,
    /// Which kind of thing it is.
    pub kind: Kind,
    /// The path in the image, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the left image has; nothing if it has none.
    pub left: Option<String>,
    /// What the right image has; nothing if it has none.
    pub right: Option<String>,
    /// Where short texts differ: the lines, as `diff -u` shows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A field of the config.
    Config,
    /// An entry of the history, or a field of one.
    History,
    /// The manifest: media types, annotations.
    Manifest,
    /// The number of layers.
    Layers,
    /// A path that one of two layers does not mention, or an attribute that only a layer has.
    Layer,
    /// A path that only the right image has.
    Added,
    /// A path that only the left image has.
    Missing,
    /// The type of a file.
    Type,
    /// The permission bits, with setuid, setgid and sticky.
    Mode,
    /// Owner and group.
    Owner,
    /// The content of a file.
    Content,
    /// The target of a symbolic link.
    Link,
    /// Which other names a file has.
    HardLinks,
    /// An extended attribute.
    Xattr,
    /// The numbers of a device.
    Device,
    /// The time of last change.
    Time,
}

impl Comparison {
    /// Whether nothing differs but what was expected to.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// The comparison as JSON:
    /// `{"same", "left", "right", "differences": [difference…], "noise": {CLASS: {"reason", "count", "differences": […]}}}`,
    /// where a difference is `{"place", "kind", "path"?, "left", "right", "text"?}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Maps with string keys all the way down, which JSON can always hold.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Comparison", 5)?;
        out.serialize_field("same", &self.is_same())?;
        out.serialize_field("left", &self.left)?;
        out.serialize_field("right", &self.right)?;
        out.serialize_field("differences", &self.differences)?;
        out.serialize_field("noise", &Noise(&self.noise))?;
        out.end()
    }
}

struct Noise<'a>(&'a BTreeMap<Class, Vec<Difference>>);

#[derive(Serialize)]
struct Expected<'a> {
    reason: &'static str,
    count: usize,
    differences: &'a [Difference],
}

impl Serialize for Noise<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(self.0.len()))?;
        for (class, differences) in self.0 {
            let expected = Expected {
                reason: class.reason(),
                count: differences.len(),
                differences,
            };
            out.serialize_entry(class.name(), &expected)?;
        }
        out.end()
    }
}

impl Difference {
    pub(crate) fn new(place: impl Into<String>, kind: Kind) -> Self {
        Self {
            place: place.into(),
            kind,
            path: None,
            left: None,
            right: None,
            text: None,
        }
    }

    pub(crate) fn sides(mut self, left: Option<String>, right: Option<String>) -> Self {
        (self.left, self.right) = (left, right);
        self
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn with_text(mut self, text: Option<String>) -> Self {
        self.text = text;
        self
    }
}
