//! The connector against a library system that behaves badly in every way that was seen.
use super::given::{connector, credentials, settings};
use super::settings::Settings;
use super::stand_in::{Act, Line, StandIn};
use super::*;
use crate::domain::State;
use std::sync::atomic::AtomicUsize;
use tokio::sync::Notify;

const LOGIN: &str = "[login]\nuser = \"vestibule\"\npassword_file = \"secret\"\nlocation = \"DESK\"";

pub(super) fn toml(stand_in: &StandIn, top: &str) -> String {
    format!("address = \"{}\"\ninstitution = \"MAIN\"\n{top}\n{LOGIN}", stand_in.address)
}

pub(super) fn given(stand_in: &StandIn) -> Settings {
    settings(&toml(stand_in, "subject_field = \"XI\""))
}

async fn answer(ils: &Sip2, card: &str, pin: &str) -> Result<String, IlsError> {
    ils.look_up(&credentials(card, pin)).await.found.map(|record| record.id.to_string())
}

/// Waits until the unused connection has something to read: a network delivers when it likes.
async fn delivered(ils: &Sip2) {
    let conversation = ils.pool.take().unwrap();
    conversation.hears().await;
    ils.pool.put(conversation);
}

/// The look-up of a patron whose PIN is right.
pub(super) async fn right(ils: &Sip2, card: &str) -> Result<String, IlsError> {
    answer(ils, card, &format!("pin-{card}")).await
}

pub(super) fn good(line: &Line) -> Vec<Act> {
    vec![Act::Send(line.good())]
}

/// Answers a patron request otherwise than well.
fn but(line: &Line, acts: impl FnOnce(&Line) -> Vec<Act>) -> Vec<Act> {
    if line.asks_for_patron() { acts(line) } else { good(line) }
}

const fn is_unavailable(answer: &Result<String, IlsError>) -> bool {
    matches!(answer, Err(IlsError::Unavailable(_)))
}

#[tokio::test]
async fn a_right_pin_gives_a_record_and_a_wrong_one_none() {
    let stand_in = StandIn::start(good).await;
    let ils = connector(given(&stand_in));
    assert_eq!(right(&ils, "29999").await, Ok("id-29999".into()));
    assert_eq!(answer(&ils, "29999", "wrong").await, Err(IlsError::BadPin));
    assert_eq!(right(&ils, "30000").await, Ok("id-30000".into()));
    assert_eq!(stand_in.seen.connections(), 1, "one connection serves one after the other");
    assert_eq!(ils.health(), IlsHealth::Answering);
    let bytes = stand_in.seen.bytes.lock()[0].clone();
    assert!(bytes.starts_with(b"9300CNvestibule|COs3cret|CPDESK|AY0AZ"));
    assert!(bytes.windows(11).any(|w| w == b"9900802.00A"));
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_wrong_pin_and_nothing_leaves() {
    let stand_in = StandIn::start(good).await;
    let ils = connector(given(&stand_in));
    for (card, pin) in [
        ("29999", ""),
        ("29999", " "),
        ("", "1"),
        ("29999", "x|\r2300020261122"),
        ("2\n", "1"),
        ("2", "\0"),
        ("2", "a|b"),
        ("2", "€"),
    ] {
        assert_eq!(answer(&ils, card, pin).await, Err(IlsError::BadPin));
    }
    assert_eq!(stand_in.seen.connections(), 0);
}

#[tokio::test]
async fn flags_do_not_count_when_the_pin_is_wrong() {
    let stand_in =
        StandIn::start(|l| but(l, |l| vec![Act::Send(l.patron("1", "YYYYYYYYYYYYYY", "BLY|CQN|XI1"))])).await;
    assert_eq!(right(&connector(given(&stand_in)), "1").await, Err(IlsError::BadPin));
}

/// What comes of a reply to card `1` with these flags and fields.
async fn reply_of(top: &str, flags: &'static str, fields: &'static str) -> Result<State, IlsError> {
    let stand_in = StandIn::start(move |l| but(l, |l| vec![Act::Send(l.patron("1", flags, fields))])).await;
    let ils = connector(settings(&toml(&stand_in, top)));
    ils.look_up(&credentials("1", "pin-1")).await.found.map(|record| record.standing.state)
}

#[tokio::test]
async fn a_card_is_good_only_when_the_reply_says_so_once() {
    for (fields, misconfigured) in [
        ("BLY|XI1", true),
        ("CQY|XI1", true),
        ("BLy|CQY|XI1", false),
        ("BLY|CQX|XI1", false),
        ("BLY|BLY|CQY|XI1", false),
        ("BLY|CQY|CQY|XI1", false),
        ("BLY|CQY|XI1|XI2", false),
        ("BLY|CQY", true),
        ("BLY|CQY|XI |", true),
    ] {
        match reply_of("subject_field = \"XI\"", "", fields).await {
            Err(IlsError::Misconfigured(_)) => assert!(misconfigured, "{fields}"),
            Err(IlsError::Unavailable(_)) => assert!(!misconfigured, "{fields}"),
            _ => panic!("{fields} was taken"),
        }
    }
    assert_eq!(reply_of("", "", "BLN").await, Err(IlsError::NoSuchPatron));
    assert_eq!(reply_of("", "", "BLN|CQY").await, Err(IlsError::NoSuchPatron));
}

#[tokio::test]
async fn states_follow_flags_dates_and_settings() {
    let evergreen = "preset = \"evergreen\"";
    assert_eq!(reply_of(evergreen, "  Y", "BLY|CQY|XI1|PA20270101").await, Ok(State::Good));
    assert_eq!(reply_of(evergreen, "YYYY", "BLY|CQY|XI1|PA20251231").await, Ok(State::Expired));
    assert_eq!(reply_of(evergreen, "YYYY", "BLY|CQY|XI1|PA20270101").await, Ok(State::Blocked));
    assert_eq!(reply_of(evergreen, "", "BLY|CQY|XI1|PA20261122").await, Ok(State::Good), "the last day is valid");
    assert!(matches!(reply_of(evergreen, "", "BLY|CQY|XI1|PA1").await, Err(IlsError::Misconfigured(_))));
    assert_eq!(reply_of("preset = \"polaris\"", "", "BLY|CQY|PA1|PX20270630    235959|PYN").await, Ok(State::Good));
    assert_eq!(reply_of("preset = \"polaris\"", "YYYY", "BLY|CQY|PA1|PYY").await, Ok(State::Expired));
    assert_eq!(reply_of("block_flags = [\"card_lost\"]", "YYYY", "BLY|CQY").await, Ok(State::Good));
    assert_eq!(reply_of("block_flags = [\"card_lost\"]", "    Y", "BLY|CQY").await, Ok(State::Blocked));
    assert_eq!(reply_of("no_pins = true", "", "BLY|CQN").await, Ok(State::Good));
}

#[tokio::test]
async fn the_internet_flag_blocks_where_it_is_named() {
    let stand_in = StandIn::start(|l| but(l, |l| vec![Act::Send(l.patron("1", "", "BLY|CQY|PIN"))])).await;
    let ils = connector(settings(&format!("{}\n[tags]\ninternet = \"PI\"", toml(&stand_in, ""))));
    let state = ils.look_up(&credentials("1", "1")).await.found.map(|record| record.standing.state);
    assert_eq!(state, Ok(State::Blocked));
}

#[tokio::test]
async fn a_reply_to_someone_else_is_never_taken() {
    let stand_in = StandIn::start(|l| but(l, |l| vec![Act::Send(l.patron("2", "", "BLY|CQY|XI2"))])).await;
    assert!(is_unavailable(&right(&connector(given(&stand_in)), "1").await));
    let koha = connector(settings(&toml(&stand_in, "preset = \"koha\"")));
    assert_eq!(right(&koha, "1").await, Ok("2".into()), "where user names are typed, the number binds");
    let stale = StandIn::start(|l| {
        but(l, |_| {
            vec![Act::Send(
                Line { connection: 0, text: b"6300020261122    120000          AO|AA1|AC|AD1|AY9AZ0000".to_vec() }
                    .patron("1", "", "BLY|CQY|XI1"),
            )]
        })
    })
    .await;
    let koha = connector(settings(&toml(&stale, "preset = \"koha\"")));
    assert!(is_unavailable(&right(&koha, "1").await));
    assert_eq!(koha.pool.waiting(), 0);
}

#[tokio::test]
async fn a_queued_reply_is_not_the_next_patrons() {
    // Two replies at once: neither is taken.
    let stand_in = StandIn::start(|l| but(l, |l| vec![Act::Send([l.good(), l.good()].concat())])).await;
    assert!(is_unavailable(&right(&connector(given(&stand_in)), "1").await));
    // The second comes while the connection is idle: the next patron gets a new connection.
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, tell) = (Arc::clone(&go), Arc::clone(&gone));
    let stand_in = StandIn::start(move |l| {
        but(l, |l| {
            let mut acts = vec![Act::Send(l.good())];
            if l.connection == 0 {
                acts.extend([Act::Wait(Arc::clone(&wait)), Act::Send(l.good()), Act::Tell(Arc::clone(&tell))]);
            }
            acts
        })
    })
    .await;
    let ils = connector(given(&stand_in));
    assert_eq!(right(&ils, "1").await, Ok("id-1".into()));
    go.notify_one();
    gone.notified().await;
    delivered(&ils).await;
    assert_eq!(answer(&ils, "1", "wrong").await, Err(IlsError::BadPin));
    assert_eq!(stand_in.seen.connections(), 2);
}

#[tokio::test]
async fn the_second_half_of_a_line_end_is_no_surplus() {
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, tell) = (Arc::clone(&go), Arc::clone(&gone));
    let stand_in = StandIn::start(move |l| {
        but(l, |l| {
            vec![
                Act::Send(l.good()),
                Act::Wait(Arc::clone(&wait)),
                Act::Send(b"\n".to_vec()),
                Act::Tell(Arc::clone(&tell)),
            ]
        })
    })
    .await;
    let ils = connector(given(&stand_in));
    for _ in 0..3 {
        assert_eq!(right(&ils, "1").await, Ok("id-1".into()));
        go.notify_one();
        gone.notified().await;
        delivered(&ils).await;
    }
    assert_eq!(stand_in.seen.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let stand_in = StandIn::start(|l| but(l, |l| vec![Act::Send(l.good()), Act::Close])).await;
    let ils = connector(given(&stand_in));
    for i in 1..4 {
        assert_eq!(right(&ils, "1").await, Ok("id-1".into()));
        delivered(&ils).await;
        assert_eq!(stand_in.seen.connections(), i);
    }
}

#[tokio::test]
async fn a_pooled_connection_that_ends_without_a_reply_is_asked_again_once() {
    let asked = AtomicUsize::new(0);
    let stand_in = StandIn::start(move |l| {
        but(l, |l| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            if first || l.connection > 0 { good(l) } else { vec![Act::Close] }
        })
    })
    .await;
    let ils = connector(given(&stand_in));
    assert_eq!(right(&ils, "1").await, Ok("id-1".into()));
    assert_eq!(right(&ils, "2").await, Ok("id-2".into()));
    assert_eq!(stand_in.seen.connections(), 2);
    assert_eq!(stand_in.seen.count(b"|ADpin-2|"), 2);
}

#[tokio::test]
async fn a_new_connection_that_ends_without_a_reply_is_not_asked_again() {
    let stand_in = StandIn::start(|l| but(l, |_| vec![Act::Close])).await;
    let ils = connector(given(&stand_in));
    assert!(is_unavailable(&right(&ils, "1").await));
    assert_eq!(stand_in.seen.connections(), 1);
    assert_eq!(stand_in.seen.count(b"|AD"), 1);
}

#[tokio::test]
async fn half_a_reply_is_none_and_is_not_asked_again() {
    let stand_in = StandIn::start(|l| {
        but(l, |l| {
            let whole = l.good();
            vec![Act::Send(whole[..whole.len() / 2].to_vec()), Act::Close]
        })
    })
    .await;
    assert!(is_unavailable(&right(&connector(given(&stand_in)), "1").await));
    assert_eq!(stand_in.seen.connections(), 1);
}

fn garbled(line: &Line) -> Vec<Act> {
    let mut bytes = line.good();
    bytes[5] = b'Y';
    vec![Act::Send(bytes)]
}

#[tokio::test]
async fn a_wrong_checksum_is_asked_again_once_on_a_new_connection() {
    let stand_in = StandIn::start(|l| but(l, |l| if l.connection == 0 { garbled(l) } else { good(l) })).await;
    assert_eq!(right(&connector(given(&stand_in)), "1").await, Ok("id-1".into()));
    assert_eq!(stand_in.seen.connections(), 2);
    let stand_in = StandIn::start(|l| but(l, garbled)).await;
    let answer = right(&connector(given(&stand_in)), "1").await;
    assert_eq!(answer, Err(IlsError::Unavailable("the checksum of the reply is wrong: see `charset`")));
    assert_eq!(stand_in.seen.connections(), 2);
}

/// The reply of a Koha that sums characters and sends UTF-8.
fn characters_summed(line: &Line) -> Vec<Act> {
    let reply = line.patron("1", "", "AEZofie|BLY|CQY|XIid-1");
    let text = String::from_utf8(reply).unwrap().replace("Zofie", "\u{17d}ofie \u{20ac}");
    let body = &text[..text.len() - 5];
    let sum = body.chars().fold(0_u32, |sum, c| sum.wrapping_sub(u32::from(c))) & 0xffff;
    vec![Act::Send(format!("{body}{sum:04X}\r").into_bytes())]
}

#[tokio::test]
async fn a_sum_of_characters_names_the_mend_and_closes_the_door_to_nobody() {
    let stand_in =
        StandIn::start(|l| but(l, |l| if l.field(*b"AA") == b"1" { characters_summed(l) } else { good(l) })).await;
    let ils = connector(given(&stand_in));
    for _ in 0..20 {
        let error = right(&ils, "1").await.unwrap_err();
        assert_eq!(error.fault(), crate::domain::Fault::Library);
        assert!(matches!(error, IlsError::Unavailable(cause) if cause.contains("encoding=\"utf8\"")));
    }
    assert_eq!(ils.health(), IlsHealth::Answering);
    assert_eq!(stand_in.seen.count(b"|ADpin-1|"), 20, "asking again would not help, and would count twice there");
    assert_eq!(right(&ils, "2").await, Ok("id-2".into()));
}

#[tokio::test]
async fn who_waits_for_a_connection_is_told_when_the_system_is_given_up() {
    let stand_in = StandIn::start(|_| vec![Act::Hang]).await;
    let mut settings = given(&stand_in);
    settings.connections = 5;
    let ils = connector(settings);
    let started = Instant::now();
    // The first five take every connection; the others come when these have waited half their time.
    let deadline = ils.settings.deadline;
    let all = (0..40).map(|n| {
        let ils = &ils;
        async move {
            tokio::time::sleep(if n < 5 { Duration::ZERO } else { deadline / 2 }).await;
            let asked = Instant::now();
            assert!(is_unavailable(&right(ils, "1").await));
            (n, asked.elapsed())
        }
    });
    let waited = futures_util::future::join_all(all).await;
    // Those who took the places of the first five in the instant before the fifth failure wait as long as these.
    let long = waited.iter().filter(|(_, waited)| *waited > deadline * 3 / 4).count();
    assert!(long <= 10, "{waited:?}");
    assert!(started.elapsed() < deadline * 5 / 2 && stand_in.seen.connections() <= 10);
}

#[tokio::test]
async fn asked_to_repeat_it_repeats_once_without_a_number() {
    let stand_in = StandIn::start(|l| {
        but(l, |l| {
            let numbered = l.text[..l.text.len() - 7].ends_with(b"|AY") || l.text.windows(3).any(|w| w == b"|AY");
            if numbered { vec![Act::Send(b"96AZFEF6\r".to_vec())] } else { good(l) }
        })
    })
    .await;
    assert_eq!(right(&connector(given(&stand_in)), "1").await, Ok("id-1".into()));
    let stand_in = StandIn::start(|l| but(l, |_| vec![Act::Send(b"96AZFEF6\r".to_vec())])).await;
    let ils = connector(given(&stand_in));
    assert!(is_unavailable(&right(&ils, "1").await));
    assert_eq!(stand_in.seen.count(b"|ADpin-1|"), 2);
    assert_eq!(ils.pool.waiting(), 0);
}

#[tokio::test]
async fn a_refused_login_is_final() {
    let stand_in =
        StandIn::start(|l| if l.text.starts_with(b"93") { vec![Act::Send(l.reply(*b"94", "0", ""))] } else { good(l) })
            .await;
    let ils = connector(given(&stand_in));
    let answer = right(&ils, "1").await;
    assert_eq!(answer, Err(IlsError::Misconfigured("the ILS refuses the login: see `login`")));
    // It would answer on the same connection all the same (measured against Koha 23.05).
    assert_eq!((stand_in.seen.count(b"63000"), stand_in.seen.count(b"9900")), (0, 0));
    stand_in.seen.ended.notified().await;
    assert_eq!((stand_in.seen.open.load(Ordering::SeqCst), ils.pool.waiting()), (0, 0));
}

#[tokio::test]
async fn a_drip_ends_at_the_one_deadline() {
    let stand_in = StandIn::start(|l| but(l, |l| vec![Act::Drip(l.good(), Duration::from_millis(100))])).await;
    let mut settings = given(&stand_in);
    settings.deadline = Duration::from_millis(120);
    let ils = connector(settings);
    let started = Instant::now();
    assert_eq!(right(&ils, "1").await, Err(IlsError::Unavailable("the ILS did not answer in time")));
    assert!(started.elapsed() < Duration::from_secs(5), "the whole drip takes longer than ten seconds");
    assert_eq!(ils.pool.waiting(), 0);
}

#[tokio::test]
async fn a_silent_ils_opens_the_breaker() {
    let stand_in = StandIn::start(|_| vec![Act::Hang]).await;
    let mut settings = given(&stand_in);
    settings.deadline = Duration::from_millis(40);
    let ils = connector(settings);
    for _ in 0..5 {
        assert_eq!(ils.health(), IlsHealth::Answering);
        assert!(is_unavailable(&right(&ils, "1").await));
    }
    assert!(matches!(ils.health(), IlsHealth::Down { .. }));
    let before = stand_in.seen.connections();
    assert!(is_unavailable(&right(&ils, "1").await));
    assert_eq!(stand_in.seen.connections(), before, "an open breaker asks nobody");
}

/// A reply with one more field of any bytes.
fn with_field(reply: &[u8], field: &[u8]) -> Vec<Act> {
    let (fields, detection) = reply.split_at(reply.len() - 10);
    let mut body = [fields, field, b"|", &detection[..5]].concat();
    let sum = body.iter().fold(0_u16, |sum, b| sum.wrapping_sub(u16::from(*b)));
    body.extend(format!("{sum:04X}\r").bytes());
    vec![Act::Send(body)]
}

#[tokio::test]
async fn a_reply_of_20_000_bytes_is_read_and_one_of_a_mebibyte_is_not() {
    let long = |times: usize| {
        let field = [b"AF", vec![b'M'; times].as_slice()].concat();
        move |l: &Line| but(l, |l| with_field(&l.good(), &field))
    };
    let stand_in = StandIn::start(long(20_000)).await;
    assert_eq!(right(&connector(given(&stand_in)), "1").await, Ok("id-1".into()));
    let stand_in = StandIn::start(long(1 << 20)).await;
    let ils = connector(given(&stand_in));
    assert_eq!(right(&ils, "1").await, Err(IlsError::Unavailable("the reply is longer than 64 KiB")));
    assert_eq!(ils.pool.waiting(), 0);
}

#[tokio::test]
async fn names_in_any_charset_are_dropped_unread() {
    for name in [&b"AEZo\x89"[..], b"AEZo\xeb", b"AEZo\xc3\xab", b"AEZo\xe8e", b"\xe2\x82\xac"] {
        let stand_in = StandIn::start(move |l| but(l, |l| with_field(&l.patron("1", "", "BLY|CQY"), name))).await;
        assert_eq!(right(&connector(settings(&toml(&stand_in, ""))), "1").await, Ok("1".into()));
    }
}

#[tokio::test]
async fn an_id_that_is_no_text_in_the_charset_is_not_guessed() {
    let stand_in = StandIn::start(|l| but(l, |l| with_field(&l.patron("1", "", "BLY|CQY"), b"XIZo\xeb"))).await;
    let answer = |charset| {
        let ils = connector(settings(&toml(&stand_in, &format!("subject_field = \"XI\"\ncharset = \"{charset}\""))));
        async move { right(&ils, "1").await }
    };
    assert!(is_unavailable(&answer("utf-8").await), "another charset than was promised is the library's fault");
    assert_eq!(answer("latin-1").await, Ok("Zoë".into()));
}

#[tokio::test]
async fn the_patron_request_that_the_system_lists_is_used() {
    let stand_in = StandIn::start(|l| {
        if l.text.starts_with(b"99") {
            let fixed = "YYYYNN10000520261122    1200002.00";
            vec![Act::Send(l.reply(*b"98", fixed, "AOMAIN|BXYYYYYYYNYYYNYYYY"))]
        } else {
            good(l)
        }
    })
    .await;
    assert_eq!(right(&connector(given(&stand_in)), "1").await, Ok("id-1".into()));
    assert_eq!((stand_in.seen.count(b"\r23000"), stand_in.seen.count(b"\r63000")), (1, 0));
}

#[tokio::test]
async fn telnet_prompts_are_answered() {
    let script = |l: &Line| match l.text.as_slice() {
        b"" if l.connection < 2 => vec![Act::Send(b"\r\nWelcome\r\nlogin: ".to_vec())],
        b"vestibule" => vec![Act::Send(b"vestibule\r\npassword: ".to_vec())],
        b"s3cret" if l.connection == 0 => {
            vec![Act::Send(b"Login OK.  Init".to_vec()), Act::Yield(3), Act::Send(b"iating SIP\r\n".to_vec())]
        }
        b"s3cret" => vec![Act::Send(b"Invalid login\r\nlogin: ".to_vec())],
        _ => good(l),
    };
    let stand_in = StandIn::start(script).await;
    let prompts = "[[prompts]]\nexpect = \"login: \"\nsend = \"user\"\n[[prompts]]\nexpect = \"password: \"\nsend = \"password\"\n[[prompts]]\nexpect = \"Login OK\"";
    let text = format!("{}\n{prompts}", toml(&stand_in, "idle = \"1s\""));
    let ils = connector(settings(&text));
    assert_eq!(right(&ils, "1").await, Ok("1".into()));
    assert_eq!(stand_in.seen.count(b"93"), 0);
    ils.pool.clear();
    assert!(matches!(right(&ils, "1").await, Err(IlsError::Misconfigured(_))));
}

#[tokio::test]
async fn the_order_of_login_and_status_is_a_setting() {
    let stand_in = StandIn::start(good).await;
    let ils = connector(settings(&toml(&stand_in, "order = \"status,login\"")));
    assert_eq!(right(&ils, "1").await, Ok("1".into()));
    assert!(stand_in.seen.bytes.lock()[0].starts_with(b"99"));
}

#[tokio::test]
async fn without_checksums_none_are_sent_or_wanted() {
    let stand_in = StandIn::start(good).await;
    let ils = connector(settings(&toml(&stand_in, "checksums = false")));
    assert_eq!(right(&ils, "1").await, Ok("1".into()));
    assert_eq!(stand_in.seen.count(b"|AY"), 0);
    assert_eq!(ils.pool.waiting(), 1);
    let ils = connector(settings(&toml(&stand_in, "checksums = false\naccept_other_id = true")));
    assert_eq!(right(&ils, "1").await, Ok("1".into()));
    assert_eq!(ils.pool.waiting(), 0, "nothing would bind the next answer to its question");
}

#[tokio::test]
async fn unused_connections_are_closed_after_the_limit() {
    let stand_in = StandIn::start(good).await;
    let mut settings = given(&stand_in);
    settings.idle = Duration::from_millis(30);
    let ils = connector(settings);
    assert_eq!(right(&ils, "1").await, Ok("id-1".into()));
    stand_in.seen.ended.notified().await;
    assert_eq!(ils.pool.waiting(), 0);
}

/// Polls a look-up so many times and drops it.
async fn abandon(ils: &Sip2, card: &str, polls: usize) -> bool {
    let given = credentials(card, &format!("pin-{card}"));
    let mut looking = ils.look_up(&given);
    for _ in 0..polls {
        if futures_util::future::poll_immediate(&mut looking).await.is_some() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_look_up_cut_short_anywhere_leaves_nothing_behind() {
    let stand_in = StandIn::start(|l| vec![Act::Yield(2), Act::Send(l.good())]).await;
    let ils = connector(given(&stand_in));
    let mut ended = 0;
    for polls in 0..120 {
        ended += usize::from(abandon(&ils, "666", polls % 60).await);
        assert_eq!(right(&ils, "1").await, Ok("id-1".into()), "after {polls} polls");
        assert_eq!(answer(&ils, "2", "pin-1").await, Err(IlsError::BadPin));
    }
    assert!(ended > 0, "some look-ups ended in time");
    assert!(ils.pool.waiting() <= 4);
}

const LOOK_UPS: usize = 100_000;

#[tokio::test]
async fn a_hundred_thousand_look_ups_over_four_connections_never_cross() {
    // Jitter in the answers, now and then a wrong checksum or an end, and some patrons who leave before the answer.
    let turn = AtomicUsize::new(0);
    let stand_in = StandIn::start(move |l| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let mut acts = vec![Act::Yield(turn * 7 % 13)];
        acts.extend(match turn % 997 {
            0 if l.asks_for_patron() => vec![Act::Send(l.good()), Act::Close],
            1 if l.asks_for_patron() => garbled(l),
            _ => good(l),
        });
        acts
    })
    .await;
    let mut settings = given(&stand_in);
    // The machine may be busy; this test is not about time.
    settings.deadline = Duration::from_secs(60);
    let ils = Arc::new(connector(settings));
    let (next, wrong, answers) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let patrons = (0..32).map(|_| {
        let (ils, next, wrong, answers) =
            (Arc::clone(&ils), Arc::clone(&next), Arc::clone(&wrong), Arc::clone(&answers));
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= LOOK_UPS {
                    return;
                }
                let card = n.to_string();
                if n % 101 == 0 {
                    abandon(&ils, &card, n % 17).await;
                }
                let fits = match n % 3 {
                    0 => answer(&ils, &card, "wrong").await == Err(IlsError::BadPin),
                    _ => right(&ils, &card).await == Ok(format!("id-{card}")),
                };
                answers.fetch_add(1, Ordering::Relaxed);
                wrong.fetch_add(usize::from(!fits), Ordering::Relaxed);
            }
        })
    });
    for patron in patrons.collect::<Vec<_>>() {
        patron.await.unwrap();
    }
    assert_eq!(answers.load(Ordering::Relaxed), LOOK_UPS);
    assert_eq!(wrong.load(Ordering::Relaxed), 0, "answers that were not the patron's own");
    assert!(ils.pool.waiting() <= 4);
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let stand_in = StandIn::start(|l| vec![Act::Yield(5), Act::Send(l.good())]).await;
    let ils = connector(settings(&toml(&stand_in, "connections = 3")));
    let all = (0..60).map(|n| {
        let ils = &ils;
        async move { right(ils, &n.to_string()).await }
    });
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stand_in.seen.most.load(Ordering::SeqCst), 3);
    assert_eq!(stand_in.seen.connections(), 3);
}
