//! Events as log lines: the only place that writes any. The manual's table of messages is made from `MESSAGES`, and
//! a test compares it with the lines that come out.
//!
//! The shorthand macros of `tracing` are forbidden everywhere, so `event!` is used here.
use super::table::PORTAL;
use super::{Event, Provided, Stated};
use crate::domain::VendorId;
use std::borrow::Cow;
use std::time::Duration;
use tracing::Level;

/// The target of every line of ours; lines of any other target never reach the log.
pub(super) const TARGET: &str = "vestibule";

impl Event<'_> {
    /// Whether the event is about a single request or connection, so that its line appears only when requests are
    /// logged: anyone on the net can cause as many as they like.
    pub(super) const fn is_of_a_request(&self) -> bool {
        matches!(
            self,
            Self::Request { .. }
                | Self::Refused { .. }
                | Self::Handshake { .. }
                | Self::Connection { .. }
                | Self::Provided { .. }
                | Self::Stated { .. }
                | Self::Asserted { .. }
        )
    }
}

/// Milliseconds with three decimals.
fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// The operator's text without what could move a terminal's cursor or turn its writing direction. JSON alone would
/// let DEL, the C1 controls and the direction marks through.
fn printable(text: &str) -> Cow<'_, str> {
    let bad = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(bad) { Cow::Owned(text.replace(bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Writes the event's line. [`Event::Decided`], [`Event::IlsAnswer`] and [`Event::LogoutDelivery`] have none: beside the
/// line of the sign-in or sign-out the first and the last would tell which vendor a library's reader went to, and in a
/// small library that is nearly a name.
pub(super) fn write(event: &Event<'_>) {
    match *event {
        Event::Request { vendor, method, status, took, version } => {
            let vendor = vendor.map_or(PORTAL, |id| id.as_str());
            let duration_ms = ms(took);
            tracing::event!(target: TARGET, Level::INFO, vendor, method, status, duration_ms, version, "request answered");
        }
        Event::Refused { cause } => {
            let (status, cause) = (cause.status(), cause.as_str());
            tracing::event!(target: TARGET, Level::INFO, status, cause, "request refused");
        }
        Event::Handshake { cause } => {
            tracing::event!(target: TARGET, Level::INFO, cause, "connection ended before a request");
        }
        Event::Connection { ended } => {
            tracing::event!(target: TARGET, Level::INFO, cause = ended.as_str(), "connection ended by the front");
        }
        Event::SignIn { library, outcome, took } => {
            let (library, outcome, duration_ms) = (library.as_str(), outcome.as_str(), ms(took));
            tracing::event!(target: TARGET, Level::INFO, library, outcome, duration_ms, "sign-in ended");
        }
        Event::SignOut { library } => {
            tracing::event!(target: TARGET, Level::INFO, library = library.as_str(), "signed out");
        }
        Event::Decided { .. } | Event::IlsAnswer { .. } | Event::LogoutDelivery { .. } => {}
        _ => write_of_others(event),
    }
}

/// Lines about the systems around us.
fn write_of_others(event: &Event<'_>) {
    match *event {
        Event::IlsTrouble { library, fault, cause } => {
            let (library, fault) = (library.as_str(), fault.as_str());
            tracing::event!(target: TARGET, Level::WARN, library, fault, cause, "library system gave no usable answer");
        }
        Event::IlsBreaker { ils, open: true } => {
            tracing::event!(target: TARGET, Level::ERROR, ils, "library system is down");
        }
        Event::IlsBreaker { ils, open: false } => {
            tracing::event!(target: TARGET, Level::INFO, ils, "library system is back");
        }
        Event::VendorTrouble { vendor, cause } => {
            tracing::event!(target: TARGET, Level::WARN, vendor = vendor.as_str(), cause, "vendor gave no usable answer");
        }
        Event::Provided { vendor, outcome, cause } => write_of_provider(vendor, outcome, cause),
        Event::Stated { vendor, outcome, cause } => write_of_saml(vendor, outcome, cause),
        Event::Asserted { vendor, assertion } => {
            let (vendor, assertion) = (vendor.as_str(), assertion.to_string());
            tracing::event!(target: TARGET, Level::INFO, vendor, assertion, "assertion written");
        }
        Event::LogoutTrouble { vendor, outcome, cause } => {
            let (vendor, outcome) = (vendor.as_str(), outcome.as_str());
            tracing::event!(target: TARGET, Level::WARN, vendor, outcome, cause, "vendor takes no word of sign-outs");
        }
        Event::DocumentTrouble { vendor, document, cause } => {
            let (vendor, document) = (vendor.as_str(), document.as_str());
            tracing::event!(target: TARGET, Level::WARN, vendor, document, cause, "vendor's document cannot be used");
        }
        _ => write_of_us(event),
    }
}

/// A line about the OpenID Provider, where something was wrong: what went well is counted only.
fn write_of_provider(vendor: Option<&VendorId>, outcome: Provided, cause: &'static str) {
    if matches!(outcome, Provided::Refused | Provided::ClientRefused | Provided::Unavailable) {
        let (vendor, outcome) = (vendor.map_or("unknown", VendorId::as_str), outcome.as_str());
        tracing::event!(target: TARGET, Level::WARN, vendor, outcome, cause, "no answer for an OpenID Connect client");
    }
}

/// A line about the SAML Identity Provider, where something was wrong: what went well is counted only.
fn write_of_saml(vendor: Option<&VendorId>, outcome: Stated, cause: &'static str) {
    if matches!(outcome, Stated::Refused | Stated::SignOutRefused | Stated::Unavailable) {
        let (vendor, outcome) = (vendor.map_or("unknown", VendorId::as_str), outcome.as_str());
        tracing::event!(target: TARGET, Level::WARN, vendor, outcome, cause, "no answer for a SAML service provider");
    }
}

/// Lines about this process.
fn write_of_us(event: &Event<'_>) {
    match *event {
        Event::Reloaded { libraries, vendors } => {
            tracing::event!(target: TARGET, Level::INFO, libraries, vendors, "configuration took over");
        }
        Event::ReloadRefused { problem } => {
            let problem = &*printable(problem);
            tracing::event!(target: TARGET, Level::ERROR, problem, "configuration problem");
        }
        Event::ReloadFailed { problems } => {
            tracing::event!(target: TARGET, Level::ERROR, problems, "configuration refused, the old one stays");
        }
        Event::Life { phase, detail } => {
            let detail = &*printable(detail);
            tracing::event!(target: TARGET, Level::INFO, phase, detail, "process");
        }
        Event::Template { name, problem } => {
            let (template, problem) = (&*printable(name), &*printable(problem));
            tracing::event!(target: TARGET, Level::WARN, template, problem, "page template not used");
        }
        _ => write_of_what_lasts(event),
    }
}

/// Lines about what outlives the process: the store, and the program that takes over.
fn write_of_what_lasts(event: &Event<'_>) {
    match *event {
        Event::StoreWorks { working: false } => {
            tracing::event!(target: TARGET, Level::ERROR, "store cannot be written");
        }
        Event::StoreWorks { working: true } => {
            tracing::event!(target: TARGET, Level::INFO, "store can be written again");
        }
        Event::Upgraded { taken: true, detail } => {
            let detail = &*printable(detail);
            tracing::event!(target: TARGET, Level::INFO, detail, "new program took over");
        }
        Event::Upgraded { taken: false, detail } => {
            let detail = &*printable(detail);
            tracing::event!(target: TARGET, Level::ERROR, detail, "new program did not take over, this one stays");
        }
        _ => {}
    }
}

/// A message that the log may hold.
#[cfg(test)]
pub(super) struct Message {
    /// `INFO`, `WARN` or `ERROR`.
    pub(super) level: &'static str,
    /// The text, constant.
    pub(super) text: &'static str,
    /// Fields and their meaning.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// What it tells.
    pub(super) meaning: &'static str,
}

#[cfg(test)]
const LIBRARY: (&str, &str) = ("library", "the `[[library]]` id");
#[cfg(test)]
const VENDOR: (&str, &str) = ("vendor", "the `[[vendor]]` id");
#[cfg(test)]
const ILS: (&str, &str) = ("ils", "the `[[ils]]` id");
#[cfg(test)]
const CAUSE: (&str, &str) = ("cause", "why, one of a fixed list of sentences");

/// Every message, in the manual's order.
#[cfg(test)]
pub(super) const MESSAGES: &[Message] = &[
    Message {
        level: "INFO",
        text: "request answered",
        fields: &[
            ("vendor", "the `[[vendor]]` id, or `portal`"),
            ("method", "the method when well known, else `OTHER`"),
            ("status", "the status that the browser got"),
            ("duration_ms", "milliseconds until the head of the answer was ready"),
            ("version", "`HTTP/1.1` or `HTTP/2`"),
        ],
        meaning: "A request was answered. Only with request logging on.",
    },
    Message {
        level: "INFO",
        text: "request refused",
        fields: &[("status", "the status that the browser got"), CAUSE],
        meaning: "A request was refused before anyone looked at it. Only with request logging on.",
    },
    Message {
        level: "INFO",
        text: "connection ended before a request",
        fields: &[CAUSE],
        meaning: "A connection brought no request, for instance because TLS failed. Only with request logging on.",
    },
    Message {
        level: "INFO",
        text: "connection ended by the front",
        fields: &[CAUSE],
        meaning: "A connection took too long over something, or there was no room for it. Only with request logging on.",
    },
    Message {
        level: "INFO",
        text: "sign-in ended",
        fields: &[
            LIBRARY,
            ("outcome", "`accepted`, `rejected`, `throttled`, `expired`, `blocked`, `other_library` or `unavailable`"),
            ("duration_ms", "milliseconds that the library's system and the gate took"),
        ],
        meaning: "Somebody signed in or tried to.",
    },
    Message { level: "INFO", text: "signed out", fields: &[LIBRARY], meaning: "A patron ended their session." },
    Message {
        level: "WARN",
        text: "library system gave no usable answer",
        fields: &[LIBRARY, ("fault", "who is to blame: `patron`, `library`, `vendor` or `us`"), CAUSE],
        meaning: "A sign-in could not be answered. `us` means that our settings for the ILS are wrong.",
    },
    Message {
        level: "ERROR",
        text: "library system is down",
        fields: &[ILS],
        meaning: "The ILS failed repeatedly and is now asked by single probes only; sign-ins get the 503 page.",
    },
    Message { level: "INFO", text: "library system is back", fields: &[ILS], meaning: "A probe was answered." },
    Message {
        level: "WARN",
        text: "vendor gave no usable answer",
        fields: &[VENDOR, CAUSE],
        meaning: "A vendor's origin failed; the browser got an error page.",
    },
    Message {
        level: "WARN",
        text: "no answer for an OpenID Connect client",
        fields: &[
            ("vendor", "the vendor's id, or `unknown`"),
            ("outcome", "`refused`, `client_refused` or `unavailable`"),
            CAUSE,
        ],
        meaning: "A vendor's client asked wrongly, or could not prove who it is; written where requests are.",
    },
    Message {
        level: "WARN",
        text: "no answer for a SAML service provider",
        fields: &[
            ("vendor", "the vendor's id, or `unknown`"),
            ("outcome", "`refused`, `sign_out_refused` or `unavailable`"),
            CAUSE,
        ],
        meaning: "A vendor's message was not as it must be, or could not be answered; written where requests are.",
    },
    Message {
        level: "INFO",
        text: "assertion written",
        fields: &[VENDOR, ("assertion", "its ID, which the vendor's own log has, too")],
        meaning: "A vendor was told of a reader; an assertion that it got without such a line is forged. Written where \
                  requests are.",
    },
    Message {
        level: "WARN",
        text: "vendor takes no word of sign-outs",
        fields: &[VENDOR, ("outcome", "`refused`, `given_up` or `dropped`"), CAUSE],
        meaning: "Back-channel logout does not reach a vendor. At most once an hour for each vendor; the metric counts all.",
    },
    Message {
        level: "WARN",
        text: "vendor's document cannot be used",
        fields: &[VENDOR, ("document", "`keys` or `sector`"), CAUSE],
        meaning: "What a vendor publishes at its `jwks_uri` or `sector_identifier_uri` was not there or is not what it should be.",
    },
    Message {
        level: "INFO",
        text: "configuration took over",
        fields: &[("libraries", "how many it has"), ("vendors", "how many it has")],
        meaning: "A new configuration is in force.",
    },
    Message {
        level: "ERROR",
        text: "configuration problem",
        fields: &[("problem", "file, line, key path and what is wrong, without the value")],
        meaning: "One reason why a new configuration was refused.",
    },
    Message {
        level: "ERROR",
        text: "configuration refused, the old one stays",
        fields: &[("problems", "how many it has")],
        meaning: "The end of the list of problems.",
    },
    Message {
        level: "INFO",
        text: "process",
        fields: &[
            ("phase", "such as `starting`, `ready`, `draining`, `stopped`"),
            ("detail", "such as an address to listen on"),
        ],
        meaning: "A phase of the process's life.",
    },
    Message {
        level: "WARN",
        text: "page template not used",
        fields: &[("template", "its file name"), ("problem", "what is wrong with it")],
        meaning: "A template of the library's own has a mistake; the built-in page was shown.",
    },
    Message {
        level: "ERROR",
        text: "store cannot be written",
        fields: &[],
        meaning: "`store.redb` took no change; signing in is answered 503, readers who are signed in go on.",
    },
    Message {
        level: "INFO",
        text: "store can be written again",
        fields: &[],
        meaning: "The first change since then is on the disk.",
    },
    Message {
        level: "INFO",
        text: "new program took over",
        fields: &[("detail", "its process id")],
        meaning: "The listening sockets are the new process's; this one finishes what is under way and ends.",
    },
    Message {
        level: "ERROR",
        text: "new program did not take over, this one stays",
        fields: &[("detail", "why, one of a fixed list of sentences")],
        meaning: "What the new program said stands before this line.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Denial, Fault, LibraryId, VendorId};
    use crate::telemetry::log::{LogFormat, capture::log_of};
    use crate::telemetry::{Decision, Delivery, Document, Ended, Refused, SignIn};
    use std::collections::BTreeSet;

    /// The lines of one event of each kind.
    fn lines_of_all() -> Vec<serde_json::Value> {
        let (library, vendor) = (&LibraryId::parse("east").expect("an id"), &VendorId::parse("atlas").expect("an id"));
        let (took, ils) = (Duration::from_millis(3), "koha");
        let log = log_of(LogFormat::Json, || {
            for event in [
                Event::SignIn { library, outcome: SignIn::Accepted, took },
                Event::IlsTrouble { library, fault: Fault::Library, cause: "no answer in time" },
                Event::IlsAnswer { ils, took },
                Event::IlsBreaker { ils, open: true },
                Event::IlsBreaker { ils, open: false },
                Event::SignOut { library },
                Event::Decided { library, vendor, decision: Decision::Entitled },
                Event::Decided { library, vendor, decision: Decision::Denied(Denial::Age) },
                Event::Request { vendor: None, method: "GET", status: 200, took, version: "HTTP/2" },
                Event::Refused { cause: Refused::HostUnknown },
                Event::VendorTrouble { vendor, cause: "connection refused" },
                Event::Provided { vendor: Some(vendor), outcome: Provided::Refused, cause: "invalid_request" },
                Event::Stated { vendor: Some(vendor), outcome: Stated::Refused, cause: "signature" },
                Event::Asserted { vendor, assertion: crate::telemetry::AssertionId([7; 16]) },
                Event::LogoutDelivery { vendor, outcome: Delivery::Delivered },
                Event::LogoutTrouble { vendor, outcome: Delivery::Refused, cause: "status" },
                Event::DocumentTrouble { vendor, document: Document::Keys, cause: "status" },
                Event::Handshake { cause: "not TLS" },
                Event::Connection { ended: Ended::Shed },
                Event::Reloaded { libraries: 1, vendors: 2 },
                Event::ReloadRefused { problem: "vestibule.toml:3: `listen`: expected an address" },
                Event::ReloadFailed { problems: 1 },
                Event::Life { phase: "ready", detail: "127.0.0.1:443" },
                Event::Template { name: "sign-in.html", problem: "line 3: unexpected end" },
                Event::StoreWorks { working: false },
                Event::StoreWorks { working: true },
                Event::Upgraded { taken: true, detail: "4711" },
                Event::Upgraded { taken: false, detail: "it did not get ready in time" },
            ] {
                write(&event);
            }
        });
        log.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    #[test]
    fn every_line_is_one_of_the_documented_messages_with_its_fields() {
        let mut seen = BTreeSet::new();
        for line in lines_of_all() {
            let text = line["message"].as_str().expect("a message");
            let message = MESSAGES.iter().find(|message| message.text == text).expect("a documented message");
            let fields: BTreeSet<&str> = line.as_object().expect("one object").keys().map(String::as_str).collect();
            let common = ["timestamp", "level", "message"];
            let expected: BTreeSet<&str> = message.fields.iter().map(|(name, _)| *name).chain(common).collect();
            assert_eq!(fields, expected, "{text}");
            assert_eq!(line["level"], message.level, "{text}");
            assert_eq!(line["timestamp"], "2026-01-01T00:00:00Z");
            assert!(seen.insert(message.text), "{text} came twice");
        }
        assert_eq!(seen.len(), MESSAGES.len(), "a documented message never came");
    }

    #[test]
    fn no_field_of_an_event_can_hold_what_a_request_brought() {
        // Text that is not constant is allowed only where the operator wrote it.
        let of_the_operator = ["ils", "problem", "detail", "name"];
        let closed = [
            "& 'static str",
            "Duration",
            "SignIn",
            "Fault",
            "Decision",
            "Delivery",
            "Document",
            "Provided",
            "Stated",
            "AssertionId",
            "Refused",
            "Ended",
            "bool",
            "u16",
            "usize",
        ];
        let ids = ["& 'a LibraryId", "& 'a VendorId", "Option < & 'a VendorId >"];
        let file = syn::parse_file(include_str!("event.rs")).expect("Rust");
        let events = file.items.iter().find_map(|item| match item {
            syn::Item::Enum(item) if item.ident == "Event" => Some(item),
            _ => None,
        });
        for field in events.expect("the enum").variants.iter().flat_map(|variant| &variant.fields) {
            let name = field.ident.as_ref().expect("named").to_string();
            let kind = spelled(&field.ty);
            let allowed = closed.contains(&kind.as_str())
                || ids.contains(&kind.as_str())
                || (kind == "& 'a str" && of_the_operator.contains(&name.as_str()));
            assert!(allowed, "`{name}: {kind}`");
        }
    }

    /// A type as its tokens, one space apart.
    fn spelled(kind: &syn::Type) -> String {
        match kind {
            syn::Type::Reference(kind) => {
                let life = kind.lifetime.as_ref().map_or("'_".to_owned(), ToString::to_string);
                format!("& {life} {}", spelled(&kind.elem))
            }
            syn::Type::Path(kind) => kind.path.segments.iter().map(segment).collect::<Vec<_>>().join(" :: "),
            _ => "another kind of type".to_owned(),
        }
    }

    fn segment(segment: &syn::PathSegment) -> String {
        let syn::PathArguments::AngleBracketed(inner) = &segment.arguments else { return segment.ident.to_string() };
        let inner = inner.args.iter().map(|argument| match argument {
            syn::GenericArgument::Type(kind) => spelled(kind),
            _ => "another argument".to_owned(),
        });
        format!("{} < {} >", segment.ident, inner.collect::<Vec<_>>().join(" , "))
    }
}
