//! From a reply to a [`Record`]: which replies are accepted at all, and what is kept of them. Everything that is not
//! kept is dropped here with the buffer it stands in.
use super::charset::Charset;
use super::conversation::Trouble;
use super::message::{Checksum, Detection, Message, Repeated, Tag, verify};
use super::settings::{Ages, Settings};
use crate::domain::{AgeClass, Code, Date, Standing, State};
use crate::patron::ils::IlsError;
use crate::patron::record::Record;
use time::Month;
use zeroize::Zeroizing;

const AA: Tag = Tag::new(*b"AA");
const BL: Tag = Tag::new(*b"BL");
const CQ: Tag = Tag::new(*b"CQ");

/// Denials that a mere expiry explains: charge, renewal, recall, hold. Others tell of something else.
const EXPIRY_EXPLAINS: usize = 4;

impl From<Repeated> for Trouble {
    fn from(_: Repeated) -> Self {
        Self::unavailable("the reply holds a field twice that may come once")
    }
}

/// Takes a message as the reply to what was sent, or says why it cannot be.
pub(super) fn accept(message: &[u8], command: [u8; 2], sent: Detection) -> Result<Message<'_>, Trouble> {
    if !message.starts_with(&command) {
        return Err(Trouble::unavailable("the ILS replied with another message than was asked for"));
    }
    match (verify(message), sent) {
        (_, Detection::Off) | (Checksum::Good, _) | (Checksum::Absent, Detection::Checksum) => {}
        (Checksum::Bad, _) => return Err(Trouble::BadChecksum),
        (Checksum::Absent, Detection::Sequence(_)) => {
            return Err(Trouble::unavailable("the reply has no checksum: see `checksums`"));
        }
    }
    let reply = Message::decode(message).map_err(|_| Trouble::unavailable("the reply is malformed"))?;
    match sent {
        Detection::Sequence(number) if reply.sequence != Some(number) => {
            Err(Trouble::unavailable("the reply has another sequence number than the request"))
        }
        _ => Ok(reply),
    }
}

/// What was asked, as far as reading the reply needs it.
pub(super) struct Asked<'a> {
    /// The card number as it was sent.
    pub(super) card: &'a [u8],
    /// Whether the reply may name another one.
    pub(super) accept_other_id: bool,
    /// The day.
    pub(super) today: Date,
}

/// Reads the reply to 23 or 63. `Err` when the reply cannot be trusted to be about this patron; inside `Ok` the
/// library system's word.
pub(super) fn read(
    reply: &Message<'_>,
    asked: &Asked<'_>,
    settings: &Settings,
) -> Result<Result<Record, IlsError>, Trouble> {
    let named = reply.once(AA)?.unwrap_or_default();
    if named != asked.card && !asked.accept_other_id {
        return Err(Trouble::unavailable("the reply names another card than the request: see `accept_other_id`"));
    }
    if let Some(refused) = refusal(reply, settings.no_pins)? {
        return Ok(Err(refused));
    }
    let Some(id) = subject(reply, settings)? else {
        if reply.once(settings.subject_field)?.is_some_and(|value| settings.charset.decode(value).is_none()) {
            return Ok(Err(IlsError::Unavailable("the patron's id in the reply is no text: see `charset`")));
        }
        return Ok(Err(IlsError::Misconfigured("the reply has no id for the patron: see `subject_field`")));
    };
    Ok(standing(reply, asked.today, settings)?.map(|standing| Record { id, standing }))
}

/// Whether card and PIN are refused. Decided before any flag is looked at: a wrong PIN alone makes some library
/// systems set them.
fn refusal(reply: &Message<'_>, no_pins: bool) -> Result<Option<IlsError>, Trouble> {
    let card = reply.once(BL)?;
    let pin = reply.once(CQ)?;
    match (card, pin) {
        (Some(b"N"), _) => Ok(Some(IlsError::NoSuchPatron)),
        (Some(b"Y"), _) if no_pins => Ok(None),
        (Some(b"Y"), Some(b"Y")) => Ok(None),
        (Some(b"Y"), Some(b"N")) => Ok(Some(IlsError::BadPin)),
        (Some(b"Y"), None) => Err(Trouble::misconfigured("the reply does not say whether the PIN is right (`CQ`)")),
        (None, _) => Err(Trouble::misconfigured("the reply does not say whether the card is valid (`BL`)")),
        (Some(_), _) => Err(Trouble::unavailable("the reply says neither Y nor N of card or PIN")),
    }
}

/// The card number that the library system answered about, whatever it thinks of the PIN.
pub(super) fn card(reply: &Message<'_>, settings: &Settings) -> Option<Zeroizing<String>> {
    text(reply, Some(AA), settings.charset).ok().flatten().filter(|card| !card.trim().is_empty())
}

/// The patron's lasting id.
fn subject(reply: &Message<'_>, settings: &Settings) -> Result<Option<Zeroizing<String>>, Trouble> {
    let Some(text) = text(reply, Some(settings.subject_field), settings.charset)? else { return Ok(None) };
    if text.chars().any(char::is_control) {
        return Ok(None);
    }
    Ok(Some(Zeroizing::new(text.trim().to_owned())).filter(|id| !id.is_empty()))
}

/// A field as text; `None` when there is none or it is no text in this charset.
fn text(reply: &Message<'_>, tag: Option<Tag>, charset: Charset) -> Result<Option<Zeroizing<String>>, Trouble> {
    let Some(tag) = tag else { return Ok(None) };
    Ok(reply.once(tag)?.and_then(|value| charset.decode(value)))
}

fn standing(reply: &Message<'_>, today: Date, settings: &Settings) -> Result<Result<Standing, IlsError>, Trouble> {
    let tags = &settings.tags;
    let code = |tag| Ok::<_, Trouble>(text(reply, tag, settings.charset)?.and_then(|text| Code::parse(&text)));
    let (borrower_class, branch) = (code(tags.class)?, code(tags.branch)?);
    let value = |tag: Option<Tag>| tag.map_or(Ok(None), |tag| reply.once(tag));
    let Ok(expires) = day(value(tags.expiry)?.unwrap_or_default()) else {
        return Ok(Err(IlsError::Misconfigured("the expiry field does not hold a date: see `tags.expiry`")));
    };
    let born = day(value(tags.birth)?.unwrap_or_default()).ok().flatten();
    let age = born.map_or_else(|| settings.ages.of(borrower_class.as_ref()), |born| AgeClass::on(today, born));
    let signs = Signs {
        expired: value(tags.expired)? == Some(b"Y") || expires.is_some_and(|last| last < today),
        denied: value(tags.internet)? == Some(b"N"),
        flags: denials(reply, &settings.block_flags),
    };
    Ok(Ok(Standing { state: signs.state(), borrower_class, branch, age, expires }))
}

/// What tells the state of a card.
struct Signs {
    expired: bool,
    denied: bool,
    flags: [bool; 14],
}

impl Signs {
    /// An expired card is denied the usual services as well; it counts as blocked only for a reason of another kind.
    fn state(&self) -> State {
        let blocked = |flags: &[bool]| flags.contains(&true);
        if self.expired && !blocked(self.flags.get(EXPIRY_EXPLAINS..).unwrap_or_default()) {
            State::Expired
        } else if self.denied || blocked(&self.flags) {
            State::Blocked
        } else {
            State::Good
        }
    }
}

/// The flags of the patron status that are set and block.
fn denials(reply: &Message<'_>, blocking: &[bool; 14]) -> [bool; 14] {
    let mut set = [false; 14];
    for ((set, blocks), flag) in set.iter_mut().zip(blocking).zip(reply.fixed) {
        // `Y` by the standard; anything but a plain no is read as a denial.
        *set = *blocks && !matches!(flag, b' ' | b'N');
    }
    set
}

impl Ages {
    fn of(&self, class: Option<&Code>) -> AgeClass {
        let Some(class) = class else { return AgeClass::Unknown };
        let by_age =
            [(&self.juvenile, AgeClass::Juvenile), (&self.teen, AgeClass::Teen), (&self.adult, AgeClass::Adult)];
        by_age.into_iter().find(|(classes, _)| classes.contains(class)).map_or(AgeClass::Unknown, |(_, age)| age)
    }
}

/// A value that is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoDate;

/// Reads `YYYYMMDD` or `YYYY-MM-DD`, whatever follows. Nothing, or only 0 or only 9, is no date at all.
fn day(value: &[u8]) -> Result<Option<Date>, NoDate> {
    let value = value.trim_ascii();
    let digits: Vec<u8> = match value {
        [] => return Ok(None),
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => [y, &[*m1, *m2, *d1, *d2]].concat(),
        [a, b, c, d, b'-', m1, m2, b'-', d1, d2, ..] => vec![*a, *b, *c, *d, *m1, *m2, *d1, *d2],
        _ => value.iter().take(8).copied().collect(),
    };
    if [b'0', b'9'].iter().any(|same| digits.iter().all(|b| b == same)) {
        return Ok(None);
    }
    let number = |from: usize, to: usize| -> Result<u16, NoDate> {
        let part = digits.get(from..to).filter(|part| part.iter().all(u8::is_ascii_digit)).ok_or(NoDate)?;
        Ok(part.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')))
    };
    let month = u8::try_from(number(4, 6)?).ok().and_then(|m| Month::try_from(m).ok()).ok_or(NoDate)?;
    let day = u8::try_from(number(6, 8)?).map_err(|_| NoDate)?;
    Date::from_calendar_date(i32::from(number(0, 4)?), month, day).map(Some).map_err(|_| NoDate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn dates_come_in_two_shapes() {
        let some = Ok(Some(date!(2027 - 06 - 30)));
        for good in ["20270630", "2027-06-30", "20270630    235959", "2027-06-30T00:00:00Z", " 20270630 "] {
            assert_eq!(day(good.as_bytes()), some, "{good}");
        }
        for none in ["", " ", "00000000", "0", "99999999", "0000-00-00"] {
            assert_eq!(day(none.as_bytes()), Ok(None), "{none}");
        }
        for bad in ["1", "20271330", "20270631", "2027063", "06/30/2027", "ADULT", "2027-6-30"] {
            assert_eq!(day(bad.as_bytes()), Err(NoDate), "{bad}");
        }
    }

    #[test]
    fn another_reason_than_expiry_blocks() {
        let state = |expired, set: &[usize]| {
            Signs { expired, denied: false, flags: std::array::from_fn(|i| set.contains(&i)) }.state()
        };
        assert_eq!(state(false, &[]), State::Good);
        assert_eq!(state(true, &[]), State::Expired);
        assert_eq!(state(true, &[0, 1, 2, 3]), State::Expired);
        assert_eq!(state(true, &[0, 4]), State::Blocked);
        assert_eq!(state(false, &[0]), State::Blocked);
    }
}
