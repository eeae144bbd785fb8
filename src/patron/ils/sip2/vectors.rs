//! The vectors: frames as many products send them, and conversations with Koha 23.05, each with what must come of it.
use super::conversation::{Conversation, Listed, Trouble};
use super::given::{NOW, credentials, settings};
use super::message::{Checksum, Detection, Draft, Message, Tag, Terminator, verify};
use super::question::Question;
use super::reply::{Asked, accept, read};
use super::settings::{Request, Settings};
use super::transport::{connect, secure};
use crate::domain::{Code, Date, Standing, State, Timestamp};
use crate::patron::ils::IlsError;
use crate::patron::record::Record;
use serde_json::Value;
use std::fmt::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/sip2/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_default()
}

/// Undoes `\xNN`.
fn bytes(escaped: &str) -> Vec<u8> {
    let mut parts = escaped.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

fn frame(vector: &Value) -> Vec<u8> {
    let mut frame = bytes(text(vector, "bytes"));
    if let Some(times) = vector["repeat"]["times"].as_u64() {
        frame.resize(
            frame.len() + usize::try_from(times).unwrap(),
            vector["repeat"]["byte"].as_str().unwrap().as_bytes()[0],
        );
        frame.extend(bytes(text(vector, "tail")));
    }
    frame
}

fn stripped(frame: &[u8]) -> &[u8] {
    let start = frame.iter().position(|b| !matches!(b, 0 | b'\r' | b'\n' | b' ')).unwrap();
    let end = frame.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).unwrap();
    &frame[start..=end]
}

/// What came of a patron request, in the words of the vectors.
fn outcome(word: &Result<Result<Record, IlsError>, Trouble>) -> &'static str {
    match word {
        Ok(Ok(record)) => record.standing.state.as_str(),
        Err(Trouble::BadChecksum) => "bad-checksum",
        Ok(Err(error)) => outcome_of_error(*error),
        Err(trouble) => outcome_of_error(trouble.error()),
    }
}

const fn outcome_of_error(error: IlsError) -> &'static str {
    match error {
        IlsError::NoSuchPatron => "no-such-patron",
        IlsError::BadPin => "bad-pin",
        IlsError::Unavailable(_) => "unavailable",
        IlsError::Misconfigured(_) => "misconfigured",
    }
}

/// Compares what was kept of the patron.
fn check_record(vector: &Value, record: &Record, name: &str) {
    if vector["id"].is_string() {
        assert!(*record.id == text(vector, "id"), "{name}: another id");
    }
    let expected = &vector["standing"];
    if !expected.is_object() {
        return;
    }
    let Standing { borrower_class, branch, age, expires, .. } = &record.standing;
    assert_eq!(borrower_class.as_ref().map(Code::as_str), expected["class"].as_str(), "{name}: class");
    assert_eq!(branch.as_ref().map(Code::as_str), expected["branch"].as_str(), "{name}: branch");
    assert_eq!(Some(age.as_str()), expected["age"].as_str(), "{name}: age");
    assert_eq!(expires.as_ref().map(Date::to_string).as_deref(), expected["expires"].as_str(), "{name}: expiry");
}

/// A conversation with something that answers one message with `reply` and closes.
async fn answered_with(reply: Vec<u8>, settings: &Settings, sequence: u8) -> Conversation {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        // Who speaks too long is cut short.
        let _ = stream.write_all(&reply).await;
    });
    let stream = secure(connect("127.0.0.1", port).await.unwrap(), None).await.unwrap();
    Conversation::at(stream, settings, sequence)
}

async fn outcome_on_the_wire(vector: &Value) -> (&'static str, Option<Record>) {
    let frame = frame(vector);
    let mut toml = format!("address = \"ils\"\npreset = \"{}\"\ncharset = \"utf-8\"\n", text(vector, "preset"));
    for (key, value) in [
        ("terminator", text(vector, "terminator")),
        ("request", if text(vector, "name").starts_with("64") { "63" } else { "23" }),
    ] {
        if !value.is_empty() {
            writeln!(toml, "{key} = \"{value}\"").unwrap();
        }
    }
    toml.push_str("[login]\nuser = \"proxy\"\npassword_file = \"secret\"\n");
    let settings = settings(&toml);
    let sequence = u8::try_from(vector["sequence"].as_u64().unwrap()).unwrap();
    let mut conversation = answered_with(frame, &settings, sequence).await;
    match text(vector, "outcome") {
        "logged-in" | "misconfigured" | "unavailable" if text(vector, "name").starts_with("login") => {
            let word = conversation.log_in(&settings).await;
            (word.map_or_else(|trouble| outcome_of_error(trouble.error()), |()| "logged-in"), None)
        }
        "online" | "offline" => match conversation.status(&settings).await {
            Ok(status) => {
                assert!(status.version_2);
                let other = text(vector, "name") == "acs-status-no-23";
                assert_eq!(status.listed, if other { Listed::Other } else { Listed::Configured });
                assert_eq!(conversation.request(), if other { Request::Information } else { Request::Status });
                ("online", None)
            }
            Err(trouble) => {
                assert_eq!(outcome_of_error(trouble.error()), "unavailable");
                ("offline", None)
            }
        },
        _ => {
            let question = Question::new(&settings, &credentials(text(vector, "card"), "4821"), NOW).ok().unwrap();
            let word = conversation.ask(&settings, &question, NOW.date()).await;
            let word = word.map(|word| word.found);
            (outcome(&word), word.ok().and_then(Result::ok))
        }
    }
}

#[tokio::test]
async fn every_frame_comes_out_as_it_should() {
    let all = vectors("frames");
    assert_eq!(all.len(), 71);
    let mut told = 0;
    for vector in all.iter().filter(|v| v["outcome"].is_string()) {
        let name = text(vector, "name");
        let (outcome, record) = outcome_on_the_wire(vector).await;
        assert_eq!(outcome, text(vector, "outcome"), "{name}");
        if let Some(record) = record {
            check_record(vector, &record, name);
        }
        told += 1;
    }
    assert_eq!(told, 60);
}

#[test]
fn checksums_of_all_frames_stand_as_told() {
    for vector in vectors("frames").iter().filter(|v| v["checksum"].is_string()) {
        let frame = frame(vector);
        let expected = match text(vector, "checksum") {
            "good" => Checksum::Good,
            "bad" => Checksum::Bad,
            _ => Checksum::Absent,
        };
        assert_eq!(verify(stripped(&frame)), expected, "{}", text(vector, "name"));
    }
}

#[test]
fn what_is_sent_is_encoded_to_the_same_bytes() {
    let mut seen = 0;
    for vector in vectors("frames").iter().filter(|v| text(v, "from") == "us") {
        let frame = frame(vector);
        let message = Message::decode(stripped(&frame)).unwrap();
        let mut draft = Draft::new(message.command, message.fixed).unwrap();
        for (tag, value) in &message.fields {
            draft = draft.field(*tag, value).unwrap();
        }
        let detection = message.sequence.map_or(Detection::Checksum, Detection::Sequence);
        assert_eq!(*draft.seal(detection, Terminator::Cr), frame, "{}", text(vector, "name"));
        seen += 1;
    }
    assert_eq!(seen, 9);
}

fn koha_settings(preset: &str) -> Settings {
    let lean = "subject_field = \"XI\"\n[tags]\nbranch = \"XB\"\nexpiry = \"XE\"";
    let extra = if preset == "koha-lean" { lean } else { "" };
    settings(&format!("address = \"ils\"\npreset = \"koha\"\ninstitution = \"MAIN\"\n{extra}"))
}

fn sent(vector: &Value) -> Detection {
    match vector["sequence"].as_u64() {
        Some(n) => Detection::Sequence(u8::try_from(n).unwrap()),
        None => Detection::Off,
    }
}

#[test]
fn every_answer_of_koha_comes_out_as_it_should() {
    let mut told = 0;
    for vector in vectors("koha").iter().filter(|v| v["outcome"].is_string()) {
        let name = format!("{}: {}", text(vector, "capture"), text(vector, "request"));
        let settings = koha_settings(text(vector, "preset"));
        let (request, reply) = (bytes(text(vector, "request")), bytes(text(vector, "reply")));
        let command = if request.starts_with(b"23") { *b"24" } else { *b"64" };
        let card = bytes(text(vector, "card"));
        let word = |accept_other_id| {
            let message = accept(stripped(&reply), command, sent(vector))?;
            read(&message, &Asked { card: &card, accept_other_id, today: NOW.date() }, &settings)
        };
        let loose = word(true);
        assert_eq!(outcome(&loose), text(vector, "outcome"), "{name}");
        if let Ok(Ok(record)) = &loose {
            check_record(vector, record, &name);
            let same = Message::decode(stripped(&reply)).unwrap().once(Tag::new(*b"AA")) == Ok(Some(card.as_slice()));
            assert_eq!(word(false).is_ok(), same, "{name}: only the same card counts without the waiver");
        }
        told += 1;
    }
    assert_eq!(told, 167);
}

#[test]
fn other_answers_of_koha_decode() {
    let mut told = 0;
    for vector in vectors("koha").iter().filter(|v| !v["outcome"].is_string()) {
        let reply = bytes(text(vector, "reply"));
        let message = Message::decode(stripped(&reply)).unwrap();
        let good = text(vector, "checksum") == "good";
        assert_eq!(verify(stripped(&reply)) == Checksum::Good, good);
        if good
            && message.command != *b"96"
            && bytes(text(vector, "request")).starts_with(b"9")
            && vector["sequence"].is_number()
        {
            assert_eq!(message.sequence.map(u64::from), vector["sequence"].as_u64());
        }
        told += 1;
    }
    assert_eq!(told, 102);
}

/// `YYYYMMDD    HHMMSS` as seconds.
fn when(request: &[u8]) -> Timestamp {
    let text = std::str::from_utf8(&request[5..23]).unwrap();
    let n = |from: usize, to: usize| text[from..to].parse::<u8>().unwrap();
    let day = Date::from_calendar_date(text[0..4].parse().unwrap(), n(4, 6).try_into().unwrap(), n(6, 8)).unwrap();
    let time = time::Time::from_hms(n(12, 14), n(14, 16), n(16, 18)).unwrap();
    Timestamp::from_seconds(time::UtcDateTime::new(day, time).unix_timestamp())
}

#[test]
fn koha_was_asked_with_the_bytes_that_we_send() {
    let (mut same, mut refused) = (0, 0);
    for vector in vectors("koha").iter().filter(|v| v["asks"].is_object()) {
        let mut settings = koha_settings("koha");
        let request = bytes(text(vector, "request"));
        let asks = &vector["asks"];
        let given = credentials(text(asks, "card"), text(asks, "pin"));
        if vector["refused"] == true {
            assert!(matches!(Question::new(&settings, &given, NOW), Err(IlsError::BadPin)));
            refused += 1;
            continue;
        }
        settings.request = if request.starts_with(b"23") { Request::Status } else { Request::Information };
        let question = Question::new(&settings, &given, when(&request)).ok().unwrap();
        let sealed = question.draft(&settings, settings.request).unwrap().seal(sent(vector), Terminator::Cr);
        let end = stripped(&request).len();
        assert_eq!(&sealed[..end], stripped(&request), "{}", text(vector, "capture"));
        same += 1;
    }
    assert_eq!((same, refused), (94, 29));
}

#[test]
fn an_expired_card_of_koha_is_blocked_unless_a_field_tells_the_date() {
    let states: Vec<_> = vectors("koha")
        .iter()
        .filter(|v| text(v, "card") == "23000000000002" && v["standing"].is_object())
        .map(|v| (text(v, "preset").to_owned(), text(v, "outcome").to_owned()))
        .collect();
    assert!(states.contains(&("koha".into(), State::Blocked.as_str().into())));
    assert!(states.contains(&("koha-lean".into(), State::Expired.as_str().into())));
}
