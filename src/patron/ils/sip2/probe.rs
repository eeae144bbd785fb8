//! The probe: the conversation step by step for an operator. It tells names of fields and settings, never a value.
use super::conversation::{Conversation, Listed, Status, Trouble};
use super::message::{Message, Tag};
use super::question::Question;
use super::reply::{self, Asked};
use super::settings::{Opening, Request, Settings};
use super::transport;
use crate::domain::State;
use crate::patron::Credentials;
use crate::patron::ils::{IlsError, Step, Surroundings, Verdict};
use crate::patron::record::Record;
use std::fmt::Write as _;
use std::future::Future;
use std::time::Instant;

type Tell<'a> = &'a mut (dyn FnMut(Step) + Send);
type Said = (Verdict, String);

/// Names of fields that products are known to send. Others are only counted: a delimiter inside a name would make the
/// rest of it look like a field.
const KNOWN: [&str; 50] = [
    "AA", "AE", "AF", "AG", "AO", "AQ", "AS", "AT", "AU", "AV", "BC", "BD", "BE", "BF", "BH", "BL", "BP", "BQ", "BU",
    "BV", "BX", "BZ", "CA", "CB", "CC", "CD", "CQ", "DE", "FA", "FU", "FV", "GG", "PA", "PB", "PC", "PE", "PI", "PS",
    "PX", "PY", "PZ", "U1", "U2", "U3", "U4", "U5", "XB", "XE", "XI", "ZY",
];

/// Goes through the conversation, on a connection of its own.
pub(super) async fn run(settings: &Settings, surroundings: &Surroundings, given: Option<&Credentials>, tell: Tell<'_>) {
    let Some(mut conversation) = connect(settings, tell).await else { return };
    if !settings.prompts.is_empty()
        && timed("prompts", settings, tell, conversation.pass_prompts(settings), |()| {
            good("every prompt came and was answered")
        })
        .await
        .is_none()
    {
        return;
    }
    for opening in settings.order {
        let went = match opening {
            Opening::Login => {
                timed("login", settings, tell, conversation.log_in(settings), |()| good("the account is accepted"))
                    .await
            }
            Opening::Status => {
                timed("status", settings, tell, conversation.status(settings), said_of_status).await.map(drop)
            }
        };
        if went.is_none() {
            return;
        }
    }
    if let Some(given) = given {
        ask(settings, surroundings, given, &mut conversation, tell).await;
    }
}

async fn connect(settings: &Settings, tell: Tell<'_>) -> Option<Conversation> {
    let connecting = async { transport::connect(&settings.host, settings.port).await.map_err(Trouble::from) };
    let tcp = timed("connect", settings, tell, connecting, |_| good("connected")).await?;
    let securing = async { transport::secure(tcp, settings.tls.as_ref()).await.map_err(Trouble::from) };
    let stream = if settings.tls.is_some() {
        // Without a client certificate TLS 1.3 succeeds here and the refusal comes with the next step.
        timed("TLS", settings, tell, securing, |_| good("the certificate is trusted")).await?
    } else {
        let note = "not configured: card numbers and PINs cross the network in clear unless a tunnel carries them";
        tell(Step { name: "TLS", took: std::time::Duration::ZERO, verdict: Verdict::Odd, note: note.to_owned() });
        securing.await.ok()?
    };
    Some(Conversation::new(stream, settings))
}

async fn ask(
    settings: &Settings,
    surroundings: &Surroundings,
    given: &Credentials,
    conversation: &mut Conversation,
    tell: Tell<'_>,
) {
    let now = surroundings.clock.now();
    let asking = async {
        let question = Question::new(settings, given, now)?;
        let received = conversation.send(settings, &question).await?;
        let message = conversation.accepted(&received)?;
        let fields = said_of_fields(&message, settings);
        let asked = |accept_other_id| Asked { card: question.card(), accept_other_id, today: now.date() };
        let word = reply::read(&message, &asked(settings.accept_other_id), settings);
        let other_id = matches!(reply::read(&message, &asked(false), settings), Err(Trouble::Failed(_)));
        Ok((word, fields, other_id))
    };
    let _ = timed("patron request", settings, tell, asking, |(word, fields, other_id)| {
        let (verdict, mut note) = said_of_word(word);
        if word.is_ok() && *other_id {
            note.push_str("; the reply's AA differs from what was typed");
        }
        (verdict, format!("{note}; {fields}"))
    })
    .await;
}

/// Runs one step under the deadline and tells how it ended.
async fn timed<T>(
    name: &'static str,
    settings: &Settings,
    tell: &mut (dyn FnMut(Step) + Send),
    step: impl Future<Output = Result<T, Trouble>>,
    say: impl FnOnce(&T) -> Said,
) -> Option<T> {
    let started = Instant::now();
    let ended = tokio::time::timeout(settings.deadline, step).await;
    let took = started.elapsed();
    let (value, (verdict, note)) = match ended {
        Ok(Ok(value)) => {
            let said = say(&value);
            (Some(value), said)
        }
        Ok(Err(trouble)) => (None, said_of_error(trouble.error())),
        Err(_) => (None, (Verdict::Bad, format!("no answer within {:?}: see `deadline`", settings.deadline))),
    };
    tell(Step { name, took, verdict, note });
    value
}

fn good(note: &str) -> Said {
    (Verdict::Good, note.to_owned())
}

fn said_of_error(error: IlsError) -> Said {
    let note = match error {
        IlsError::Unavailable(cause) | IlsError::Misconfigured(cause) => cause,
        IlsError::NoSuchPatron => "the ILS does not know this card",
        IlsError::BadPin => "these credentials cannot be asked: empty, a control character, `|`, or not in `charset`",
    };
    (Verdict::Bad, note.to_owned())
}

fn said_of_status(status: &Status) -> Said {
    let odd = |note: &str| (Verdict::Odd, note.to_owned());
    match (status.version_2, status.listed) {
        (false, _) => odd("the ILS does not say version 2.00: it may not tell whether a PIN is right"),
        (true, Listed::Configured) => good("online, version 2.00, and the patron request is supported"),
        (true, Listed::Other) => odd("the ILS lists only the other patron request, which is used: see `request`"),
        (true, Listed::Neither) => odd("the ILS lists neither patron request (23, 63)"),
    }
}

fn said_of_word(word: &Result<Result<Record, IlsError>, Trouble>) -> Said {
    match word {
        Ok(Ok(record)) => match record.standing.state {
            State::Good => good("card and PIN are right, and the card is in order"),
            State::Expired => (Verdict::Good, "card and PIN are right; the card has expired".into()),
            State::Blocked => (Verdict::Good, "card and PIN are right; the card is blocked by a flag".into()),
        },
        Ok(Err(IlsError::BadPin)) => (Verdict::Bad, "the ILS says that the PIN is wrong".into()),
        Ok(Err(error)) => said_of_error(*error),
        Err(trouble) => said_of_error(trouble.error()),
    }
}

/// Which fields came, which of them are used, and which settings found nothing.
fn said_of_fields(message: &Message<'_>, settings: &Settings) -> String {
    let used = used_tags(settings);
    let came = |tag: Tag| message.fields.iter().any(|(name, _)| *name == tag);
    let list = |tags: Vec<Tag>| {
        let names: Vec<_> = tags.into_iter().map(Tag::name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let kept = used.iter().map(|(_, tag)| *tag).filter(|tag| came(*tag)).collect();
    let mut dropped: Vec<Tag> = Vec::new();
    let mut unknown = 0;
    for (tag, _) in &message.fields {
        if used.iter().any(|(_, known)| known == tag) || dropped.contains(tag) {
            continue;
        }
        if KNOWN.contains(&tag.name().as_str()) { dropped.push(*tag) } else { unknown += 1 }
    }
    let mut note = format!("used: {}; dropped unread: {}", list(kept), list(dropped));
    if unknown > 0 {
        let _ = write!(note, " and {unknown} of other names");
    }
    for (key, tag) in used.iter().filter(|(key, tag)| *key != "CQ" && !came(*tag)) {
        let _ = write!(note, "; `{key}` names {}, which did not come", tag.name());
    }
    if message.command == Request::Status.reply() {
        note.push_str("; request 23 seldom brings class, branch or dates: see `request`");
    }
    note
}

/// The fields that are read, by the setting that names them.
fn used_tags(settings: &Settings) -> Vec<(&'static str, Tag)> {
    let tags = &settings.tags;
    let fixed = [
        ("AA", Some(Tag::new(*b"AA"))),
        ("BL", Some(Tag::new(*b"BL"))),
        ("CQ", Some(Tag::new(*b"CQ"))),
        ("subject_field", Some(settings.subject_field).filter(|tag| *tag != Tag::new(*b"AA"))),
        ("tags.class", tags.class),
        ("tags.branch", tags.branch),
        ("tags.expiry", tags.expiry),
        ("tags.expired", tags.expired),
        ("tags.birth", tags.birth),
        ("tags.internet", tags.internet),
    ];
    fixed.into_iter().filter_map(|(key, tag)| Some((key, tag?))).collect()
}
