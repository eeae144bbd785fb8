//! Bodies that break, and protocols that are not switched to: a vendor never takes a part for the whole.
use super::raw::{Target, count, find, number, rest};
use crate::support::observe::{PATIENCE, metric, until};
use crate::support::served::Served;
use crate::support::{World, figure};
use tokio::io::AsyncWriteExt;

struct Scene {
    world: World,
    served: Served,
    target: Target,
}

async fn scene() -> Scene {
    let world = World::start();
    let served = Served::beside(&world, |text| text).await;
    let cookie = super::slow::visiting(&world, &served).await;
    let target = Target::new(&world.path("ca"), &served.vendor_url("atlas", "/"), cookie);
    Scene { world, served, target }
}

impl Scene {
    fn head(&self, line: &str, fields: &str) -> String {
        let Target { authority, cookie, .. } = &self.target;
        format!("{line} HTTP/1.1\r\nHost: {authority}\r\nCookie: {cookie}\r\n{fields}\r\n")
    }

    /// Waits until the vendor has received `wanted`.
    async fn received(&self, wanted: &str) {
        until("the vendor received it", PATIENCE, || find(&self.world.received("atlas"), wanted.as_bytes()).is_some())
            .await;
    }

    /// What the vendor received from `mark` to the next request's end of line.
    fn after(&self, mark: &str) -> Vec<u8> {
        let all = self.world.received("atlas");
        let at = find(&all, mark.as_bytes()).unwrap() + mark.len();
        let rest = &all[at..];
        let own = find(rest, b"\r\n\r\n").unwrap() + 4;
        let next = find(&rest[own..], b" HTTP/1.1\r\n").map_or(rest.len(), |next| own + next);
        rest[own..next].to_vec()
    }
}

#[tokio::test]
async fn a_malformed_chunk_behind_good_ones_ends_everything() {
    let scene = scene().await;
    let trouble = "vestibule_vendor_trouble_total{vendor=\"atlas\"}";
    let before = metric(&scene.served.admin, trouble);
    let bad =
        ["xyz\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "0\r\nno field\r\n\r\n"];
    for (number, bad) in bad.iter().enumerate() {
        let mut stream = scene.target.connect().await;
        let post = scene.head(&format!("POST /upload?late={number}"), "Transfer-Encoding: chunked\r\n");
        stream.write_all(format!("{post}5\r\nfirst\r\n").as_bytes()).await.unwrap();
        scene.received(&format!("late={number} ")).await;
        let mark = scene.head("GET /bytes/1?mark=late", "");
        stream.write_all(format!("{bad}{mark}").as_bytes()).await.unwrap();
        let statuses: Vec<_> = rest(&mut stream).await.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [400], "{bad:?}");
        let body = scene.after(&format!("late={number}"));
        assert!(
            find(&body, b"\r\n0\r\n").is_none(),
            "the vendor got a whole body: {:?}",
            String::from_utf8_lossy(&body)
        );
    }
    let traffic = scene.world.received("atlas");
    assert_eq!(count(&traffic, b"mark=late"), 0);
    assert!((metric(&scene.served.admin, trouble) - before).abs() < 0.5, "the vendor was blamed");
    let refused = metric(&scene.served.admin, "vestibule_refused_requests_total{cause=\"chunk\",status=\"400\"}");
    assert!(refused >= number(bad.len()), "{refused}");
    let told = format!("0 of {} given to the vendor as whole; each answered 400 and closed; goal 0", bad.len());
    figure(
        "shell::broken::a_malformed_chunk_behind_good_ones_ends_everything",
        "bodies that turn out malformed",
        &told,
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_whole() {
    let scene = scene().await;
    let trouble = "vestibule_vendor_trouble_total{vendor=\"atlas\"}";
    let before = metric(&scene.served.admin, trouble);
    let cases = [("Content-Length: 100\r\n", "0123456789"), ("Transfer-Encoding: chunked\r\n", "5\r\nfirst\r\n")];
    for (number, (fields, part)) in cases.into_iter().enumerate() {
        for gently in [true, false] {
            let name = format!("early={number}-{gently}");
            let mut stream = scene.target.connect().await;
            let post = scene.head(&format!("POST /upload?{name}"), fields);
            stream.write_all(format!("{post}{part}").as_bytes()).await.unwrap();
            scene.received(&format!("{name} ")).await;
            if gently {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            // The next request is served, and not as the end of that body.
            let get = scene.head(&format!("GET /bytes/1?behind-{name}"), "Connection: close\r\n");
            let replies = scene.target.send(&[get.as_bytes()]).await;
            assert_eq!(replies[0].status, 200);
            let body = scene.after(&name);
            assert!(body.len() < 100 && find(&body, b"\r\n0\r\n").is_none(), "{}", String::from_utf8_lossy(&body));
            assert_eq!(count(&scene.world.received("atlas"), format!("GET /bytes/1?behind-{name} ").as_bytes()), 1);
        }
    }
    assert!((metric(&scene.served.admin, trouble) - before).abs() < 0.5, "the vendor was blamed");
    let told = "0 of 4 taken for whole, 0 of 4 connections to the vendor used again; goal 0";
    figure("shell::broken::a_body_that_breaks_off_is_never_whole", "bodies that break off", told);
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_wish_for_another_protocol() {
    let scene = scene().await;
    for (number, upgrade) in ["foo", "websocket", "h2c", "websocket, foo"].into_iter().enumerate() {
        let wish = format!("Connection: Upgrade\r\nUpgrade: {upgrade}\r\nSec-WebSocket-Version: 13\r\n");
        let first = scene.head(&format!("GET /bytes/1?wish={number}"), &wish);
        let second = scene.head(&format!("GET /bytes/1?behind={number}"), "Connection: close\r\n");
        let replies = scene.target.send(&[format!("{first}{second}").as_bytes()]).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [200, 200], "{upgrade}");
        let bad = scene.head("GET /SMUG", "").replacen("Host", "Host ", 1);
        let replies = scene.target.send(&[format!("{first}{bad}{second}").as_bytes()]).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [200, 400], "{upgrade}");
        let traffic = scene.world.received("atlas");
        assert_eq!(count(&traffic, format!("behind={number} ").as_bytes()), 1, "{upgrade}");
        assert_eq!(count(&traffic, b"/SMUG"), 0);
    }
    let told = "4 of 4 protocols: what follows is one ordinary request, checked like any; 0 smuggled";
    figure("shell::broken::nothing_is_smuggled_behind_a_wish_for_another_protocol", "bytes behind `Upgrade`", told);
}
