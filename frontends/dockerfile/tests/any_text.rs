//! Properties of any text: what parses is lowered or is an error with a place in it, and sources are git repositories or not.

use proptest::prelude::*;
use stromatekt_dockerfile::{ImageConfigs, Lowering, Options, git_url, lower};
use stromatekt_oci::ImageConfig;

/// Instructions of which many can be lowered.
fn instructions() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "FROM a",
        "FROM a AS b",
        "FROM b",
        "FROM scratch",
        "FROM --platform=$BUILDPLATFORM a",
        "ARG x=1",
        "ARG x",
        "ENV x=$x$x",
        "ENV x=${x:-1} y='$x'",
        "LABEL a=\"$x\"",
        "COPY a b",
        "COPY --from=b a b",
        "COPY --chown=$x:1 --chmod=u+x a b/",
        "COPY --from=0 / /",
        "COPY --parents --exclude=x a/./b /",
        "COPY --link a* /",
        "COPY <<E /x\n$x\nE",
        "ADD https://h/f.tar /",
        "ADD https://h/r.git#$x /",
        "ADD --checksum=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 http://h/f /",
        "RUN a",
        "RUN [\"a\"]",
        "RUN <<E\na\nE",
        "RUN --mount=type=cache,target=/c,from=b a",
        "RUN --mount=type=secret,id=$x a",
        "RUN --network=none a",
        "RUN --mount=from=b,target=$x a",
        "WORKDIR $x",
        "WORKDIR /a/../..",
        "USER $x",
        "VOLUME $x /v",
        "EXPOSE $x 80-82/udp",
        "CMD a",
        "ENTRYPOINT [\"a\"]",
        "SHELL [\"sh\"]",
        "STOPSIGNAL $x",
        "HEALTHCHECK --retries=1 CMD a",
        "ONBUILD COPY a b",
        "ONBUILD RUN a",
        "MAINTAINER a",
        "# a",
        "# check=skip=all",
    ]);
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lowering_never_panics(body in instructions(), tail in "\\PC{0,8}") {
        let text = format!("FROM a AS b\n{body}{tail}\n");
        let Ok(dockerfile) = stromatekt_dockerfile::parse(&text) else { return Ok(()) };
        let mut configs = ImageConfigs::new();
        for _ in 0..2 {
            match lower(&dockerfile, "Dockerfile", &Options::default(), &configs) {
                Ok(Lowering::Done(_)) => return Ok(()),
                Ok(Lowering::NeedsImages(requests)) => {
                    for request in requests {
                        prop_assert!(text.get(request.span.start..request.span.end).is_some());
                        configs.insert((request.location, request.platform), ImageConfig::default());
                    }
                }
                Err(error) => {
                    prop_assert!(!error.to_string().is_empty());
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "images are asked for that were given: {}", text);
    }

    #[test]
    fn reasons_against_git_urls_are_said(source in "(https?|git|ssh|git@h)?(://|:)?[a-z]{0,3}(/[a-z.]{0,3}){0,2}(\\.git)?([?&#:=%]{1,2}[a-z0-9=:/%-]{0,9}){0,3}") {
        for parsed in [git_url::parse(&source), git_url::parse_context(&source)].into_iter().flatten() {
            if let Err(reason) = parsed {
                prop_assert!(!reason.is_empty());
            }
        }
    }
}
