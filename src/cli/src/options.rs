//! The options of `build`, as docker and buildx users type them.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::ArgAction;
use stromatekt_dockerfile::Entitlement;
use stromatekt_graph::run::Network;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::progress::Mode;
use crate::unsupported::Unsupported;

/// The options of `build`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A directory, a git repository, the URL of a tar or Dockerfile, or `-`: a tar or Dockerfile on standard input
    #[arg(value_name = "CONTEXT")]
    pub context: OsString,
    /// The Dockerfile [default: CONTEXT/Dockerfile]; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<OsString>,
    /// Name of the image; may be given several times
    #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = tag)]
    pub tags: Vec<ImageReference>,
    /// The stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Value of an ARG; without `=VALUE`, of the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// More files: a directory, docker-image://NAME, oci-layout://PATH, target:STAGE, a git repository or URL
    #[arg(long = "build-context", value_name = "NAME=WHERE")]
    pub build_contexts: Vec<String>,
    /// Label of the image, over those of the Dockerfile
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub labels: Vec<String>,
    /// File or variable that steps may read with `RUN --mount=type=secret`
    #[arg(long = "secret", value_name = "id=ID[,src=FILE|env=NAME]")]
    pub secrets: Vec<String>,
    /// Agent that steps may use with `RUN --mount=type=ssh`
    #[arg(long = "ssh", value_name = "default|ID[=SOCKET]")]
    pub ssh: Vec<String>,
    /// The platform of the image [default: this machine's]
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',')]
    pub platforms: Vec<Platform>,
    /// The network of steps that do not choose one: default, host or none
    #[arg(long, value_name = "NETWORK", default_value = "default", value_parser = network, hide_default_value = true)]
    pub network: Network,
    /// One more line of /etc/hosts in steps
    #[arg(long = "add-host", value_name = "HOST:IP", value_parser = host)]
    pub hosts: Vec<(String, IpAddr)>,
    /// Permission for steps that ask for it: network.host or security.insecure
    #[arg(long, value_name = "PERMISSION", value_parser = entitlement)]
    pub allow: Vec<Entitlement>,
    /// Look for newer base images in their registries
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub pull: bool,
    /// Run every step anew
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub no_cache: bool,
    /// Run the steps of this stage anew
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Where the image goes [default: the local store]: type=oci|docker|tar|local|image|registry|cacheonly[,dest=FILE],
    /// a directory, or `-` for a tar on standard output
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// The same as --output type=registry
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub push: bool,
    /// The local store too, beside other outputs
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub load: bool,
    /// File for the image's id
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// File for the image's digests and names, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// How progress is shown
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value = "auto",
        env = "BUILDKIT_PROGRESS",
        hide_env = true
    )]
    pub progress: Mode,
    /// Print the image's id alone; nothing where an output goes to standard output
    #[arg(short, long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub quiet: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    pub unsupported: Unsupported,
}

/// The values that Go, and so docker, takes for a truth.
///
/// # Errors
/// When it is none.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("is true or false, not `{other}`")),
    }
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
