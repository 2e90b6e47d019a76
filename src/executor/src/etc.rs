//! The two files in `/etc` that depend on where a process runs, not on its image: `hosts` and `resolv.conf`.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use stromatekt_graph::run::Run;

use crate::error::{Error, Result};

/// As BuildKit names its containers, unless a build says otherwise.
pub const HOSTNAME: &str = "buildkitsandbox";

/// The address that a private network answers name queries at, where the host's own resolver is on its loopback device.
pub const FORWARDER: &str = "169.254.1.1";

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What systemd-resolved got from the network, where `/etc/resolv.conf` has but its own address.
const RESOLVED_CONF: &str = "/run/systemd/resolve/resolv.conf";
const RESOLVED: &str = "127.0.0.53";

/// The lines of a `resolv.conf(5)`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Resolver {
    servers: Vec<IpAddr>,
    search: Vec<String>,
    options: Vec<String>,
    other: Vec<String>,
}

/// The host name of a step.
pub fn hostname(run: &Run) -> &str {
    run.hostname.as_deref().unwrap_or(HOSTNAME)
}

/// The `/etc/hosts` of a step.
pub fn hosts(hostname: &str, extra: &[(String, IpAddr)]) -> String {
    let mut text =
        format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in extra {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{address}\t{name}");
    }
    text
}

/// The `/etc/resolv.conf` of a step in the host's network.
pub fn resolv_conf_of_host() -> Result<String> {
    let resolver = read(Path::new(RESOLV_CONF))?;
    Ok(if resolver.servers.is_empty() {
        resolver.reachable()
    } else {
        resolver
    }
    .to_text())
}

/// The `/etc/resolv.conf` of a step in a network of its own, where the host's loopback addresses lead nowhere.
pub fn resolv_conf_of_private() -> Result<String> {
    Ok(resolver_of_private()?.reachable().to_text())
}

/// Whether a private network has to forward queries, since no server can be reached from it.
pub fn is_forwarded() -> Result<bool> {
    let resolver = resolver_of_private()?;
    Ok(resolver.servers.iter().all(IpAddr::is_loopback))
}

fn resolver_of_private() -> Result<Resolver> {
    let resolver = read(Path::new(RESOLV_CONF))?;
    match resolver.servers.as_slice() {
        [only] if only.to_string() == RESOLVED => read(Path::new(RESOLVED_CONF)),
        _ => Ok(resolver),
    }
}

fn read(path: &Path) -> Result<Resolver> {
    match fs::read(path) {
        Ok(bytes) => Ok(Resolver::parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Resolver::default()),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

impl Resolver {
    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_whitespace();
            let keyword = words.next();
            let words: Vec<String> = words.map(str::to_owned).collect();
            match keyword {
                None => {}
                Some("nameserver") => {
                    let address = words.first().and_then(|word| word.parse::<IpAddr>().ok());
                    resolver.servers.extend(address);
                }
                // The last one counts.
                Some("search" | "domain") if !words.is_empty() => resolver.search = words,
                Some("options") => resolver.options.extend(words),
                Some("search" | "domain") => {}
                Some(_) => resolver.other.push(line.to_owned()),
            }
        }
        resolver
    }

    /// Without servers on the loopback device; if none is left, the network itself forwards queries.
    fn reachable(mut self) -> Self {
        self.servers.retain(|server| !server.is_loopback());
        if self.servers.is_empty() {
            self.servers.extend(FORWARDER.parse::<IpAddr>());
        }
        self
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            let _ = writeln!(text, "nameserver {server}");
        }
        for (keyword, words) in [("search", &self.search), ("options", &self.options)] {
            if !words.is_empty() {
                let _ = writeln!(text, "{keyword} {}", words.join(" "));
            }
        }
        for line in &self.other {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_what_was_added() {
        let extra = [
            ("a.example".to_owned(), IpAddr::from([10, 1, 2, 3])),
            ("b".to_owned(), "::1".parse().expect("an address")),
        ];
        assert_eq!(
            hosts(HOSTNAME, &extra),
            "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             10.1.2.3\ta.example\n::1\tb\n"
        );
    }

    #[test]
    fn loopback_servers_are_not_for_private_networks() {
        for (host, private) in [
            (
                "# x\nnameserver 127.0.0.1\nnameserver 10.0.0.1\nnameserver nonsense\nsearch a\ndomain b c\noptions x\noptions y:1\n",
                "nameserver 10.0.0.1\nsearch b c\noptions x y:1\n",
            ),
            ("nameserver ::1\n", "nameserver 169.254.1.1\n"),
            ("", "nameserver 169.254.1.1\n"),
            (
                "nameserver fd00::1\nsortlist 1.2.3.4\n",
                "nameserver fd00::1\nsortlist 1.2.3.4\n",
            ),
        ] {
            assert_eq!(
                Resolver::parse(host).reachable().to_text(),
                private,
                "{host}"
            );
        }
    }
}
