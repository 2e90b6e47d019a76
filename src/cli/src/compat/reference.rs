//! The builder that stromatekt is compared with: docker, by BuildKit or its classic builder, or buildah.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use stromatekt_compare::Builder;
use tokio_util::sync::CancellationToken;

use super::images;
use super::program::{Ended, Program};
use crate::error::{Error, Result};

/// Which builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BuildKit, by `docker buildx build`.
    BuildKit,
    /// docker's classic builder, by `docker build`.
    Classic,
    /// `buildah build`.
    Buildah,
}

/// A builder that is there.
#[derive(Debug)]
pub struct Reference {
    /// Which one.
    pub kind: Kind,
    /// What it is called, with its version.
    pub name: String,
    /// The name of the image that it builds.
    tag: String,
}

/// What a build is told.
pub struct Told<'a> {
    /// The options.
    pub options: &'a [OsString],
    /// The context.
    pub context: &'a OsStr,
    /// The file that standard input is read from.
    pub stdin: Option<&'a Path>,
}

impl Kind {
    /// The builder that a word means; nothing for an image.
    pub fn parse(word: &str) -> Option<Option<Self>> {
        match word {
            "docker" => Some(None),
            "buildkit" => Some(Some(Self::BuildKit)),
            "classic" => Some(Some(Self::Classic)),
            "buildah" => Some(Some(Self::Buildah)),
            _ => None,
        }
    }
}

impl Reference {
    /// Finds the builder; docker without a choice is BuildKit where the client has buildx.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn find(kind: Option<Kind>, cancel: &CancellationToken) -> Result<Self> {
        let kind = match kind {
            Some(kind) => kind,
            None => {
                let buildx = Program::new("docker").args(["buildx", "version"]);
                match buildx.succeeds(cancel).await? {
                    true => Kind::BuildKit,
                    false => Kind::Classic,
                }
            }
        };
        let name = match kind {
            Kind::Buildah => {
                let said = Program::new("buildah").args(["--version"]);
                said.ok("tell its version", cancel).await?.trim().to_owned()
            }
            docker => {
                let said =
                    Program::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
                let version = said.ok("reach its daemon", cancel).await?;
                let builder = match docker {
                    Kind::Classic => "classic builder",
                    _ => "BuildKit",
                };
                format!("docker {} ({builder})", version.trim())
            }
        };
        Ok(Self {
            kind,
            name,
            tag: format!("stromatekt-compat-{}:latest", std::process::id()),
        })
    }

    /// What the comparison has to know of it.
    pub fn builder(&self) -> Builder {
        match self.kind {
            Kind::BuildKit => Builder::BuildKit,
            Kind::Classic => Builder::Classic,
            Kind::Buildah => Builder::Buildah,
        }
    }

    /// Builds, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn build(&self, told: &Told<'_>, cancel: &CancellationToken) -> Result<Ended> {
        let program = match self.kind {
            Kind::BuildKit => Program::new("docker").args([
                "buildx",
                "build",
                "--progress=plain",
                "--load",
                "--tag",
                &self.tag,
            ]),
            Kind::Classic => Program::new("docker")
                .args(["build", "--tag", &self.tag])
                .env("DOCKER_BUILDKIT", "0"),
            Kind::Buildah => Program::new("buildah")
                // As docker: an image is pulled where there is none.
                .args(["build", "--format=docker", "--tag", &self.tag]),
        };
        let ended = program
            .args(told.options)
            .args([told.context])
            .stdin(told.stdin)
            .run(cancel)
            .await?;
        // What the client itself refuses was never built.
        match !ended.status.success() && self.is_refusal(&ended) {
            true => Err(Error::Program {
                program: self.name.clone(),
                attempt: "build with these options".into(),
                said: ended.log.trim().to_owned(),
            }),
            false => Ok(ended),
        }
    }

    /// Whether the client refused its command line. buildah has one exit code for all that fails.
    fn is_refusal(&self, ended: &Ended) -> bool {
        let is_usage = self.kind != Kind::Buildah && ended.status.code() == Some(125);
        let lines = ended.log.lines().map(str::trim_start);
        let mut messages = lines.map(|line| {
            let prefixes = ["Error: ", "ERROR: "];
            let message = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix));
            message.unwrap_or(line)
        });
        is_usage
            || messages.any(|message| {
                message.starts_with("unknown flag: ")
                    || message.starts_with("unknown shorthand flag: ")
            })
    }

    /// Writes the image that was built into a file.
    ///
    /// # Errors
    /// When it is not there any more.
    pub async fn save(&self, path: &Path, cancel: &CancellationToken) -> Result<()> {
        self.save_image(&self.tag, path, cancel).await
    }

    /// Writes one of its images into a file.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn save_image(
        &self,
        name: &str,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<()> {
        match self.kind {
            Kind::Buildah => images::push(name, path, cancel).await,
            Kind::BuildKit | Kind::Classic => images::save(name, path, cancel).await,
        }
    }

    /// The id of one of its images, if it has it.
    ///
    /// # Errors
    /// When the person stopped it.
    pub async fn id_of(&self, name: &str, cancel: &CancellationToken) -> Result<Option<String>> {
        let program = match self.kind {
            Kind::Buildah => Program::new("buildah").args([
                "inspect",
                "--type=image",
                "--format",
                "{{.FromImageID}}",
                name,
            ]),
            Kind::BuildKit | Kind::Classic => {
                Program::new("docker").args(["image", "inspect", "--format", "{{.Id}}", name])
            }
        };
        let ended = program.run(cancel).await?;
        let id = ended.stdout.trim().trim_start_matches("sha256:").to_owned();
        Ok((ended.status.success() && !id.is_empty()).then_some(id))
    }
}

impl Drop for Reference {
    /// The image that was built is removed, also where it could not be compared.
    fn drop(&mut self) {
        let mut command = match self.kind {
            Kind::Buildah => Command::new("buildah"),
            Kind::BuildKit | Kind::Classic => Command::new("docker"),
        };
        let remove: &[&str] = match self.kind {
            Kind::Buildah => &["rmi"],
            Kind::BuildKit | Kind::Classic => &["image", "rm"],
        };
        // Where nothing was built, there is nothing to remove.
        let _ = command
            .args(remove)
            .arg(&self.tag)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
