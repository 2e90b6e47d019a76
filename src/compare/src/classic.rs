//! Histories in the words of the classic builder and of several BuildKits, brought into one form.
//!
//! The classic builder writes `/bin/sh -c #(nop)  CMD ["sh"]` where BuildKit writes `CMD ["sh"]`, `/bin/sh -c make` for
//! `RUN /bin/sh -c make # buildkit`, and `COPY file:HASH in /etc` for `COPY passwd /etc # buildkit`.

/// How the classic builder marks what is no RUN.
const NOP: &str = "#(nop)";
/// How BuildKit marks what it ran.
const BUILDKIT: &str = " # buildkit";
/// The instructions that leave an entry.
const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What BuildKit did, whichever version: ports and health checks are written in several ways.
pub(crate) fn spelling(created_by: &str) -> String {
    match created_by.split_once(' ') {
        Some(("EXPOSE", ports)) => format!("EXPOSE {}", self::ports(ports)),
        Some(("HEALTHCHECK", check)) => format!("HEALTHCHECK {}", health(check)),
        _ => created_by.to_owned(),
    }
}

/// What was done, whichever builder did it, as far as the classic one tells.
pub(crate) fn normalized(created_by: &str) -> String {
    let text = created_by.strip_suffix(BUILDKIT).unwrap_or(created_by);
    let text = match text.split_once(NOP) {
        Some((_, instruction)) => instruction.trim(),
        None => text.trim(),
    };
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match name {
        // The sources are a hash in one form, and names in the other.
        "COPY" | "ADD" => {
            let destination = rest.rsplit(' ').next().unwrap_or_default();
            format!("{name} … {destination}")
        }
        "ARG" => {
            let name = rest.split('=').next().unwrap_or_default();
            format!("ARG {name}")
        }
        "EXPOSE" => format!("EXPOSE {}", ports(rest)),
        "HEALTHCHECK" => format!("HEALTHCHECK {}", health(rest)),
        name if INSTRUCTIONS.contains(&name) => format!("{name} {rest}"),
        _ => format!("RUN {text}"),
    }
}

/// A health check in one form, from Go's `%q`, `%v` and `%+v` of it: `&{["NONE"] "0s" "0s" "0s" "0s" '\x00'}`,
/// `&{[NONE] 0s 0s 0s 0s 0}`, `{Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}`.
fn health(check: &str) -> String {
    let Some(((_, test), rest)) = check
        .rsplit_once(']')
        .and_then(|(test, rest)| Some((test.split_once('[')?, rest)))
    else {
        return check.to_owned();
    };
    // What is quoted has its own quotes escaped; those of the other forms are gone with them.
    let is_quoted = test.starts_with('"');
    let plain = |text: &str| match is_quoted {
        true => text
            .replace("\\\"", "")
            .replace('"', "")
            .replace("\\\\", "\\"),
        false => text.replace('"', ""),
    };
    let mut fields: Vec<String> = rest
        .trim_end_matches('}')
        .split_whitespace()
        .map(|field| field.split_once(':').map_or(field, |(_, value)| value))
        .map(|field| match field.strip_prefix('\'') {
            Some(quoted) => retries(quoted.trim_end_matches('\'')),
            None => plain(field),
        })
        .collect();
    // Earlier versions know no interval during the start.
    if fields.len() == 5 && fields[3] == "0s" {
        fields.remove(3);
    }
    format!("[{}] {}", plain(test), fields.join(" "))
}

/// A number that Go was told to quote: it writes the character of that number.
fn retries(quoted: &str) -> String {
    let number = match quoted.strip_prefix('\\') {
        Some(escaped) => match escaped.as_bytes() {
            [b'x' | b'u' | b'U', hex @ ..] => std::str::from_utf8(hex)
                .ok()
                .and_then(|hex| u32::from_str_radix(hex, 16).ok()),
            [name] => "\u{7}\u{8}\t\n\u{b}\u{c}\r"
                .chars()
                .zip("abtnvfr".chars())
                .find(|(_, known)| *known == char::from(*name))
                .map(|(character, _)| character.into()),
            _ => None,
        },
        None => quoted.chars().next().map(u32::from),
    };
    number.map_or_else(|| quoted.to_owned(), |number| number.to_string())
}

/// Ports in order, each with its protocol, from `map[80/tcp:{}]`, `[80/tcp]` or `80`.
fn ports(text: &str) -> String {
    let text = text.strip_prefix("map").unwrap_or(text);
    let mut ports: Vec<String> = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split_whitespace()
        .map(|port| port.trim_end_matches(":{}"))
        .map(|port| match port.contains('/') {
            true => port.to_owned(),
            false => format!("{port}/tcp"),
        })
        .collect();
    ports.sort_unstable();
    ports.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_builders_words_are_buildkits() {
        for (classic, buildkit) in [
            ("/bin/sh -c #(nop)  ARG B", "ARG B=2"),
            ("/bin/sh -c #(nop)  ENV X=a b Y=c", "ENV X=a b Y=c"),
            (
                "|2 A=1 B=2 /bin/sh -c echo hi > /a",
                "RUN |2 A=1 B=2 /bin/sh -c echo hi > /a # buildkit",
            ),
            ("/bin/sh -c make", "RUN /bin/sh -c make # buildkit"),
            (
                "/bin/sh -c #(nop) COPY multi:0ac0 in /dst/ ",
                "COPY a.txt b.txt /dst/ # buildkit",
            ),
            (
                "/bin/sh -c #(nop) ADD --chown=1:2 file:a596 in /two ",
                "ADD --chown=1:2 a.txt /two # buildkit",
            ),
            ("/bin/sh -c #(nop) WORKDIR /dst", "WORKDIR /dst"),
            (
                "/bin/sh -c #(nop)  EXPOSE 443/tcp 53/udp 80",
                "EXPOSE [443/tcp 53/udp 80/tcp]",
            ),
            (
                "/bin/sh -c #(nop)  HEALTHCHECK &{[CMD-SHELL echo ok] 5s 0s 0s 0s 0}",
                r#"HEALTHCHECK &{["CMD-SHELL" "echo ok"] "5s" "0s" "0s" "0s" '\x00'}"#,
            ),
            ("/bin/sh -ec #(nop)  CMD [\"x\" \"y\"]", "CMD [\"x\" \"y\"]"),
        ] {
            assert_eq!(normalized(classic), normalized(buildkit), "{classic}");
        }
        assert_ne!(
            normalized("/bin/sh -c #(nop) COPY file:1 in /a "),
            normalized("COPY x /b # buildkit")
        );
        assert_ne!(
            normalized("/bin/sh -c a"),
            normalized("RUN /bin/sh -c b # buildkit")
        );
    }

    #[test]
    fn versions_of_buildkit_mean_the_same() {
        for (one, other) in [
            ("EXPOSE map[80/tcp:{} 53/udp:{}]", "EXPOSE [53/udp 80/tcp]"),
            (
                r#"HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\x00'}"#,
                "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
            ),
            (
                r#"HEALTHCHECK &{["CMD" "a" "b]"] "1m0s" "0s" "5s" '\n'}"#,
                "HEALTHCHECK {Test:[CMD a b]] Interval:1m0s Timeout:0s StartPeriod:5s StartInterval:0s Retries:10}",
            ),
            (
                r#"HEALTHCHECK &{["CMD-SHELL" "grep \"x y\" a\\b"] "0s" "0s" "0s" "0s" '\x03'}"#,
                r#"HEALTHCHECK {Test:[CMD-SHELL grep "x y" a\b] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}"#,
            ),
        ] {
            assert_eq!(spelling(one), spelling(other));
        }
        for (one, other) in [
            ("ARG A=1", "ARG A=2"),
            (
                r#"HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\x00'}"#,
                r#"HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\x01'}"#,
            ),
        ] {
            assert_ne!(spelling(one), spelling(other));
        }
    }
}
