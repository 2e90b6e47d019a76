//! The networks of steps.

use std::io::Write;
use std::time::{Duration, Instant};

use stromatekt_graph::run::Network;

use crate::lab::{lab, shell};

fn is_offline() -> bool {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let offline = !routes
        .lines()
        .any(|line| line.split('\t').nth(1) == Some("00000000"));
    if offline {
        println!("skipped: this machine has no default route");
    }
    offline
}

#[tokio::test(flavor = "multi_thread")]
async fn none_is_loopback_alone_and_host_is_the_hosts() {
    let Some(lab) = lab() else { return };
    let ended = lab
        .run(shell(
            "ls /sys/class/net; ip addr show lo | grep -c LOOPBACK,UP; cat /etc/hosts",
        ))
        .await;
    assert_eq!(
        ended.stdout,
        "lo\n1\n127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback"
    );
    let mut step =
        shell("readlink /proc/self/ns/net; cat /etc/hosts /etc/resolv.conf").network(Network::Host);
    step.run.extra_hosts = vec![("a.example".to_owned(), [10, 1, 2, 3].into())];
    let ended = lab.run(step).await;
    let own = std::fs::read_link("/proc/self/ns/net").expect("a link");
    assert!(
        ended.stdout.starts_with(&own.display().to_string()),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("10.1.2.3\ta.example\n"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_network_leads_outside_and_is_used_again() {
    let Some(lab) = lab() else { return };
    if is_offline() {
        return;
    }
    lab.executor.prepare_network();
    let script = "readlink /proc/self/ns/net; ip route | grep -c default; ip -o addr show scope global | grep -c inet; nc -l -p 7 &";
    let step = || shell(script).network(Network::Default);
    let first = lab.run(step()).await;
    let own = std::fs::read_link("/proc/self/ns/net").expect("a link");
    let lines: Vec<&str> = first.stdout.lines().collect();
    assert!(
        lines.len() == 3 && lines[1] == "1" && lines[2] != "0",
        "{first:?}"
    );
    assert_ne!(lines[0], own.to_string_lossy());
    let started = Instant::now();
    let second = lab.run(step()).await;
    assert_eq!(first.stdout, second.stdout, "the network is used again");
    println!("a step on a network that is there: {:?}", started.elapsed());
    // Two processes on one tree, which no build has: neither is to make mount points there.
    for file in ["etc/hosts", "etc/resolv.conf"] {
        std::fs::write(lab.tree().join(file), "").expect("a file");
    }
    let both = tokio::join!(
        lab.run(shell("readlink /proc/self/ns/net; sleep 0.3").network(Network::Default)),
        lab.run(shell("readlink /proc/self/ns/net; sleep 0.3").network(Network::Default)),
    );
    assert_ne!(
        both.0.stdout, both.1.stdout,
        "at the same time each has its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_reached_by_its_own_address_and_not_by_loopback() {
    let Some(lab) = lab() else { return };
    if is_offline() {
        return;
    }
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _ = client.expect("a client").write_all(b"reached\n");
        }
    });
    // The address from which the outside is reached; nothing is sent.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("198.51.100.1:9").expect("a route");
    let own = socket.local_addr().expect("an address").ip();
    // Its input stays open: pasta may forget the end of a connection that is half closed while it begins.
    let script = format!(
        "for to in {own} 127.0.0.1; do echo $to $(sleep 1 | timeout 5 nc -w 2 $to {port}); done"
    );
    let ended = lab.run(shell(&script).network(Network::Default)).await;
    assert_eq!(
        ended.stdout,
        format!("{own} reached\n127.0.0.1"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_resolved() {
    let Some(lab) = lab() else { return };
    if is_offline() {
        return;
    }
    // Whatever is answered: an answer came.
    let step = shell("cat /etc/resolv.conf; nslookup -type=a localhost.invalid 2>&1 || true")
        .network(Network::Default);
    let ended = tokio::time::timeout(Duration::from_secs(30), lab.run(step)).await;
    let ended = ended.expect("an end");
    assert!(ended.stdout.contains("nameserver "), "{ended:?}");
    assert!(
        !ended.stdout.contains("no servers could be reached"),
        "{ended:?}"
    );
}
