//! Names of hosts, as pipelines of both languages give them to steps.

use std::net::IpAddr;

use crate::{Item, Place, Problem};

/// How long a host's own name may be (`HOST_NAME_MAX` of Linux).
const HOSTNAME_MAX: usize = 64;

/// Lines of `/etc/hosts`: an address, or several, for a name.
///
/// # Errors
/// When a name cannot stand there as one word, or an address is none.
pub fn hosts(item: &Item<'_>) -> Result<Vec<(String, IpAddr)>, Problem> {
    let mut hosts = Vec::new();
    for entry in item.entries()? {
        check_word(&entry.name_place, entry.name)?;
        for item in entry.item.one_or_list() {
            let text = item.text()?;
            let address = text
                .parse()
                .map_err(|_| item.problem(format!("`{text}` is no IP address")))?;
            hosts.push((entry.name.to_owned(), address));
        }
    }
    Ok(hosts)
}

/// Checks the name that a container's own host gets.
///
/// # Errors
/// When it cannot stand in `/etc/hosts` as one word, or is longer than Linux takes.
pub fn check_hostname(place: &Place, name: &str) -> Result<(), Problem> {
    check_word(place, name)?;
    match name.len() > HOSTNAME_MAX {
        true => Err(place.problem(format!("a host name has at most {HOSTNAME_MAX} bytes"))),
        false => Ok(()),
    }
}

fn check_word(place: &Place, name: &str) -> Result<(), Problem> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    match name.is_empty() || name.contains(is_odd) {
        true => Err(place.problem(format!("`{}` is no name of a host", name.escape_debug()))),
        false => Ok(()),
    }
}
