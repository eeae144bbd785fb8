//! Events as log lines: the only place that writes any. The manual's table of messages is made from [`MESSAGES`], and
//! a test compares it with the lines that come out.
#![expect(clippy::disallowed_macros, reason = "the one place where events become lines")]
use super::Event;
use super::table::PORTAL;
use std::time::Duration;

/// The target of every line of ours; lines of any other target never reach the log.
pub(super) const TARGET: &str = "vestibule";

impl Event<'_> {
    /// Whether the event is about a single request or connection, so that its line appears only when requests are
    /// logged: anyone on the net can cause as many as they like.
    pub(super) const fn is_of_a_request(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::Refused { .. } | Self::Handshake { .. })
    }
}

/// Milliseconds with three decimals.
fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// Writes the event's line. [`Event::Decided`] and [`Event::IlsAnswer`] have none: beside the sign-in's line the
/// former would tell which vendor a library's reader went to at that instant, and in a small library that is nearly
/// a name.
pub(super) fn write(event: &Event<'_>) {
    match *event {
        Event::Request { vendor, method, status, took, version } => {
            let vendor = vendor.map_or(PORTAL, |id| id.as_str());
            let duration_ms = ms(took);
            tracing::info!(target: TARGET, vendor, method, status, duration_ms, version, "request answered");
        }
        Event::Refused { status, cause } => tracing::info!(target: TARGET, status, cause, "request refused"),
        Event::Handshake { cause } => tracing::info!(target: TARGET, cause, "connection ended before a request"),
        Event::SignIn { library, outcome, took } => {
            let (library, outcome, duration_ms) = (library.as_str(), outcome.as_str(), ms(took));
            tracing::info!(target: TARGET, library, outcome, duration_ms, "sign-in ended");
        }
        Event::SignOut { library } => tracing::info!(target: TARGET, library = library.as_str(), "signed out"),
        Event::Decided { .. } | Event::IlsAnswer { .. } => {}
        _ => write_of_others(event),
    }
}

/// Lines about the systems around us.
fn write_of_others(event: &Event<'_>) {
    match *event {
        Event::IlsTrouble { library, fault, cause } => {
            let (library, fault) = (library.as_str(), fault.as_str());
            tracing::warn!(target: TARGET, library, fault, cause, "library system gave no usable answer");
        }
        Event::IlsBreaker { ils, open: true } => tracing::error!(target: TARGET, ils, "library system is down"),
        Event::IlsBreaker { ils, open: false } => tracing::info!(target: TARGET, ils, "library system is back"),
        Event::VendorTrouble { vendor, cause } => {
            tracing::warn!(target: TARGET, vendor = vendor.as_str(), cause, "vendor gave no usable answer");
        }
        _ => write_of_us(event),
    }
}

/// Lines about this process.
fn write_of_us(event: &Event<'_>) {
    match *event {
        Event::Reloaded { libraries, vendors } => {
            tracing::info!(target: TARGET, libraries, vendors, "configuration took over");
        }
        Event::ReloadRefused { problem } => tracing::error!(target: TARGET, problem, "configuration problem"),
        Event::ReloadFailed { problems } => {
            tracing::error!(target: TARGET, problems, "configuration refused, the old one stays");
        }
        Event::Life { phase, detail } => tracing::info!(target: TARGET, phase, detail, "process"),
        Event::Template { name, problem } => {
            tracing::warn!(target: TARGET, template = name, problem, "page template not used");
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
        text: "sign-in ended",
        fields: &[
            LIBRARY,
            ("outcome", "`accepted`, `rejected`, `expired`, `blocked`, `other_library` or `unavailable`"),
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
];
