//! The settings of one SIP2 library system: what the `[[ils]]` table says, over what the preset knows. Everything is
//! checked here, before any socket opens; values that go into messages are kept as bytes that can be sent.
use super::charset::{CHARSETS, Charset};
use super::message::{Tag, Terminator, is_sendable};
use super::preset::{DEFAULT, PRESETS, Preset};
use super::transport::Tls;
use crate::domain::Code;
use crate::domain::settings::Reader;
use std::time::Duration;
use zeroize::Zeroizing;

/// How to reach and read one SIP2 library system.
pub(super) struct Settings {
    /// `address`: the host name or address.
    pub(super) host: String,
    /// `address`: the port; the preset's where none is given (6443 for `folio`, else 6001).
    pub(super) port: u16,
    /// `[ils.tls]`: TLS, with a client certificate where the library system demands one. Plain TCP without it.
    pub(super) tls: Option<Tls>,
    /// `[ils.login]`: the account of this terminal. Not a patron.
    pub(super) login: Option<Login>,
    /// `[[ils.prompts]]`: what a telnet-style listener asks before SIP2 begins.
    pub(super) prompts: Vec<Prompt>,
    /// `order`: which messages open a connection, and in which order; `login,status` with a `[ils.login]` table and
    /// without prompts, else `status`.
    pub(super) order: &'static [Opening],
    /// `institution`: the value of `AO`; empty by default.
    pub(super) institution: Value,
    /// `charset`: how text is written; the preset's.
    pub(super) charset: Charset,
    /// `terminator`: what ends our messages; the preset's. What comes may end with CR or CRLF in any case.
    pub(super) terminator: Terminator,
    /// `checksums`: whether messages carry a sequence number and a checksum, and answers must; true.
    pub(super) checksums: bool,
    /// `request`: `63` (patron information) or `23` (patron status: less work for the library system, fewer fields); the
    /// preset's. Where the library system lists only the other one as supported, that one is used.
    pub(super) request: Request,
    /// `[ils.tags]`: where the facts of a patron stand; the preset's.
    pub(super) tags: Tags,
    /// `block_flags`: the flags of the patron status that block a card, by place.
    pub(super) block_flags: [bool; 14],
    /// `[ils.ages]`: borrower classes that tell an age where no birth date does.
    pub(super) ages: Ages,
    /// `subject_field`: the field whose value names the patron for good; the preset's (`XI` for `evergreen`, else
    /// `AA`). A change gives every patron new pseudonyms.
    pub(super) subject_field: Tag,
    /// `no_pins`: the library's cards have no PIN, and a known card alone is enough; false.
    pub(super) no_pins: bool,
    /// `accept_other_id`: the answer's `AA` may differ from what was typed (user names, longer card numbers); the
    /// preset's (true for `koha`). Then only the sequence number binds an answer to its question.
    pub(super) accept_other_id: bool,
    /// `connections`: the most connections at any time; 4. Keep it below the library system's own limit.
    pub(super) connections: usize,
    /// `deadline`: for one look-up in all, from the wait for a connection to the answer; 4 s.
    pub(super) deadline: Duration,
    /// `idle`: how long a connection may wait for the next look-up; 20 s. Keep it below the library system's timeout.
    pub(super) idle: Duration,
}

/// Bytes of the operator's that can be sent.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// `[ils.login]`.
pub(super) struct Login {
    /// `user`: the value of `CN`.
    pub(super) user: Value,
    /// `password_file` or `password_env`: the value of `CO`.
    pub(super) password: Value,
    /// `location`: the value of `CP`; empty by default. A service point's id for FOLIO, a workstation for Evergreen.
    pub(super) location: Value,
}

/// One `[[ils.prompts]]` table.
pub(super) struct Prompt {
    /// `expect`: the text to wait for.
    pub(super) expect: Vec<u8>,
    /// `send`: `user` or `password` of the login; or `text`: other text. Neither: go on after that line.
    pub(super) send: Option<Value>,
}

/// A message that opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// 93: the terminal's account.
    Login,
    /// 99: which protocol version we speak.
    Status,
}

const ORDERS: [(&str, &[Opening]); 5] = [
    ("login,status", &[Opening::Login, Opening::Status]),
    ("status,login", &[Opening::Status, Opening::Login]),
    ("login", &[Opening::Login]),
    ("status", &[Opening::Status]),
    ("none", &[]),
];

/// What is asked for a patron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// 23: patron status.
    Status,
    /// 63: patron information.
    Information,
}

impl Request {
    /// The command of the request.
    pub(super) const fn command(self) -> [u8; 2] {
        match self {
            Self::Status => *b"23",
            Self::Information => *b"63",
        }
    }

    /// The command of its reply.
    pub(super) const fn reply(self) -> [u8; 2] {
        match self {
            Self::Status => *b"24",
            Self::Information => *b"64",
        }
    }
}

/// `[ils.tags]`: two-character names of fields; an empty string takes a preset's away.
#[derive(Clone, Copy)]
pub(super) struct Tags {
    /// `class`: the borrower class.
    pub(super) class: Option<Tag>,
    /// `branch`: the home branch.
    pub(super) branch: Option<Tag>,
    /// `expiry`: the last day of the card, as YYYYMMDD or YYYY-MM-DD.
    pub(super) expiry: Option<Tag>,
    /// `expired`: `Y` when the card has expired.
    pub(super) expired: Option<Tag>,
    /// `birth`: the birth date; only the age class leaves the connector.
    pub(super) birth: Option<Tag>,
    /// `internet`: `N` blocks the card. In no preset.
    pub(super) internet: Option<Tag>,
}

/// `[ils.ages]`: borrower classes by age.
#[derive(Default)]
pub(super) struct Ages {
    /// `juvenile`: classes of patrons under 13.
    pub(super) juvenile: Vec<Code>,
    /// `teen`: classes of patrons from 13 to 17.
    pub(super) teen: Vec<Code>,
    /// `adult`: classes of patrons of 18 and more.
    pub(super) adult: Vec<Code>,
}

/// The flags of the patron status, by place. Recall denied (2) is in no answer a sign of a block: one product always
/// sets it.
const FLAGS: [&str; 14] = [
    "charge",
    "renewal",
    "recall",
    "hold",
    "card_lost",
    "too_many_charged",
    "too_many_overdue",
    "too_many_renewals",
    "too_many_claims",
    "too_many_lost",
    "fines",
    "fees",
    "recall_overdue",
    "too_many_billed",
];
const RECALL: usize = 2;
const DEFAULT_BLOCKS: [usize; 9] = [0, 4, 5, 6, 9, 10, 11, 12, 13];

/// Reads the `[[ils]]` table; problems are noted in the reader. The caller ends the reading of the table itself.
pub(super) fn read(reader: &Reader<'_>) -> Option<Settings> {
    let _ = (reader.text("id"), reader.text("kind"));
    let preset = reader.word("preset", &PRESETS).unwrap_or(DEFAULT);
    let charset = reader.word("charset", &CHARSETS).unwrap_or(preset.charset);
    let address = reader.required("address", "`HOST` or `HOST:PORT`", |text| parse_address(text, preset.port));
    let (login, has_login) = read_login(reader, charset);
    let prompts = read_prompts(reader, charset, login.as_ref());
    let order = read_order(reader, has_login, prompts.is_empty());
    let (host, port) = address.unwrap_or_default();
    let seconds = Duration::from_secs;
    let tls = read_tls(reader, &host);
    // Broken TLS settings must not end in a connection without TLS.
    let usable = !host.is_empty() && (tls.is_some() || !reader.has("tls"));
    let settings = Settings {
        tls,
        port,
        order,
        institution: value(reader, "institution", charset).unwrap_or_default(),
        charset,
        terminator: reader
            .word("terminator", &[("cr", Terminator::Cr), ("crlf", Terminator::CrLf), ("lf", Terminator::Lf)])
            .unwrap_or(preset.terminator),
        checksums: reader.flag("checksums").unwrap_or(true),
        request: reader
            .word("request", &[("63", Request::Information), ("23", Request::Status)])
            .unwrap_or(preset.request),
        tags: read_tags(reader, &preset),
        block_flags: read_block_flags(reader),
        ages: read_ages(reader),
        subject_field: reader
            .parsed("subject_field", "the two capitals or digits of a field, such as `AA`", Tag::parse)
            .unwrap_or(preset.subject_field),
        no_pins: reader.flag("no_pins").unwrap_or(false),
        accept_other_id: reader.flag("accept_other_id").unwrap_or(preset.accept_other_id),
        connections: reader.integer("connections", 1..=64).and_then(|n| usize::try_from(n).ok()).unwrap_or(4),
        deadline: reader.duration("deadline", Duration::from_millis(500)..=seconds(9)).unwrap_or(seconds(4)),
        idle: reader.duration("idle", seconds(1)..=seconds(600)).unwrap_or(seconds(20)),
        login,
        prompts,
        host,
    };
    usable.then_some(settings)
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn parse_address(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some("")).map(str::to_owned)?)
        }
        None => text.split_once(':').map_or_else(|| (text, String::new()), |(h, p)| (h, p.to_owned())),
    };
    let fine = !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/');
    let port = if port.is_empty() && !text.ends_with(':') { default_port } else { port.parse().ok()? };
    (fine && port != 0).then(|| (host.to_owned(), port))
}

const SENDABLE: &str =
    "text of at most 255 bytes in the charset of this library system, without control characters and `|`";

/// Text of the operator's that goes into messages.
fn value(reader: &Reader<'_>, key: &str, charset: Charset) -> Option<Value> {
    reader.parsed(key, SENDABLE, |text| encoded(text, charset))
}

/// Text as bytes that can be sent.
pub(super) fn encoded(text: &str, charset: Charset) -> Option<Value> {
    if text.chars().any(char::is_control) {
        return None;
    }
    charset.encode(text).filter(|bytes| is_sendable(bytes))
}

/// The login, and whether there is a table for it, right or wrong.
fn read_login(reader: &Reader<'_>, charset: Charset) -> (Option<Login>, bool) {
    let Some(table) = reader.table("login") else { return (None, reader.has("login")) };
    let user = table.required("user", SENDABLE, |text| encoded(text, charset).filter(|v| !v.is_empty()));
    let password = table.required_secret("password", "the file with the password of the SIP2 account");
    let password = password.and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).ok();
        let value = text.and_then(|text| encoded(text, charset));
        if value.is_none() {
            let key = if table.has("password_file") { "password_file" } else { "password_env" };
            table.problem(key, format!("expected a password that is {SENDABLE}"));
        }
        value
    });
    let location = value(&table, "location", charset).unwrap_or_default();
    table.finish();
    (user.zip(password).map(|(user, password)| Login { user, password, location }), true)
}

fn read_prompts(reader: &Reader<'_>, charset: Charset, login: Option<&Login>) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    for table in reader.tables("prompts") {
        let expect = table.required("expect", "the text to wait for", |text| {
            (!text.is_empty() && text.len() <= 255).then(|| text.as_bytes().to_vec())
        });
        let account = table.word("send", &[("user", true), ("password", false)]);
        let text = value(&table, "text", charset);
        if table.has("send") && table.has("text") {
            table.problem("text", "expected one of `send` and `text`, found both");
        }
        if account.is_some() && login.is_none() {
            table.problem("send", "expected a `login` table with this value, found none");
        }
        let send = account
            .zip(login)
            .map(|(user, login)| if user { login.user.clone() } else { login.password.clone() })
            .or(text);
        table.finish();
        prompts.extend(expect.map(|expect| Prompt { expect, send }));
    }
    prompts
}

fn read_order(reader: &Reader<'_>, has_login: bool, no_prompts: bool) -> &'static [Opening] {
    let order = reader.word("order", &ORDERS);
    if order.is_some_and(|order| order.contains(&Opening::Login)) && !has_login {
        reader.problem("order", "expected a `login` table for an order with `login`, found none");
    }
    let default: &[Opening] =
        if has_login && no_prompts { &[Opening::Login, Opening::Status] } else { &[Opening::Status] };
    order.unwrap_or(default)
}

fn read_tls(reader: &Reader<'_>, host: &str) -> Option<Tls> {
    let table = reader.table("tls")?;
    let name = table.text("server_name").unwrap_or_else(|| host.to_owned());
    let roots = table.secret("ca");
    let certificate = table.secret("certificate");
    let key = table.secret("key");
    if (certificate.is_some() && !table.has("key_file") && !table.has("key_env"))
        || (key.is_some() && !table.has("certificate_file") && !table.has("certificate_env"))
    {
        table.problem("certificate_file", "expected `certificate_file` and `key_file` together, found one of them");
    }
    let identity = certificate.zip(key);
    let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    let tls = match Tls::new(&name, roots.as_ref().map(|pem| pem.as_slice()), identity) {
        Ok(tls) => Some(tls),
        // Without a host there is no name; that problem is told already.
        Err(("server_name", _)) if name.is_empty() => None,
        Err((key, why)) => {
            table.problem(key, why);
            None
        }
    };
    table.finish();
    tls
}

fn read_tags(reader: &Reader<'_>, preset: &Preset) -> Tags {
    let Some(table) = reader.table("tags") else { return preset.tags };
    let tag = |key, preset: Option<Tag>| {
        let read =
            table.parsed(key, "the two capitals or digits of a field, such as `PC`, or an empty string", |text| {
                if text.is_empty() { Some(None) } else { Tag::parse(text).map(Some) }
            });
        read.unwrap_or(preset)
    };
    let tags = Tags {
        class: tag("class", preset.tags.class),
        branch: tag("branch", preset.tags.branch),
        expiry: tag("expiry", preset.tags.expiry),
        expired: tag("expired", preset.tags.expired),
        birth: tag("birth", preset.tags.birth),
        internet: tag("internet", preset.tags.internet),
    };
    table.finish();
    tags
}

fn read_block_flags(reader: &Reader<'_>) -> [bool; 14] {
    let names: Vec<_> = FLAGS.iter().enumerate().filter(|(place, _)| *place != RECALL).map(|(_, name)| *name).collect();
    let expected = format!("one of {} (`recall` never tells a block)", names.join(", "));
    let places = reader.list("block_flags", &expected, |name| {
        FLAGS.iter().position(|known| *known == name).filter(|place| *place != RECALL)
    });
    let places = places.unwrap_or_else(|| DEFAULT_BLOCKS.to_vec());
    std::array::from_fn(|place| places.contains(&place))
}

fn read_ages(reader: &Reader<'_>) -> Ages {
    let Some(table) = reader.table("ages") else { return Ages::default() };
    let classes = |key| table.list(key, "a borrower class", Code::parse).unwrap_or_default();
    let ages = Ages { juvenile: classes("juvenile"), teen: classes("teen"), adult: classes("adult") };
    table.finish();
    ages
}

#[cfg(test)]
mod tests {
    use super::super::given::{problems, settings};
    use super::*;

    #[test]
    fn an_address_alone_is_enough() {
        let settings = settings(r#"address = "ils.example.net""#);
        assert_eq!((settings.host.as_str(), settings.port), ("ils.example.net", 6001));
        assert_eq!(settings.order, [Opening::Status]);
        assert_eq!(settings.deadline, Duration::from_secs(4));
        assert_eq!(settings.connections, 4);
        assert!(settings.checksums && !settings.no_pins && !settings.accept_other_id);
        assert_eq!(settings.request, Request::Information);
        let blocks: Vec<_> = (0..14).filter(|i| settings.block_flags[*i]).collect();
        assert_eq!(blocks, DEFAULT_BLOCKS);
    }

    #[test]
    fn addresses_have_hosts_and_ports() {
        let parsed = |text| parse_address(text, 6001).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(parsed("ils:6002").as_deref(), Some("ils 6002"));
        assert_eq!(parsed("[::1]:7").as_deref(), Some("::1 7"));
        assert_eq!(parsed("[::1]").as_deref(), Some("::1 6001"));
        for bad in ["", ":1", "a:", "a:b", "a:70000", "a:0", "::1", "[::1", "[x]:1", "[::1]x", "a b", "http://a"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn presets_fill_in_and_keys_overrule() {
        let settings = settings(
            r#"
            address = "ils"
            preset = "polaris"
            charset = "utf-8"
            subject_field = "XI"
            request = "23"
            block_flags = ["charge", "card_lost"]
            [tags]
            class = "FU"
            birth = ""
            [ages]
            juvenile = ["J", "JUV"]
            "#,
        );
        assert_eq!(settings.charset, Charset::Utf8);
        assert_eq!(settings.subject_field, Tag::new(*b"XI"));
        assert_eq!(settings.request, Request::Status);
        assert_eq!(settings.tags.class, Tag::parse("FU"));
        assert_eq!(settings.tags.branch, Tag::parse("PE"));
        assert_eq!(settings.tags.birth, None);
        assert_eq!(settings.ages.juvenile.len(), 2);
        assert_eq!(settings.block_flags.iter().filter(|b| **b).count(), 2);
    }

    #[test]
    fn a_login_makes_the_usual_order() {
        let login = "[login]\nuser = \"vestibule\"\npassword_file = \"secret\"";
        assert_eq!(settings(&format!("address = \"a\"\n{login}")).order, [Opening::Login, Opening::Status]);
        let telnet = format!("address = \"a\"\n{login}\n[[prompts]]\nexpect = \"login:\"\nsend = \"user\"");
        let telnet = settings(&telnet);
        assert_eq!(telnet.order, [Opening::Status]);
        assert_eq!(telnet.prompts[0].send.as_ref().unwrap().as_slice(), b"vestibule");
    }

    #[test]
    fn every_problem_is_told_with_its_path_and_without_values() {
        let problems = problems(
            r#"
            adress = "ils"
            preset = "Koha"
            institution = "a|b"
            deadline = "10s"
            connections = 0
            block_flags = ["recall"]
            order = "login"
            [login]
            user = "line\nfeed"
            password_file = "pipe"
            pasword = "x"
            [tags]
            clas = "PC"
            class = "pc"
            [tls]
            certificate_file = "secret"
            "#,
        );
        let all = problems.join("\n");
        for part in [
            "`ils.adress`: unknown key; did you mean `address`?",
            "`ils.address`: expected `HOST`",
            "`ils.preset`: expected one of `generic`, `koha`",
            "`ils.institution`",
            "`ils.deadline`",
            "`ils.connections`",
            "`ils.block_flags[0]`",
            "`ils.login.user`",
            "`ils.login.password_file`",
            "`ils.login.pasword`: unknown key; did you mean `password`?",
            "`ils.tags.clas`: unknown key; did you mean `class`?",
            "`ils.tags.class`",
            "`ils.tls.certificate_file`",
        ] {
            assert!(all.contains(part), "{part} is missing in\n{all}");
        }
        assert!(!all.contains("feed") && !all.contains("a|b"));
    }
}
