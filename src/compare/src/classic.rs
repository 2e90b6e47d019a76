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
        Some(("HEALTHCHECK", check)) => {
            format!("HEALTHCHECK {}", check.trim_start_matches('&'))
        }
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
        "HEALTHCHECK" => {
            let test = rest.split_once(']').map_or(rest, |(test, _)| test);
            let plain = |character: &char| !matches!(character, '"' | '&' | '{' | '[');
            format!(
                "HEALTHCHECK {}",
                test.chars().filter(plain).collect::<String>()
            )
        }
        name if INSTRUCTIONS.contains(&name) => format!("{name} {rest}"),
        _ => format!("RUN {text}"),
    }
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
            ("HEALTHCHECK &{[\"NONE\"]}", "HEALTHCHECK {[\"NONE\"]}"),
        ] {
            assert_eq!(spelling(one), spelling(other));
        }
        assert_ne!(spelling("ARG A=1"), spelling("ARG A=2"));
    }
}
