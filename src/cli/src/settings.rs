//! What the options of `build` ask for, checked as a whole before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;

use stromatekt_dockerfile::{NoCache, Options};
use stromatekt_engine::Output;
use stromatekt_executor::{Secrets, SshAgents};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_sources::docker_config::DockerConfig;

use crate::annotations;
use crate::environment;
use crate::error::{Error, Result};
use crate::named_context;
use crate::options::Args;
use crate::outputs::{self, Outputs};
use crate::prepare;
use crate::progress::Mode;
use crate::secrets;

/// The build arg that buildx takes from the environment by itself.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Where the platform is from when nobody says.
const PLATFORM: &str = "DOCKER_DEFAULT_PLATFORM";
/// What keeps the image out of the store when nobody says where it goes.
const NO_LOAD: &str = "BUILDX_NO_DEFAULT_LOAD";

/// What a build is to do.
pub struct Settings {
    /// For the Dockerfile.
    pub options: Options,
    /// The directories of named contexts.
    pub directories: BTreeMap<String, PathBuf>,
    /// Names of the image.
    pub names: Vec<ImageReference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// Whether somebody said where.
    pub asks_for_outputs: bool,
    /// What steps may read.
    pub secrets: Secrets,
    /// What steps may use.
    pub ssh: SshAgents,
    /// How progress is shown.
    pub mode: Mode,
    /// What is not done that the environment asks for.
    pub warnings: Vec<String>,
    /// Whether standard output is for the image's id.
    pub prints_id: bool,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// When one of them cannot be met, or two contradict each other.
    pub fn new(args: &Args) -> Result<Self> {
        args.unsupported.refuse()?;
        let lookup = |name: &str| env::var(name).ok();
        let mut warnings = environment::check(lookup)?;
        let Outputs { mut outputs, names } = {
            let annotations = annotations::parse(&args.annotations)?;
            outputs::parse(&args.outputs, &annotations, args.push, args.load)?
        };
        if args.outputs.is_empty() && !args.push && !args.load && environment::is_true(NO_LOAD) {
            outputs.clear();
            warnings.push(format!(
                "{NO_LOAD} is set, and no output is asked for: the image stays in the cache"
            ));
        }
        let names = choose_names(&args.tags, names)?;
        let pushes = outputs
            .iter()
            .any(|output| matches!(output, Output::Registry { .. }));
        // A pipeline has names of its own.
        if pushes && names.is_empty() && !prepare::is_pipeline(args.file.as_deref()) {
            return Err(Error::Usage {
                what: "an image without a name cannot be pushed".into(),
                hint: "say where to with --tag REGISTRY/NAME:TAG".into(),
            });
        }
        let mut named_contexts = BTreeMap::new();
        let mut directories = BTreeMap::new();
        for value in &args.build_contexts {
            let named = named_context::parse(value)?;
            directories.extend(named.directory.map(|path| (named.name.clone(), path)));
            named_contexts.insert(named.name, named.context);
        }
        let options = Options {
            target: args.target.clone().filter(|target| !target.is_empty()),
            // Known when the context is.
            context_time: None,
            build_args: with_proxies(build_args(&args.build_args, lookup)?, proxies()?),
            labels: labels(&args.labels)?,
            named_contexts,
            platforms: platforms(&args.platforms, lookup)?,
            build_platform: Platform::host(),
            no_cache: no_cache(args.no_cache, &args.no_cache_filter)?,
            network: args.network,
            extra_hosts: args.hosts.clone(),
            limits: args.limits.limits()?,
            shm_size: args.limits.shm_size(),
            allow: args.allow.iter().copied().collect(),
        };
        let mode = mode(args)?;
        Ok(Self {
            options,
            directories,
            names,
            prints_id: mode == Mode::Quiet && !outputs.iter().any(outputs::uses_standard_output),
            outputs,
            asks_for_outputs: !args.outputs.is_empty() || args.push || args.load,
            warnings,
            secrets: secrets::parse(&args.secrets)?,
            ssh: SshAgents::parse(&args.ssh)?,
            mode,
        })
    }
}

fn choose_names(
    tags: &[ImageReference],
    of_outputs: Vec<ImageReference>,
) -> Result<Vec<ImageReference>> {
    let mut seen = BTreeSet::new();
    match (tags.is_empty(), of_outputs.is_empty()) {
        (false, false) => Err(Error::Usage {
            what: "names are given both with --tag and with name= of an output".into(),
            hint: "give them with --tag: all outputs have them then".into(),
        }),
        (true, _) => Ok(of_outputs),
        (false, true) => {
            let new = tags.iter().filter(|tag| seen.insert(*tag));
            Ok(new.cloned().collect())
        }
    }
}

/// `NAME=VALUE`, or a name alone.
fn pair<'a>(option: &'static str, text: &'a str) -> Result<(&'a str, Option<&'a str>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name.is_empty() {
        return Err(Error::Option {
            option,
            value: text.to_owned(),
            reason: "it has no name".into(),
            hint: Some("write it as NAME=VALUE".into()),
        });
    }
    Ok((name, value))
}

/// The labels: one without a value is empty.
fn labels(given: &[String]) -> Result<BTreeMap<String, String>> {
    let pairs = given.iter().map(|label| {
        let (name, value) = pair("--label", label)?;
        Ok((name.to_owned(), value.unwrap_or_default().to_owned()))
    });
    pairs.collect()
}

/// The build args: one without a value has that of the environment, and is not there where the environment has none.
fn build_args(
    given: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>> {
    let mut args = BTreeMap::new();
    for arg in given {
        let (name, value) = pair("--build-arg", arg)?;
        let value = value.map(str::to_owned).or_else(|| environment(name));
        args.extend(value.map(|value| (name.to_owned(), value)));
    }
    if !args.contains_key(EPOCH)
        && let Some(epoch) = environment(EPOCH).filter(|epoch| !epoch.is_empty())
    {
        args.insert(EPOCH.to_owned(), epoch);
    }
    Ok(args)
}

/// The proxies of docker's config.
fn proxies() -> Result<BTreeMap<String, String>> {
    match DockerConfig::of_user() {
        Some(config) => Ok(config.proxy_args()?),
        None => Ok(BTreeMap::new()),
    }
}

/// The build args, and with them the proxies that they do not set, whatever the spelling.
fn with_proxies(
    mut args: BTreeMap<String, String>,
    proxies: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let given: BTreeSet<String> = args.keys().map(|name| name.to_ascii_lowercase()).collect();
    let new = proxies
        .into_iter()
        .filter(|(name, _)| !given.contains(&name.to_ascii_lowercase()));
    args.extend(new);
    args
}

/// The platforms that are asked for, else the one of the environment.
fn platforms(
    given: &[Platform],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Platform>> {
    let default = environment(PLATFORM).filter(|platform| !platform.is_empty());
    match default {
        Some(platform) if given.is_empty() => {
            let parsed =
                platform
                    .parse()
                    .map_err(|error: stromatekt_oci::Error| Error::Option {
                        option: PLATFORM,
                        value: platform.clone(),
                        reason: error.to_string(),
                        hint: None,
                    })?;
            Ok(vec![parsed])
        }
        _ => Ok(distinct(given)),
    }
}

/// Each platform once.
fn distinct(platforms: &[Platform]) -> Vec<Platform> {
    let mut seen = BTreeSet::new();
    let new = platforms.iter().filter(|platform| seen.insert(*platform));
    new.cloned().collect()
}

fn no_cache(all: bool, stages: &[String]) -> Result<NoCache> {
    match (all, stages.is_empty()) {
        (false, true) => Ok(NoCache::Off),
        (true, true) => Ok(NoCache::All),
        (false, false) => Ok(NoCache::Stages(stages.iter().cloned().collect())),
        (true, false) => Err(Error::Usage {
            what: "--no-cache and --no-cache-filter are given together".into(),
            hint: "--no-cache runs all stages anew: leave the other one out".into(),
        }),
    }
}

fn mode(args: &Args) -> Result<Mode> {
    match (args.quiet, args.progress) {
        (false, mode) => Ok(mode),
        (true, Mode::Auto | Mode::Quiet) => Ok(Mode::Quiet),
        (true, _) => Err(Error::Usage {
            what: "--quiet and --progress are given together".into(),
            hint: "leave one of them out".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use stromatekt_engine::ImageOptions;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(args: &[&str]) -> Result<Settings> {
        let cli = Cli::try_parse_from([&["stromatekt", "build", "."], args].concat()).unwrap();
        let Command::Build(args) = cli.command else {
            panic!("expected a build");
        };
        Settings::new(&args)
    }

    #[test]
    fn build_args_without_a_value_come_from_the_environment() {
        let environment = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            EPOCH => Some("5".to_owned()),
            _ => None,
        };
        let args = |given: &[&str]| {
            let given: Vec<_> = given.iter().map(|&arg| arg.to_owned()).collect();
            let args = build_args(&given, environment).unwrap();
            args.into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            args(&["A=1=2", "SET", "UNSET", "EMPTY="]),
            ["A=1=2", "EMPTY=", "SET=value", "SOURCE_DATE_EPOCH=5"]
        );
        assert_eq!(args(&["SOURCE_DATE_EPOCH=7"]), ["SOURCE_DATE_EPOCH=7"]);
    }

    #[test]
    fn proxies_of_the_config_do_not_replace_build_args() {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let proxies = map(&[
            ("HTTP_PROXY", "p"),
            ("http_proxy", "p"),
            ("NO_PROXY", "p"),
            ("no_proxy", "p"),
        ]);
        assert_eq!(
            with_proxies(map(&[("No_Proxy", "mine")]), proxies),
            map(&[
                ("HTTP_PROXY", "p"),
                ("http_proxy", "p"),
                ("No_Proxy", "mine")
            ])
        );
    }

    #[test]
    fn the_platform_of_the_environment_is_a_default() {
        let chosen = |given: &[&str], default: &str| {
            let given: Vec<Platform> = given.iter().map(|text| text.parse().unwrap()).collect();
            platforms(&given, |_| Some(default.to_owned())).map(|platforms| {
                platforms
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(chosen(&[], "linux/arm64").unwrap(), ["linux/arm64"]);
        assert_eq!(
            chosen(&["linux/amd64"], "linux/arm64").unwrap(),
            ["linux/amd64"]
        );
        assert!(chosen(&[], "").unwrap().is_empty());
        assert!(chosen(&[], "a/b/c/d/e").is_err());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (args, said) in [
            (&["--push"][..], "name"),
            (&["-o", "type=registry"], "name"),
            (&["-t", "a", "-o", "type=image,name=b"], "--tag"),
            (
                &["--no-cache", "--no-cache-filter", "a"],
                "--no-cache-filter",
            ),
            (&["-q", "--progress", "plain"], "--progress"),
            (&["--label", "=x"], "=x"),
            (&["--build-arg", "=x"], "=x"),
            (&["--squash"], "--squash"),
            (&["--secret", "src=x"], "ID"),
        ] {
            let error = settings(args).err().map(|error| error.to_string());
            assert!(
                error.as_ref().is_some_and(|error| error.contains(said)),
                "{args:?}: {error:?}"
            );
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_done() {
        let settings = settings(&[
            "-t",
            "a",
            "-t",
            "a:latest",
            "-t",
            "b:2",
            "--label",
            "l=1",
            "--label",
            "bare",
            "--platform",
            "linux/arm64,linux/amd64",
            "--platform",
            "linux/arm64/v8",
            "--no-cache-filter",
            "x,y",
            "--no-cache-filter",
            "z",
            "--add-host",
            "h:10.0.0.1",
            "--allow",
            "security.insecure",
            "--pull=false",
            "--provenance=false",
            "--build-context",
            "src=.",
            "-q",
        ])
        .unwrap();
        let names: Vec<_> = settings
            .names
            .iter()
            .map(ImageReference::familiar)
            .collect();
        assert_eq!(names, ["a:latest", "b:2"]);
        assert_eq!(settings.options.labels["bare"], "");
        let platforms: Vec<_> = settings
            .options
            .platforms
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
        assert_eq!(
            settings.options.no_cache,
            NoCache::Stages(["x", "y", "z"].map(str::to_owned).into())
        );
        assert_eq!(settings.directories["src"], PathBuf::from("."));
        assert_eq!(
            (settings.mode, settings.outputs.as_slice()),
            (Mode::Quiet, &[Output::Store(ImageOptions::default())][..])
        );
    }
}
