//! What is printed of a build, as a whole.

use std::time::UNIX_EPOCH;

use stromatekt_engine::events::{Stream, Warning};

use super::*;

fn at(seconds: f64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs_f64(1_700_000_000.0 + seconds)
}

fn vertex(id: u32, name: &str) -> Event {
    Event::Vertex {
        id: VertexId(id),
        name: name.to_owned(),
        inputs: Vec::new(),
        origin: None,
    }
}

fn started(id: u32, seconds: f64) -> Event {
    Event::Started {
        id: VertexId(id),
        at: at(seconds),
    }
}

fn log(id: u32, seconds: f64, text: &str) -> Event {
    Event::Log {
        id: VertexId(id),
        stream: Stream::Stdout,
        data: text.into(),
        at: at(seconds),
    }
}

fn status(id: u32, name: &str, bytes: (u64, Option<u64>), time: (f64, Option<f64>)) -> Event {
    Event::Status {
        id: VertexId(id),
        name: name.to_owned(),
        current: bytes.0,
        total: bytes.1,
        started: at(time.0),
        completed: time.1.map(at),
    }
}

fn ended(id: u32, seconds: f64, outcome: Outcome) -> Event {
    Event::Completed {
        id: VertexId(id),
        at: at(seconds),
        outcome,
    }
}

fn shown(events: &[Event]) -> String {
    let (mut plain, mut trace) = (Plain::new(Vec::new()), Trace::default());
    for event in events {
        let change = trace.apply(event);
        plain.show(&trace, event, &change).unwrap();
    }
    plain.finish(&trace, at(100.0)).unwrap();
    String::from_utf8(plain.out).unwrap()
}

#[test]
fn a_build_looks_as_with_buildx() {
    insta::assert_snapshot!(shown(&[
        vertex(0, "[internal] load build definition from Dockerfile"),
        started(0, 0.0),
        status(0, "transferring dockerfile:", (0, None), (0.0, None)),
        status(0, "transferring dockerfile:", (56, None), (0.0, Some(0.0))),
        ended(0, 0.04, Outcome::Done),
        vertex(1, "[1/3] FROM docker.io/library/busybox"),
        started(1, 0.1),
        ended(1, 0.1, Outcome::Cached),
        vertex(2, "[2/3] RUN make"),
        started(2, 0.1),
        log(2, 0.3, "one\ntw"),
        log(2, 12.0, "o\nno line end"),
        ended(2, 12.5, Outcome::Done),
        vertex(3, "exporting to image"),
        started(3, 12.5),
        status(3, "exporting layers", (0, None), (12.5, Some(12.8))),
        ended(3, 12.8, Outcome::Done),
    ]), @r"
    #1 [internal] load build definition from Dockerfile
    #1 transferring dockerfile: 56B done
    #1 DONE 0.0s

    #2 [1/3] FROM docker.io/library/busybox
    #2 CACHED

    #3 [2/3] RUN make
    #3 0.200 one
    #3 0.200 two
    #3 11.90 no line end
    #3 DONE 12.4s

    #4 exporting to image
    #4 exporting layers 0.3s done
    #4 DONE 0.3s
    ");
}

#[test]
fn steps_at_the_same_time_take_turns() {
    insta::assert_snapshot!(shown(&[
        vertex(0, "a"),
        vertex(1, "b"),
        vertex(2, "c"),
        started(0, 0.0),
        log(0, 0.1, "a1\n"),
        started(1, 0.1),
        log(1, 0.2, "b1\n"),
        started(2, 0.2),
        log(0, 0.3, "a2\n"),
        ended(1, 0.4, Outcome::Done),
        log(0, 0.5, "a3\n"),
        ended(0, 0.6, Outcome::Failed("it broke".into())),
        ended(2, 0.6, Outcome::Canceled),
    ]), @r"
    #1 a
    #1 0.100 a1
    #1 0.300 a2
    #1 ...

    #2 b
    #2 0.100 b1
    #2 DONE 0.3s

    #3 c
    #3 ...

    #1 a
    #1 0.500 a3
    #1 ERROR: it broke

    #3 c
    #3 CANCELED
    ");
}

#[test]
fn who_has_the_floor_for_long_must_give_it_up() {
    let (mut plain, mut trace) = (Plain::new(Vec::new()), Trace::default());
    for event in [
        vertex(0, "a"),
        vertex(1, "b"),
        started(0, 0.0),
        started(1, 0.0),
        log(1, 0.1, "b1\n"),
    ] {
        let change = trace.apply(&event);
        plain.show(&trace, &event, &change).unwrap();
    }
    for seconds in [1.0, 3.0, 5.9, 6.1, 20.0] {
        plain.tick(&trace, at(seconds)).unwrap();
    }
    assert_eq!(
        String::from_utf8(plain.out).unwrap(),
        "#1 a\n#1 ...\n\n#2 b\n#2 0.100 b1\n"
    );
}

#[test]
fn transfers_are_told_from_time_to_time() {
    insta::assert_snapshot!(shown(&[
        vertex(0, "pull"),
        started(0, 0.0),
        status(0, "sha256:1", (0, Some(1_000_000)), (0.0, None)),
        status(0, "sha256:1", (100_000, Some(1_000_000)), (0.0, None)),
        status(0, "sha256:1", (101_000, Some(1_000_000)), (0.0, None)),
        status(0, "sha256:1", (1_000_000, None), (0.0, Some(2.0))),
        ended(0, 2.0, Outcome::Done),
    ]).lines().filter(|line| !line.contains("100.00kB")).collect::<Vec<_>>().join("\n"), @r"
    #1 pull
    #1 sha256:1 1.00MB / 1.00MB 2.0s done
    #1 DONE 2.0s
    ");
}

#[test]
fn what_never_started_is_not_shown_and_warnings_stand_at_the_end() {
    insta::assert_snapshot!(shown(&[
        vertex(0, "never"),
        Event::Warning(Warning { message: "mind the gap".into(), ..Warning::default() }),
        ended(0, 1.0, Outcome::Canceled),
        vertex(1, "at once"),
        ended(1, 1.0, Outcome::Failed("no".into())),
    ]), @r"
    #1 at once
    #1 ERROR: no

     1 warning found:
     - mind the gap
    ");
}

#[test]
fn warnings_about_the_text_belong_to_who_read_it_and_keep_nobody_waiting() {
    let warning = |message: &str, line| {
        Event::Warning(Warning {
            message: message.into(),
            detail: "why".into(),
            url: None,
            origin: Some(stromatekt_graph::Origin {
                file: "Dockerfile".into(),
                first_line: line,
                last_line: line + 1,
            }),
        })
    };
    insta::assert_snapshot!(shown(&[
        vertex(0, "[internal] load build definition"),
        started(0, 0.0),
        ended(0, 0.0, Outcome::Done),
        vertex(1, "[1/2] RUN a"),
        started(1, 0.0),
        warning("RuleA: one", 3),
        ended(1, 1.0, Outcome::Done),
        warning("RuleB: two", 7),
        warning("RuleC: three", 7),
        vertex(2, "[2/2] RUN b"),
        started(2, 1.0),
        ended(2, 2.0, Outcome::Done),
    ]), @r"
    #1 [internal] load build definition
    #1 DONE 0.0s

    #2 [1/2] RUN a
    #2 DONE 1.0s

    #1 [internal] load build definition
    #1 WARN: RuleA: one (line 3)
    #1 WARN: RuleB: two (line 7)
    #1 WARN: RuleC: three (line 7)

    #3 [2/2] RUN b
    #3 DONE 1.0s

     3 warnings found (use --check to expand):
     - RuleA: one (line 3)
     - RuleB: two (line 7)
     - RuleC: three (line 7)
    ");
}

#[test]
fn one_that_has_much_to_say_takes_the_floor() {
    let line = format!("{}\n", "x".repeat(1000));
    let (mut plain, mut trace) = (Plain::new(Vec::new()), Trace::default());
    for event in [
        vertex(0, "[a 1/1] RUN sleep"),
        started(0, 0.0),
        vertex(1, "[b 1/1] RUN yes"),
        started(1, 0.1),
        log(1, 0.2, &line.repeat(1000)),
        log(1, 0.3, &line.repeat(1000)),
    ] {
        let change = trace.apply(&event);
        plain.show(&trace, &event, &change).unwrap();
    }
    let shown = String::from_utf8(plain.out).unwrap();
    assert_eq!(
        shown.lines().filter(|line| line.ends_with('x')).count(),
        2000
    );
    assert!(
        shown.contains("#1 ...\n\n#2 [b 1/1] RUN yes\n"),
        "{:.200}",
        shown
    );
}

#[test]
fn names_of_others_do_not_move_the_cursor() {
    let shown = shown(&[
        vertex(0, "RUN echo\t'\u{1b}[2J'\r\n"),
        started(0, 0.0),
        ended(0, 0.1, Outcome::Done),
    ]);
    assert_eq!(shown, "#1 RUN echo '\u{fffd}[2J'  \n#1 DONE 0.1s\n");
}
