//! The ports of EXPOSE: `[[address:]host:]first[-last][/protocol]`, spelled out one by one.
//!
//! Docker reads host parts and ignores them; so does this, with the same checks.

use std::net::IpAddr;

/// How an argument is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its protocol has capital letters.
    pub has_capitals: bool,
    /// It has an address or a port of the host.
    pub has_host: bool,
}

impl Form {
    /// Nothing where there is no port, or a protocol that there is not.
    pub fn of(text: &str) -> Option<Self> {
        let (address, host, range, protocol) = split(text);
        let lower = protocol.to_ascii_lowercase();
        let is_known = matches!(lower.as_str(), "" | "tcp" | "udp" | "sctp");
        (!range.is_empty() && is_known).then_some(Self {
            has_capitals: lower != protocol,
            has_host: !address.is_empty() || !host.is_empty(),
        })
    }
}

/// Address, host part, range and protocol.
fn split(text: &str) -> (String, &str, &str, &str) {
    let parts: Vec<&str> = text.split(':').collect();
    let (address, host, container) = match parts.as_slice() {
        [] => (String::new(), "", ""),
        [container] => (String::new(), "", *container),
        [host, container] => (String::new(), *host, *container),
        [address @ .., host, container] => (address.join(":"), *host, *container),
    };
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    (address, host, range, protocol)
}

/// The `port/protocol` entries that one argument stands for; the reason where it stands for none.
pub fn parse(text: &str) -> Result<Vec<String>, String> {
    let (address, host, range, protocol) = split(text);
    if range.is_empty() {
        return Err("no port is given".to_owned());
    }
    let protocol = match protocol.to_ascii_lowercase() {
        empty if empty.is_empty() => "tcp".to_owned(),
        known if matches!(known.as_str(), "tcp" | "udp" | "sctp") => known,
        _ => {
            return Err(format!(
                "`{protocol}` is no protocol: tcp, udp and sctp are"
            ));
        }
    };
    let plain = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'))
        .unwrap_or(&address);
    if !address.is_empty() && plain.parse::<IpAddr>().is_err() {
        return Err(format!("`{address}` is no IP address"));
    }
    let (first, last) = parse_range(range)?;
    if !host.is_empty() {
        let (host_first, host_last) = parse_range(host)?;
        if last - first != host_last - host_first && first != last {
            return Err(format!(
                "`{range}` and `{host}` are ranges of different size"
            ));
        }
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (parse_port(first)?, parse_port(last)?),
        None => {
            let port = parse_port(text)?;
            (port, port)
        }
    };
    if last < first {
        return Err(format!("the range `{text}` ends before it starts"));
    }
    Ok((first, last))
}

fn parse_port(text: &str) -> Result<u16, String> {
    // Go's parser takes a sign.
    text.strip_prefix('+')
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("`{text}` is no port: 0 to 65535 are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_spelled_out() {
        for (text, ports) in [
            ("80", &["80/tcp"][..]),
            ("80/UDP", &["80/udp"]),
            ("80-82/sctp", &["80/sctp", "81/sctp", "82/sctp"]),
            ("8080:80", &["80/tcp"]),
            ("127.0.0.1::80", &["80/tcp"]),
            ("[::1]:8080:80", &["80/tcp"]),
            ("8000-9000:80", &["80/tcp"]),
            ("0/", &["0/tcp"]),
            ("65535", &["65535/tcp"]),
        ] {
            assert_eq!(
                parse(text).as_deref(),
                Ok(ports.map_to_strings().as_slice()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in [
            "",
            "a",
            "80/x",
            "82-80",
            "65536",
            "-1",
            "1-2:3-5",
            "x::80",
            "80-",
            "/tcp",
            "99999999999",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    trait MapToStrings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl MapToStrings for [&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(|&text| text.to_owned()).collect()
        }
    }
}
