//! Presets: what is known of each product's SIP2, as one table. A preset fills in what the operator leaves out;
//! every setting can still be given. A new product is one entry here.
use super::charset::Charset;
use super::message::{Tag, Terminator};
use super::settings::{Request, Tags};

/// What a product usually speaks.
#[derive(Clone, Copy)]
pub(super) struct Preset {
    /// The charset of its messages.
    pub(super) charset: Charset,
    /// What ends our messages.
    pub(super) terminator: Terminator,
    /// The port, when the address names none.
    pub(super) port: u16,
    /// What is asked for a patron.
    pub(super) request: Request,
    /// Where the facts of a patron stand.
    pub(super) tags: Tags,
    /// The field with the patron's lasting id.
    pub(super) subject_field: Tag,
    /// Whether the reply may carry another `AA` than was sent.
    pub(super) accept_other_id: bool,
}

const NO_TAGS: Tags = Tags { class: None, branch: None, expiry: None, expired: None, birth: None, internet: None };

const fn tag(name: [u8; 2]) -> Tag {
    Tag::new(name)
}

const GENERIC: Preset = Preset {
    charset: Charset::Cp850,
    terminator: Terminator::Cr,
    port: 6001,
    request: Request::Information,
    tags: NO_TAGS,
    subject_field: tag(*b"AA"),
    accept_other_id: false,
};

/// Every preset, by its word in the configuration.
pub(super) const PRESETS: [(&str, Preset); 8] = [
    ("generic", GENERIC),
    (
        "koha",
        // Patrons may sign in with a user name; the answer's `AA` is the card. No field says when a card runs out
        // unless the account has a `custom_patron_field` for it.
        Preset {
            charset: Charset::Utf8,
            tags: Tags { class: Some(tag(*b"PC")), birth: Some(tag(*b"PB")), ..NO_TAGS },
            accept_other_id: true,
            ..GENERIC
        },
    ),
    (
        "evergreen",
        Preset {
            charset: Charset::Utf8,
            tags: Tags {
                class: Some(tag(*b"PC")),
                branch: Some(tag(*b"AQ")),
                expiry: Some(tag(*b"PA")),
                birth: Some(tag(*b"PB")),
                ..NO_TAGS
            },
            subject_field: tag(*b"XI"),
            ..GENERIC
        },
    ),
    (
        "polaris",
        // Here `PA` is the patron code, not a date.
        Preset {
            tags: Tags {
                class: Some(tag(*b"PA")),
                branch: Some(tag(*b"PE")),
                expiry: Some(tag(*b"PX")),
                expired: Some(tag(*b"PY")),
                birth: Some(tag(*b"BC")),
                internet: None,
            },
            ..GENERIC
        },
    ),
    ("sierra", GENERIC),
    ("folio", Preset { port: 6443, tags: Tags { class: Some(tag(*b"FU")), ..NO_TAGS }, ..GENERIC }),
    ("tlc", GENERIC),
    ("apollo", GENERIC),
];

/// The preset where none is named.
pub(super) const DEFAULT: Preset = GENERIC;
