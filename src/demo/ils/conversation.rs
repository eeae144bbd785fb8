//! What the make-believe library system answers, as an Evergreen behind `SIPServer` does: personal data in every 64 of a
//! known patron, also for a wrong PIN; nothing said before the login; the third wrong login ends the connection.
use super::message::{Answer, Check, Request, seal};
use crate::demo::patrons::{CardState, Patron};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;

/// What all conversations share.
pub(super) struct Desk {
    patrons: Arc<[Patron]>,
    by_card: HashMap<String, usize>,
    user: String,
    password: String,
}

impl Desk {
    pub(super) fn new(patrons: Arc<[Patron]>, user: String, password: String) -> Self {
        let by_card = patrons.iter().enumerate().map(|(place, p)| (p.card.clone(), place)).collect();
        Self { patrons, by_card, user, password }
    }

    fn patron(&self, card: &str) -> Option<&Patron> {
        self.by_card.get(card).and_then(|place| self.patrons.get(*place))
    }
}

/// What to do after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Send this and read on.
    Send(Vec<u8>),
    /// Close the connection without a word.
    Close,
}

/// One connection's state.
pub(super) struct Conversation {
    desk: Arc<Desk>,
    signed_in: bool,
    wrong_logins: u8,
    last: Vec<u8>,
}

const ASK_AGAIN: &[u8] = b"96";

impl Conversation {
    pub(super) const fn new(desk: Arc<Desk>) -> Self {
        Self { desk, signed_in: false, wrong_logins: 0, last: Vec::new() }
    }

    /// Answers one message, given without its terminator.
    pub(super) fn answer(&mut self, line: &[u8]) -> Reply {
        if std::str::from_utf8(line).is_err() {
            return self.ask_again();
        }
        let Some(request) = Request::parse(line) else { return Reply::Close };
        if request.check == Check::Wrong {
            return self.ask_again();
        }
        let body = match request.command {
            b"93" => self.login(&request),
            b"97" => return self.repeat(),
            _ if !self.signed_in => None,
            b"99" => Some(acs_status()),
            b"23" => Some(self.patron_status(&request)),
            b"63" => Some(self.patron_information(&request)),
            b"35" => Some(end_session(&request)),
            _ => None,
        };
        let Some(body) = body else { return Reply::Close };
        let line = seal(&body, request.sequence);
        self.last = body;
        Reply::Send(line)
    }

    fn ask_again(&mut self) -> Reply {
        self.last = ASK_AGAIN.to_vec();
        Reply::Send(b"96AZFEF6\r".to_vec())
    }

    /// Repeats the last answer, with the sequence digit 0.
    fn repeat(&mut self) -> Reply {
        if self.last.is_empty() || self.last == ASK_AGAIN {
            return self.ask_again();
        }
        Reply::Send(seal(&self.last, Some(b'0')))
    }

    /// `None` when this was one wrong login too many.
    fn login(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        let known = request.fixed == b"00"
            && request.field(b"CN") == Some(&self.desk.user)
            && request.field(b"CO") == Some(&self.desk.password);
        self.signed_in = known;
        if known {
            return Some(b"941".to_vec());
        }
        self.wrong_logins += 1;
        (self.wrong_logins < 3).then(|| b"940".to_vec())
    }

    fn patron_status(&self, request: &Request<'_>) -> Vec<u8> {
        let card = request.field(b"AA").unwrap_or_default();
        let language = language(request);
        let institution = request.field(b"AO").unwrap_or_default();
        let Some(patron) = self.desk.patron(card) else {
            return Answer::new(&["24", UNKNOWN, language, &sip_date()])
                .field("AO", institution)
                .field("AA", card)
                .field("AE", "")
                .field("BL", "N")
                .into_bytes();
        };
        let verified = request.field(b"AD") == Some(&patron.pin);
        Answer::new(&["24", flags(patron), language, &sip_date()])
            .field("AO", institution)
            .field("AA", &patron.card)
            .field("AE", &patron.held.name)
            .field("BL", "Y")
            .field("CQ", yes_no(verified))
            .maybe("AF", screen_message(patron))
            .into_bytes()
    }

    fn patron_information(&self, request: &Request<'_>) -> Vec<u8> {
        let card = request.field(b"AA").unwrap_or_default();
        let language = language(request);
        let institution = request.field(b"AO").unwrap_or_default();
        let Some(patron) = self.desk.patron(card) else {
            return Answer::new(&["64", UNKNOWN, language, &sip_date(), NO_ITEMS])
                .field("AO", institution)
                .field("AA", card)
                .field("AE", "")
                .field("BL", "N")
                .into_bytes();
        };
        // Without a PIN in the request the answer has no CQ at all.
        let verified = request.field(b"AD").map(|pin| yes_no(pin == patron.pin));
        let held = &patron.held;
        Answer::new(&["64", flags(patron), language, &sip_date(), NO_ITEMS])
            .field("AO", institution)
            .field("AA", &patron.card)
            .field("AE", &held.name)
            .field("BH", "USD")
            .maybe("BV", (held.state == CardState::Fines).then_some("42.50"))
            .field("BD", &held.address)
            .field("BE", &held.email)
            .field("BF", &held.phone)
            .field("AQ", held.branch)
            .field("BL", "Y")
            .maybe("CQ", verified)
            .field("PA", &held.expires)
            .field("PB", &held.born)
            .field("PC", held.class)
            .field("PI", if held.class == "Juvenile" { "Filtered" } else { "Unfiltered" })
            .field("XI", &held.id)
            .maybe("AF", screen_message(patron))
            .into_bytes()
    }
}

/// Flags of a card that is not known.
const UNKNOWN: &str = "YYYY          ";
/// Six counts of nothing.
const NO_ITEMS: &str = "000000000000000000000000";

/// Flag 2 (recall denied) stands for everybody: this system places no recalls.
const fn flags(patron: &Patron) -> &'static str {
    match patron.held.state {
        CardState::Good => "  Y           ",
        CardState::Expired => "YYYY          ",
        CardState::Fines => "YYYY      Y   ",
    }
}

const fn screen_message(patron: &Patron) -> Option<&'static str> {
    match patron.held.state {
        CardState::Good => None,
        CardState::Expired | CardState::Fines => Some("blocked"),
    }
}

const fn yes_no(yes: bool) -> &'static str {
    if yes { "Y" } else { "N" }
}

fn language<'a>(request: &Request<'a>) -> &'a str {
    request.fixed.get(..3).and_then(|l| std::str::from_utf8(l).ok()).unwrap_or("000")
}

fn acs_status() -> Vec<u8> {
    Answer::new(&["98", "YNNYNN", "600", "003", &sip_date(), "2.00"])
        .field("AO", "EXAMPLE")
        .field("AM", "Make-believe consortium")
        .field("BX", "YYYYYYYYYYNYNYYY")
        .into_bytes()
}

fn end_session(request: &Request<'_>) -> Vec<u8> {
    Answer::new(&["36", "Y", &sip_date()])
        .field("AO", request.field(b"AO").unwrap_or_default())
        .field("AA", request.field(b"AA").unwrap_or_default())
        .into_bytes()
}

/// The time now as SIP2 writes local time: four blanks for the zone.
fn sip_date() -> String {
    let t = OffsetDateTime::now_utc();
    let (y, m, d) = (t.year(), u8::from(t.month()), t.day());
    format!("{y:04}{m:02}{d:02}    {:02}{:02}{:02}", t.hour(), t.minute(), t.second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::patrons::generate;

    fn desk() -> Arc<Desk> {
        Arc::new(Desk::new(generate(1, 5).into(), "terminal".to_owned(), "secret".to_owned()))
    }

    fn signed_in() -> Conversation {
        let mut talk = Conversation::new(desk());
        assert_eq!(talk.answer(b"9300CNterminal|COsecret|CPx|"), Reply::Send(b"941\r".to_vec()));
        talk
    }

    fn text(reply: Reply) -> String {
        match reply {
            Reply::Send(bytes) => String::from_utf8(bytes).unwrap(),
            Reply::Close => "closed".to_owned(),
        }
    }

    fn information(talk: &mut Conversation, card: &str, pin: &str) -> String {
        let line = format!("6300020260115    093000          AOEXAMPLE|AA{card}|AC|AD{pin}|");
        text(talk.answer(line.as_bytes()))
    }

    #[test]
    fn nothing_is_said_before_the_login() {
        for line in ["9900302.00", "2300020260115    093000AOX|AA1|AC|AD1|"] {
            assert_eq!(Conversation::new(desk()).answer(line.as_bytes()), Reply::Close);
        }
    }

    #[test]
    fn the_third_wrong_login_ends_it() {
        let mut talk = Conversation::new(desk());
        let wrong = b"9300CNterminal|COguess|";
        assert_eq!(talk.answer(wrong), Reply::Send(b"940\r".to_vec()));
        assert_eq!(talk.answer(b"9310CNterminal|COsecret|"), Reply::Send(b"940\r".to_vec()));
        assert_eq!(talk.answer(wrong), Reply::Close);
    }

    #[test]
    fn everything_on_a_known_patron_is_sent_even_for_a_wrong_pin() {
        let mut talk = signed_in();
        let patron = &generate(1, 5)[0];
        for (pin, verdict) in [(patron.pin.as_str(), "|CQY|"), ("000000", "|CQN|"), ("", "|CQN|")] {
            let answer = information(&mut talk, &patron.card, pin);
            assert!(answer.starts_with("64  Y           000") && answer.contains("|BLY|") && answer.contains(verdict));
            for held in [&patron.held.name, &patron.held.address, &patron.held.email, &patron.held.born] {
                assert!(answer.contains(held.as_str()));
            }
        }
    }

    #[test]
    fn an_unknown_card_has_no_verdict_on_the_pin() {
        let answer = information(&mut signed_in(), "29999999999999", "1234");
        assert!(answer.starts_with("64YYYY ") && answer.contains("|AE|BLN|") && !answer.contains("CQ"));
    }

    #[test]
    fn the_flags_follow_the_card() {
        let (mut talk, people) = (signed_in(), generate(1, 5));
        assert!(information(&mut talk, &people[2].card, &people[2].pin).contains("|PA20240131|"));
        let fines = information(&mut talk, &people[3].card, &people[3].pin);
        assert!(fines.starts_with("64YYYY      Y   ") && fines.contains("|BV42.50|") && fines.contains("|CQY|"));
    }

    #[test]
    fn a_wrong_checksum_or_charset_is_asked_for_again_and_97_repeats() {
        let mut talk = signed_in();
        assert_eq!(text(talk.answer(b"97AZFEF5")), "941AY0AZFDFD\r");
        assert_eq!(text(talk.answer(b"9900302.00AY1AZ0000")), "96AZFEF6\r");
        assert_eq!(text(talk.answer(b"97AZFEF5")), "96AZFEF6\r");
        assert_eq!(text(talk.answer(b"2300020260115    093000AOX|AA\xe9|AC|AD1|")), "96AZFEF6\r");
    }

    #[test]
    fn an_unknown_command_ends_it() {
        assert_eq!(signed_in().answer(b"01N"), Reply::Close);
    }
}
