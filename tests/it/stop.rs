//! The end of a process: what is under way ends, nothing of a secret stays on the disk, and the exit code says why.
use super::support::observe::{self, PATIENCE, until};
use super::support::served::{Served, free_port, printed, vestibule};
use super::support::steady::Steady;
use super::support::{Browser, World};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, StatusCode};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use url::Url;

const LARGE: usize = 60_000_000;

/// A patron's cookie at atlas.
async fn visiting(world: &World, served: &Served) -> String {
    let mut browser = Browser::new(&world.path("ca"));
    let text = |key: &str| world.patron(0)[key].as_str().unwrap();
    let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
    let given = (text("library"), text("card"), text("pin"));
    let page = served.sign_in(&mut browser, given, Some(&wanted)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    browser.cookies("atlas.proxy.localhost").join("; ")
}

/// A download of which only the head was read.
async fn begun(client: &mut Steady) -> Incoming {
    let response = client.open(Request::get(format!("/bytes/{LARGE}")).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

/// The bytes that still came, and whether the body ended well.
async fn rest(mut body: Incoming) -> (usize, bool) {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (read, false) };
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    (read, true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_downloads_end_and_takes_no_one_new() {
    let world = World::start();
    let mut served = Served::beside(&world, |text| text).await;
    let cookie = visiting(&world, &served).await;
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let ca = world.path("ca");
    let mut first = Steady::http1(&ca, &host, &cookie).await;
    let mut second = Steady::http2(&ca, &host, &cookie).await;
    // Neither a connection that is idle nor one that never asked holds the stop up.
    let mut idle = Steady::http1(&ca, &host, &cookie).await;
    assert_eq!(idle.get("/bytes/1").await.unwrap().0, StatusCode::OK);
    let _never_asked = Steady::http1(&ca, &host, &cookie).await;
    let bodies = (begun(&mut first).await, begun(&mut second).await);
    served.signal("TERM");
    until("/ready says no", PATIENCE, || observe::admin(&served.admin, "/ready").is_ok_and(|(s, _)| s == 503)).await;
    until("the port is closed", PATIENCE, || TcpStream::connect(("127.0.0.1", served.port)).is_err()).await;
    assert!(observe::admin(&served.admin, "/ready").unwrap().1.contains("draining"));
    assert_eq!(observe::admin(&served.admin, "/live").unwrap().0, 200, "it drains, and is told so meanwhile");
    until("the idle connection was let go", PATIENCE, || !idle.is_open()).await;
    let ((one, one_well), (two, two_well)) = tokio::join!(rest(bodies.0), rest(bodies.1));
    assert_eq!((one, one_well, two, two_well), (LARGE, true, LARGE, true));
    let done = Instant::now();
    assert_eq!(served.ended().await, 0);
    println!("ended {:.1?} after the last of 2 downloads of {LARGE} bytes", done.elapsed());
    assert!(served.log().contains("draining") && !served.log().contains("were cut"), "{}", served.log());
}

#[tokio::test]
async fn whoever_outlasts_the_patience_is_cut() {
    let world = World::start();
    let mut served = Served::beside(&world, |text| format!("drain = \"1s\"\n{text}")).await;
    let cookie = visiting(&world, &served).await;
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let mut client = Steady::http1(&world.path("ca"), &host, &cookie).await;
    let body = begun(&mut client).await;
    let asked = Instant::now();
    served.signal("TERM");
    assert_eq!(served.ended().await, 0);
    let took = asked.elapsed();
    assert!(took.as_secs_f64() >= 1.0 && took.as_secs() < 10, "{took:?}");
    let (read, well) = rest(body).await;
    assert!(!well && read < LARGE, "the reader can tell that {read} bytes are not all");
    assert!(served.log().contains("some requests were cut"), "{}", served.log());
}

#[tokio::test]
async fn a_second_signal_is_no_harm_and_interrupt_stops_too() {
    let world = World::start();
    let mut served = Served::beside(&world, |text| text).await;
    served.signal("INT");
    assert_eq!(served.ended().await, 0);
    assert!(world.stop().success());
}

/// Nobody's number on Debian.
const NOBODY: u32 = 65_534;

/// A program as a user without rights, in a folder of its own.
fn as_nobody(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix_is_root() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn rustix_is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Who owns the private pages of a process in `/proc`: root, when the process cannot be dumped (proc(5)).
fn owner_of_memory(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid()
}

#[tokio::test]
async fn a_process_that_dies_leaves_no_core_and_shows_no_memory() {
    let folder = tempfile::TempDir::new().unwrap();
    let binary = folder.path().join("vestibule");
    std::fs::copy(env!("CARGO_BIN_EXE_vestibule"), &binary).unwrap();
    // A program like any other shows its memory to its user: else this test could not fail.
    let mut control = as_nobody(Path::new("/bin/cat"), folder.path()).spawn().unwrap();
    let user = if rustix_is_root() { NOBODY } else { std::fs::metadata("/proc/self").unwrap().uid() };
    until("the control runs", PATIENCE, || owner_of_memory(control.id()) == user).await;
    let mut process = as_nobody(&binary, folder.path()).args(["demo", "--port", "0", "--dir", "d"]).spawn().unwrap();
    until("the demo is ready", PATIENCE, || folder.path().join("d/demo.json").exists()).await;
    let pid = process.id();
    assert_ne!(owner_of_memory(pid), user, "its memory is shown to other processes of the same user");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert!(Command::new("kill").args(["-ABRT", &pid.to_string()]).status().unwrap().success());
    let status = process.wait().unwrap();
    assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{status:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| ["d", "vestibule"].contains(&name.to_str().unwrap())), "{left:?}");
    drop(control.stdin.take());
    control.wait().unwrap();
}

#[tokio::test]
async fn exit_codes_say_why() {
    for wrong in [&[][..], &["serve"], &["serve", "--confg", "x"], &["conquer"], &["demo", "--port", "many"]] {
        let done = vestibule(wrong, "");
        assert_eq!(done.status.code(), Some(64), "{wrong:?}: {}", printed(&done));
        assert!(done.stdout.is_empty() && printed(&done).contains("--help"), "{}", printed(&done));
    }
    for right in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        assert_eq!(vestibule(right, "").status.code(), Some(0));
    }
    let folder = tempfile::TempDir::new().unwrap();
    let missing = folder.path().join("none.toml");
    let done = vestibule(&["serve", "--config", missing.to_str().unwrap()], "");
    assert_eq!(done.status.code(), Some(78), "{}", printed(&done));
    // A port that somebody has: for browsers, and for IT.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let done = vestibule(&["demo", "--port", &port.to_string(), "--dir", folder.path().to_str().unwrap()], "");
    assert_eq!(done.status.code(), Some(69), "{}", printed(&done));
    let world = World::start();
    let text = std::fs::read_to_string(world.path("config")).unwrap();
    let old = Url::parse(world.portal()).unwrap().port().unwrap();
    let config = world.path("config").with_file_name("taken.toml");
    for (front, office) in [(port, free_port()), (free_port(), port)] {
        let admin = format!("admin_listen = \"127.0.0.1:{office}\"");
        let text = text.replace(&format!(":{old}"), &format!(":{front}")).replace("\"state\"", "\"state-taken\"");
        std::fs::write(&config, text.replace("admin_listen = \"127.0.0.1:0\"", &admin)).unwrap();
        let done = vestibule(&["serve", "--config", config.to_str().unwrap()], "");
        assert_eq!(done.status.code(), Some(69), "{}", printed(&done));
        assert!(printed(&done).contains(&format!("127.0.0.1:{port}")), "{}", printed(&done));
    }
}
