//! The options of `build`, as docker and buildx users type them.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, FromArgMatches};
use stromatekt_dockerfile::Entitlement;
use stromatekt_graph::run::Network;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_optimizer::{Pass, Passes};

use crate::call_options::CallArgs;
use crate::limits;
use crate::progress::Mode;
use crate::unsupported::Unsupported;

const REPEATABLE: &str = "--tag, --build-arg, --build-context, --label, --annotation, --platform, --secret, --ssh, --add-host, --allow, --no-cache-filter and --output \
may be given several times.";

/// The options of `build`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = REPEATABLE)]
pub struct Args {
    /// A directory, a git repository, the URL of a tar or Dockerfile, or `-`: a tar or Dockerfile on standard input
    #[arg(value_name = "CONTEXT")]
    pub context: OsString,
    /// The Dockerfile, or `-` for standard input [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<OsString>,
    /// Name of the image
    #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = tag)]
    pub tags: Vec<ImageReference>,
    /// Stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Value of an ARG; without =VALUE, that of the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// What NAME is in FROM and --from: a directory, docker-image://IMAGE, oci-layout://PATH, target:STAGE, a git
    /// repository or URL
    #[arg(long = "build-context", value_name = "NAME=WHERE")]
    pub build_contexts: Vec<String>,
    /// Label of the image; wins over the Dockerfile's
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub labels: Vec<String>,
    /// File or variable for `RUN --mount=type=secret`
    #[arg(long = "secret", value_name = "id=ID[,src=FILE|env=NAME]")]
    pub secrets: Vec<String>,
    /// Agent, or files of keys, for `RUN --mount=type=ssh`
    #[arg(long = "ssh", value_name = "default|ID[=SOCKET|KEY[,KEY]]")]
    pub ssh: Vec<String>,
    /// Platforms to build for, an image each in one index; `local` is this machine's [default: local]
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',', value_parser = platform)]
    pub platforms: Vec<Platform>,
    /// Annotation of the image's manifest; index:KEY=VALUE, manifest-descriptor:… and index-descriptor:… are other
    /// places, manifest[linux/amd64]:… is one platform's
    #[arg(long = "annotation", value_name = "[PLACE:]KEY=VALUE")]
    pub annotations: Vec<String>,
    /// Network of steps that do not choose one: default, host or none
    #[arg(long, value_name = "NETWORK", default_value = "default", value_parser = network, hide_default_value = true)]
    pub network: Network,
    /// Line for /etc/hosts in steps
    #[arg(long = "add-host", value_name = "HOST:IP", value_parser = host)]
    pub hosts: Vec<(String, IpAddr)>,
    /// Grant what steps ask for: network.host or security.insecure
    #[arg(long, value_name = "PERMISSION", value_parser = entitlement)]
    pub allow: Vec<Entitlement>,
    /// Look for newer base images in their registries
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub pull: bool,
    /// Run every step anew
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub no_cache: bool,
    /// Run every step of this stage anew
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Where the image goes [default: the local store]: type=oci|docker|tar|local|image|registry|cacheonly[,dest=FILE],
    /// a directory, or `-` for a tar on standard output
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// Push to the registries of the image's names, as --output type=registry does
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub push: bool,
    /// Put the image into the local store, too, where it goes elsewhere
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub load: bool,
    /// Write the image's id into this file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write the image's digests and names into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Write a page into this file that shows which step ran when, what it waited for, and the critical path
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// Write the same into this file in Chrome's trace format, for chrome://tracing and Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How progress is shown: auto (tty on a terminal, else plain), tty, plain, rawjson (as BuildKit's clients write it), or
    /// quiet (as --quiet)
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value = "auto",
        env = "BUILDKIT_PROGRESS",
        hide_env_values = true,
        hide_possible_values = true
    )]
    pub progress: Mode,
    /// Show no progress, and print the image's id unless an output goes to standard output
    #[arg(short, long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub quiet: bool,
    /// How the graph is made cheaper before it is executed: all, none, or some of dead, common, detach, split, files
    #[arg(long, value_name = "PASSES", default_value = "all", value_parser = passes, hide_default_value = true)]
    pub optimize: Passes,
    /// What bounds steps.
    #[command(flatten)]
    pub limits: limits::LimitArgs,
    /// What else than a build is asked for.
    #[command(flatten)]
    pub call: CallArgs,
    /// What docker has and this has not.
    #[command(flatten)]
    pub unsupported: Unsupported,
}

fn platform(text: &str) -> Result<Platform, String> {
    match text.trim() {
        "local" => Ok(Platform::host()),
        name => name
            .parse()
            .map_err(|error: stromatekt_oci::Error| error.to_string()),
    }
}

impl Args {
    /// The options of a build of this context for which nothing else is said.
    ///
    /// # Errors
    /// When the environment says what cannot be understood.
    pub fn of_context(context: &OsStr) -> Result<Self, clap::Error> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("build"));
        let line = [OsStr::new("build"), OsStr::new("--"), context];
        Self::from_arg_matches(&command.try_get_matches_from(line)?)
    }
}

fn passes(text: &str) -> Result<Passes, String> {
    match text {
        "all" => Ok(Passes::all()),
        "none" => Ok(Passes::none()),
        list => {
            let mut passes = Passes::all();
            let named: Vec<&str> = list.split(',').map(str::trim).collect();
            let known = |name: &&&str| Pass::ALL.iter().any(|pass| pass.name() == **name);
            if let Some(unknown) = named.iter().find(|name| !known(name)) {
                let names = Pass::ALL.map(Pass::name).join(", ");
                return Err(format!(
                    "`{unknown}` is no pass: there are {names}; or say all or none"
                ));
            }
            for pass in Pass::ALL
                .into_iter()
                .filter(|pass| !named.contains(&pass.name()))
            {
                passes = passes.without(pass);
            }
            Ok(passes)
        }
    }
}

/// The values that Go, and so docker, takes for a truth.
///
/// # Errors
/// When it is none.
pub fn go_bool(text: &str) -> Result<bool, String> {
    stromatekt_dockerfile::boolean(text).ok_or_else(|| format!("is true or false, not `{text}`"))
}

fn tag(text: &str) -> Result<ImageReference, String> {
    let name: ImageReference = text
        .parse()
        .map_err(|error: stromatekt_oci::Error| error.to_string())?;
    match name.digest() {
        Some(_) => Err("an image's digest is known when it is built: give a tag alone".to_owned()),
        None => Ok(name),
    }
}

fn network(text: &str) -> Result<Network, String> {
    match text {
        "default" | "" => Ok(Network::Default),
        "host" => Ok(Network::Host),
        "none" => Ok(Network::None),
        _ => Err("the networks are default, host and none".to_owned()),
    }
}

fn host(text: &str) -> Result<(String, IpAddr), String> {
    // buildx: the first of both separates, so that IPv6 addresses may have colons.
    let Some((name, address)) = text
        .split_once(['=', ':'])
        .filter(|(name, _)| !name.is_empty())
    else {
        return Err("write it as HOST:IP".to_owned());
    };
    if address == "host-gateway" {
        return Err(
            "there is no gateway to a daemon's host: give an address, or use --network host"
                .to_owned(),
        );
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    match bare.parse() {
        Ok(address) => Ok((name.to_owned(), address)),
        Err(_) => Err(format!("`{address}` is no IP address")),
    }
}

fn entitlement(text: &str) -> Result<Entitlement, String> {
    if text == "device" || text.starts_with("device=") {
        return Err(
            "steps cannot have devices: give them to the container that needs them".to_owned(),
        );
    }
    let known = [Entitlement::NetworkHost, Entitlement::SecurityInsecure];
    let found = known
        .into_iter()
        .find(|entitlement| entitlement.name() == text);
    found.ok_or_else(|| "the permissions are network.host and security.insecure".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_name_and_an_address() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (text, name, address) in [
            ("a:10.0.0.1", "a", "10.0.0.1"),
            ("a=10.0.0.1", "a", "10.0.0.1"),
            ("a:::1", "a", "::1"),
            ("a=[::1]", "a", "::1"),
        ] {
            assert_eq!(host(text), Ok((name.to_owned(), ip(address))), "{text}");
        }
        for text in ["nocolon", ":1.2.3.4", "a:b", "a:host-gateway", "a:"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_to_give_have_no_digest() {
        assert_eq!(tag("a").unwrap().familiar(), "a:latest");
        assert!(tag(&format!("a@sha256:{}", "0".repeat(64))).is_err());
        assert!(tag("UPPER:1").unwrap_err().contains("UPPER"));
    }

    #[test]
    fn permissions_and_networks_have_names() {
        assert_eq!(entitlement("network.host"), Ok(Entitlement::NetworkHost));
        assert!(entitlement("device").is_err());
        assert_eq!(network("host"), Ok(Network::Host));
        assert!(network("bridge").is_err());
    }
}
