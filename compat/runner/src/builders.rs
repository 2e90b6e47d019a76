//! The three builders, each with a case's private copy: docker's two and stromatekt.
//!
//! All build without their cache, so that no case sees what another one left, and with no network unless the case asks for one. Images are
//! written uncompressed: how blobs are stored is no matter of these cases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::blame::{self, Lines};
use crate::case::Case;
use crate::command::{self, Done};
use crate::definition::Reference;
use crate::docker::Docker;
use crate::error::{Error, Result};
use crate::stromatekt::Stromatekt;

/// No build of a case takes longer.
const LIMIT: Duration = Duration::from_secs(300);

/// A case that is ready to be built.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    /// The case.
    pub case: &'a Case,
    /// Where its private copy is, and what the builders write.
    pub directory: &'a Path,
    /// The URL of its `www`, if it is served.
    pub server: &'a str,
    /// The blobs of the base images.
    pub base_blobs: &'a Path,
    /// What no other case is called, in this run or in another.
    pub unique: &'a str,
}

/// How a build ended.
#[derive(Clone, Debug)]
pub struct Built {
    /// Whether it succeeded.
    pub success: bool,
    /// What the builder wrote.
    pub output: String,
    /// How long it took, until the image was written.
    pub elapsed: Duration,
    /// The image, where it succeeded.
    pub image: PathBuf,
    /// The lines that its error blames.
    pub blames: Option<Lines>,
}

impl Built {
    fn new(done: &Done, image: PathBuf) -> Self {
        Self {
            success: done.success,
            output: format!("{}\n{}", done.stdout, done.stderr),
            elapsed: done.elapsed,
            image,
            blames: None,
        }
    }

    /// The last lines of what the builder wrote.
    #[must_use]
    pub fn tail(&self) -> String {
        command::last_lines(&self.output)
    }
}

impl Prepared<'_> {
    /// The private copy.
    ///
    /// BuildKit takes a file of a context for the one it has when size, mode and time are the same, and it takes contexts for the same
    /// when the last parts of their paths are: so no two copies may have one name.
    #[must_use]
    pub fn copy(&self) -> PathBuf {
        self.directory.join(self.unique.replace('/', "-"))
    }

    /// What a text of `case.yaml` means to a builder that sees the copy at `work`.
    fn fill(&self, text: &str, work: &str) -> String {
        text.replace("{work}", work)
            .replace("{server}", self.server)
    }

    /// The arguments that all builders have, the context last.
    fn arguments(&self, work: &Path) -> Vec<String> {
        let definition = &self.case.definition;
        let work = work.to_string_lossy();
        let mut all = Vec::new();
        if !definition
            .args
            .iter()
            .any(|arg| arg.starts_with("--network"))
        {
            all.extend(["--network".to_owned(), "none".to_owned()]);
        }
        all.extend(definition.args.iter().map(|arg| self.fill(arg, &work)));
        all.push(match (&definition.context, &definition.stdin) {
            (Some(context), _) => match self.fill(context, &work) {
                context
                    if context.contains("://") || context.starts_with('/') || context == "-" =>
                {
                    context
                }
                context => format!("{work}/{context}"),
            },
            (None, Some(_)) => "-".to_owned(),
            (None, None) => work.into_owned(),
        });
        all
    }

    fn run(&self, command: &mut Command, work: &Path) -> Result<Done> {
        let definition = &self.case.definition;
        let work = work.to_string_lossy();
        command.envs(
            definition
                .env
                .iter()
                .map(|(name, value)| (name, self.fill(value, &work))),
        );
        let stdin = definition.stdin.as_ref().map(|file| self.copy().join(file));
        command::run(command, stdin.as_deref(), LIMIT)
    }

    /// So that cache mounts are empty at first.
    fn cache_namespace(&self) -> String {
        format!("BUILDKIT_CACHE_MOUNT_NS={}", self.unique)
    }

    /// The Dockerfile's text, if it can be known without building.
    fn dockerfile(&self) -> Option<String> {
        let definition = &self.case.definition;
        let named = definition.argument(&["--file", "-f"]);
        let copy = self.copy();
        let path = match (named, &definition.stdin, &definition.context) {
            (Some(file), Some(stdin), _) if file == "-" => copy.join(stdin),
            (Some(file), ..) => copy.join(self.fill(&file, &copy.to_string_lossy())),
            (None, Some(stdin), None) => copy.join(stdin),
            (None, _, Some(context)) => copy.join(context).join("Dockerfile"),
            (None, None, None) => copy.join("Dockerfile"),
        };
        fs::read_to_string(path).ok()
    }
}

/// Has one of docker's builders build a case.
///
/// # Errors
///
/// It cannot be started, or an image that was built cannot be had.
pub fn reference(which: Reference, docker: &Docker, prepared: &Prepared<'_>) -> Result<Built> {
    match which {
        Reference::Buildkit => buildkit(docker, prepared),
        Reference::Classic => classic(docker, prepared),
    }
}

fn buildkit(docker: &Docker, prepared: &Prepared<'_>) -> Result<Built> {
    let image = prepared.directory.join("buildkit");
    // What is in the layout already is not sent again: the base is, with most cases, most of the image.
    link_all(prepared.base_blobs, &image.join("blobs/sha256"))?;
    let work = docker.inside(&prepared.copy());
    let mut build = docker.buildx();
    build.args([
        "build",
        "--no-cache",
        "--provenance=false",
        "--progress=plain",
    ]);
    build.args(["--build-arg", &prepared.cache_namespace()]);
    build.arg(format!(
        "--output=type=oci,compression=uncompressed,tar=false,dest={}",
        docker.inside(&image).display()
    ));
    let done = prepared.run(build.args(prepared.arguments(&work)), &work)?;
    let mut built = Built::new(&done, image);
    if !built.success {
        built.blames = blame::buildkit(&built.output).or_else(|| {
            let dockerfile = prepared.dockerfile()?;
            blame::buildkit_step(&built.output, &dockerfile)
        });
    }
    Ok(built)
}

/// Makes a directory of hard links to all files of another one.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::file("make", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let link = to.join(entry.file_name());
        fs::hard_link(entry.path(), &link).map_err(Error::file("link", link))?;
    }
    Ok(())
}

fn classic(docker: &Docker, prepared: &Prepared<'_>) -> Result<Built> {
    let image = prepared.directory.join("classic.tar");
    let work = docker.inside(&prepared.copy());
    let tag = prepared.unique.to_ascii_lowercase();
    let mut build = docker.program("docker");
    build.env("DOCKER_BUILDKIT", "0");
    build.args(["build", "--no-cache", "--force-rm", "--tag", &tag]);
    let done = prepared.run(build.args(prepared.arguments(&work)), &work)?;
    let mut built = Built::new(&done, image);
    if built.success {
        let saved = docker.attempt([
            Path::new("image"),
            "save".as_ref(),
            "-o".as_ref(),
            &docker.inside(&built.image),
            tag.as_ref(),
        ])?;
        if !saved.success {
            return Err(Error::Command {
                command: format!("docker image save {tag}"),
                purpose: "saves what the classic builder built",
                output: saved.tail(),
            });
        }
        built.elapsed += saved.elapsed;
        // At once: the more images docker has, the longer everything takes it.
        docker.attempt(["image", "rm", "--force", &tag])?;
    } else if let Some(dockerfile) = prepared.dockerfile() {
        built.blames = blame::classic(&built.output, &dockerfile);
    }
    Ok(built)
}

/// Has stromatekt build a case.
///
/// # Errors
///
/// It cannot be started.
pub fn stromatekt(stromatekt: &Stromatekt, prepared: &Prepared<'_>) -> Result<Built> {
    let image = prepared.directory.join("stromatekt");
    let work = prepared.copy();
    let mut build = stromatekt.command();
    build.args([
        "build",
        "--no-cache",
        "--progress=plain",
        "--build-arg",
        &prepared.cache_namespace(),
    ]);
    build.arg(format!(
        "--output=type=oci,compression=uncompressed,tar=false,dest={}",
        image.display()
    ));
    let done = prepared.run(build.args(prepared.arguments(&work)), &work)?;
    let mut built = Built::new(&done, image);
    if !built.success {
        built.blames = blame::stromatekt(&built.output);
    }
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;

    fn case(definition: Definition) -> Case {
        Case {
            name: "a/b".to_owned(),
            directory: PathBuf::from("/cases/a/b"),
            point: "A point.".to_owned(),
            definition,
        }
    }

    fn arguments(definition: Definition) -> Vec<String> {
        let case = case(definition);
        let prepared = Prepared {
            case: &case,
            directory: Path::new("/run/1"),
            server: "http://127.0.0.1:1/b",
            base_blobs: Path::new("/run/blobs"),
            unique: "run-1",
        };
        prepared.arguments(Path::new("/work/context"))
    }

    #[test]
    fn the_copy_is_the_context_unless_the_case_says_otherwise() {
        assert_eq!(
            arguments(Definition::default()),
            ["--network", "none", "/work/context"]
        );
        for (context, stdin, expected) in [
            (Some("sub"), None, "/work/context/sub"),
            (
                Some("{server}/app.git#main"),
                None,
                "http://127.0.0.1:1/b/app.git#main",
            ),
            (None, Some("context.tar"), "-"),
            (Some("."), Some("Dockerfile.in"), "/work/context/."),
        ] {
            let definition = Definition {
                context: context.map(str::to_owned),
                stdin: stdin.map(str::to_owned),
                ..Definition::default()
            };
            assert_eq!(
                arguments(definition).last().map(String::as_str),
                Some(expected)
            );
        }
    }

    #[test]
    fn arguments_are_filled_in() {
        let definition = Definition {
            args: vec![
                "--network=host".into(),
                "--secret".into(),
                "id=a,src={work}/a".into(),
                "{server}".into(),
            ],
            ..Definition::default()
        };
        assert_eq!(
            arguments(definition),
            [
                "--network=host",
                "--secret",
                "id=a,src=/work/context/a",
                "http://127.0.0.1:1/b",
                "/work/context"
            ]
        );
    }
}
