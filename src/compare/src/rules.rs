//! What two images are expected to differ in.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::image::Image;
use crate::noise::Class;

/// The label by which buildah tells of itself.
pub(crate) const BUILDAH: &str = "io.buildah.version";

/// The comment of entries of a history that a pipeline in YAML wrote.
const PIPELINE: &str = "stromatekt";

/// How images are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When the earlier of both builds started, if that is known: a file is expected to have another time only if it got it since.
    /// Otherwise, no time of a file makes a difference.
    pub started: Option<SystemTime>,
    /// What is a difference nevertheless. [`Rules::strict`] has all.
    pub counted: BTreeSet<Class>,
    /// Who built the one image (the left one, as a rule) that is compared with one of BuildKit or stromatekt: that decides what else is
    /// expected to differ.
    pub left: Builder,
    /// Whether the history is compared.
    pub history: bool,
    /// Whether the number of layers is compared, and what each of them mentions.
    pub layers: bool,
}

/// Who built an image that is compared with one of BuildKit or of stromatekt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Builder {
    /// BuildKit, of any version.
    #[default]
    BuildKit,
    /// `docker build` before BuildKit (`DOCKER_BUILDKIT=0`). It writes the history in other words (`/bin/sh -c #(nop)  CMD ["sh"]`),
    /// which are brought into one form on both sides: COPY and ADD are compared by their destination alone, for it names its sources
    /// by a hash. What it notes in a config of the container that it built in is [`Class::DaemonFields`]; its containers have no
    /// stubs, but leave the mount points of volumes ([`Class::Stubs`]); it makes no layer where nothing changes, as for a WORKDIR that
    /// is there already ([`Class::EmptyLayers`]).
    Classic,
    /// buildah: history in the words of the classic builder, a label of its own, and one layer for all steps, unless told otherwise:
    /// [`Rules::against`] compares neither history nor layers.
    Buildah,
}

impl Builder {
    /// Who built an image, as far as its history and labels tell: the last entry is the builder's, those before may be of a base.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let is_of_classic = |text: &str| text.contains("#(nop)");
        let history = &image.config.history;
        let is_buildkits = history
            .last()
            .is_some_and(|last| last.comment.starts_with("buildkit."));
        if is_buildkits || !history.iter().any(|entry| is_of_classic(&entry.created_by)) {
            return Self::BuildKit;
        }
        match image.config.config.labels.contains_key(BUILDAH) {
            true => Self::Buildah,
            false => Self::Classic,
        }
    }
}

/// Whether a pipeline composed the image. Its history tells of tasks, and so is never that of a Dockerfile's instructions.
fn is_of_pipeline(image: &Image) -> bool {
    let history = &image.config.history;
    history.iter().any(|entry| entry.comment == PIPELINE)
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            started: None,
            counted: BTreeSet::new(),
            left: Builder::BuildKit,
            history: true,
            layers: true,
        }
    }
}

impl Rules {
    /// The rules under which an image of a builder, at the left, is compared with one of BuildKit or stromatekt.
    #[must_use]
    pub fn against(builder: Builder) -> Self {
        let is_comparable = builder != Builder::Buildah;
        Self {
            left: builder,
            history: is_comparable,
            layers: is_comparable,
            ..Self::default()
        }
    }

    /// The same rules, under which everything makes a difference.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.counted = Class::ALL.into_iter().collect();
        self
    }

    /// The rules for two images of which nothing is known but themselves.
    #[must_use]
    pub fn between(left: &Image, right: &Image) -> Self {
        let history = is_of_pipeline(left) == is_of_pipeline(right);
        match (Builder::of(left), Builder::of(right)) {
            (left, right) if left == right => Self {
                history,
                ..Self::default()
            },
            (Builder::BuildKit, other) | (other, _) => Self {
                left: other,
                history,
                ..Self::default()
            },
        }
    }

    /// Whether what is of a class makes no difference.
    #[must_use]
    pub fn expects(&self, class: Class) -> bool {
        !self.counted.contains(&class)
    }

    /// Whether a time is of this build's making.
    pub(crate) fn is_since_start(&self, seconds: i64) -> bool {
        let Some(started) = self.started else {
            return true;
        };
        let started = match started.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        seconds >= started
    }
}
