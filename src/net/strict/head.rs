//! One whole head of a request (RFC 9112 §§2–6): request line and fields, ended by CRLF alone.
use crate::net::authority::host_of;
use crate::telemetry::Refused;
use memchr::memchr;

/// The largest head.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// The longest request line.
pub(super) const LINE_BYTES: usize = 8 * 1024;
/// The most fields.
const FIELDS: usize = 100;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// A body of so many bytes, or none.
    Known(u64),
    /// A body in chunks.
    Chunked,
}

/// What a good head says about the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: Length,
    /// Whether another protocol may begin after the message (RFC 9110 §7.8).
    pub(super) asks_switch: bool,
}

/// The method of a request that no browser sent: it carries a refusal past the requests before it. [`check`] lets no
/// such method through.
const REFUSAL: &str = "REFUSAL";

/// A head that stands for a refused one. Its answer comes in the order of the requests.
pub(super) fn note_of(refusal: Refused) -> Vec<u8> {
    format!("{REFUSAL} /{} HTTP/1.1\r\nhost: refused\r\n\r\n", refusal.slot()).into_bytes()
}

/// The refusal that a request carries; `None` for one that a browser sent.
pub(crate) fn refusal_of<B>(request: &http::Request<B>) -> Option<Refused> {
    if request.method().as_str() != REFUSAL {
        return None;
    }
    let slot: usize = request.uri().path().strip_prefix('/')?.parse().ok()?;
    Refused::ALL.get(slot).copied()
}

/// Takes the next line, without its CRLF.
fn line<'h>(rest: &mut &'h [u8]) -> Option<&'h [u8]> {
    let (line, after) = rest.split_at_checked(memchr(b'\n', rest)? + 1)?;
    *rest = after;
    line.strip_suffix(b"\r\n")
}

/// Checks a head; `bytes` end with its empty line.
pub(super) fn check(mut bytes: &[u8]) -> Result<Head, Refused> {
    let Some(first) = line(&mut bytes) else { return Err(Refused::LineEnd) };
    if first.len() > LINE_BYTES {
        return Err(Refused::TargetTooLong);
    }
    let asked = request_line(first)?;
    let mut fields = Fields::default();
    let mut count = 0;
    loop {
        match line(&mut bytes) {
            None => return Err(Refused::LineEnd),
            Some([]) => break,
            Some(field) => fields.take(field)?,
        }
        count += 1;
        if count > FIELDS {
            return Err(Refused::FieldCount);
        }
    }
    fields.judge(&asked)
}

/// What of the request line matters for the rest.
struct Asked<'h> {
    is_11: bool,
    /// The authority of a target in absolute form.
    authority: Option<&'h [u8]>,
}

fn request_line(line: &[u8]) -> Result<Asked<'_>, Refused> {
    let Some((method, rest)) = memchr(b' ', line).and_then(|at| line.split_at_checked(at)) else {
        return Err(Refused::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(Refused::RequestLine);
    }
    let Some((target, version)) = rest.strip_prefix(b" ").and_then(|rest| rest.split_last_chunk::<9>()) else {
        return Err(Refused::RequestLine);
    };
    let is_11 = match version {
        b" HTTP/1.1" => true,
        b" HTTP/1.0" => false,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Refused::Version),
        _ => return Err(Refused::RequestLine),
    };
    // CONNECT would make a tunnel of us; TRACE echoes cookies; of the others no one knows what they do.
    if !matches!(method, b"GET" | b"HEAD" | b"POST" | b"PUT" | b"DELETE" | b"OPTIONS" | b"PATCH") {
        return Err(Refused::Method);
    }
    // Visible ASCII; a fragment never leaves a browser (RFC 9110 §7.1).
    if !target.iter().fold(true, |fits, b| fits & is_of_target(*b)) {
        return Err(Refused::Target);
    }
    match target {
        [b'/', ..] => Ok(Asked { is_11, authority: None }),
        _ => Ok(Asked { is_11, authority: Some(absolute(target)?) }),
    }
}

/// The authority of a target in absolute form. `*` is refused: what could it ask of a host that is a vendor's?
fn absolute(target: &[u8]) -> Result<&[u8], Refused> {
    match target.split_at_checked(8) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"https://") => {
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            rest.get(..end).ok_or(Refused::Target)
        }
        _ => Err(Refused::Target),
    }
}

/// The fields that say where a message ends and whom it is for.
#[derive(Default)]
struct Fields<'h> {
    host: Option<&'h [u8]>,
    length: Option<&'h [u8]>,
    coding: Option<&'h [u8]>,
    expects: bool,
    asks_switch: bool,
}

impl<'h> Fields<'h> {
    fn take(&mut self, field: &'h [u8]) -> Result<(), Refused> {
        let Some((name, value)) = memchr(b':', field).and_then(|at| field.split_at_checked(at)) else {
            return Err(Refused::FieldName);
        };
        // A space before the colon and a folded line are no names, either.
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(Refused::FieldName);
        }
        if !value.iter().fold(true, |fits, b| fits & is_text(*b)) {
            return Err(Refused::FieldValue);
        }
        let value = || value.get(1..).unwrap_or_default().trim_ascii();
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => only(&mut self.host, value(), Refused::HostTwice),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if !value().eq_ignore_ascii_case(b"100-continue") || self.expects {
                    return Err(Refused::Expectation);
                }
                self.expects = true;
                Ok(())
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.asks_switch = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => only(&mut self.length, value(), Refused::Length),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => only(&mut self.coding, value(), Refused::Coding),
            _ => Ok(()),
        }
    }

    fn judge(&self, asked: &Asked<'_>) -> Result<Head, Refused> {
        let Some(host) = self.host else { return Err(Refused::HostMissing) };
        if std::str::from_utf8(host).ok().and_then(host_of).is_none() {
            return Err(Refused::HostMalformed);
        }
        if asked.authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
            return Err(Refused::HostDiffers);
        }
        let length = match (self.length, self.coding) {
            (None, None) => Length::Known(0),
            (Some(_), Some(_)) => return Err(Refused::LengthAndCoding),
            (Some(digits), None) => number(digits).ok_or(Refused::Length)?,
            (None, Some(coding)) if asked.is_11 && coding.eq_ignore_ascii_case(b"chunked") => Length::Chunked,
            // A coding that we do not know may be one that somebody knows (RFC 9112 §6.1).
            (None, Some(coding)) if asked.is_11 && !coding.is_empty() && coding.iter().all(|b| is_token(*b)) => {
                return Err(Refused::CodingUnknown);
            }
            (None, Some(_)) => return Err(Refused::Coding),
        };
        Ok(Head { length, asks_switch: self.asks_switch })
    }
}

fn only<'h>(place: &mut Option<&'h [u8]>, value: &'h [u8], cause: Refused) -> Result<(), Refused> {
    if place.replace(value).is_some() { Err(cause) } else { Ok(()) }
}

fn number(digits: &[u8]) -> Option<Length> {
    if digits.is_empty() {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        digit.is_ascii_digit().then_some(sum)?.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    };
    digits.iter().try_fold(0, add).map(Length::Known)
}

/// RFC 9110 §5.6.2.
pub(super) const fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// What may stand in a target: visible ASCII, and no fragment.
const fn is_of_target(b: u8) -> bool {
    matches!(b, b'!'..=b'~') && b != b'#'
}

/// What may stand in a field's value (RFC 9110 §5.5): no control but the tab.
pub(super) const fn is_text(b: u8) -> bool {
    (b >= b' ' && b != 0x7f) || b == b'\t'
}
