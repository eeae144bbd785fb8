//! Text that already is canonical XML (Exclusive XML Canonicalization 1.0, without comments), so that what is hashed, signed
//! and sent is one and the same text. The only way to such text is [`Element`], which escapes every value; names of elements,
//! attributes and namespaces are constants of the program.
use super::names;
use crate::domain::random;
use crate::protocol::Unspoken;
use crate::telemetry::AssertionId;

/// The prefixes that we write, and what each stands for, always.
const PREFIXES: [(&str, &str); 12] = [
    ("saml", names::SAML),
    ("samlp", names::SAMLP),
    ("ds", names::DS),
    ("xenc", names::XENC),
    ("xenc11", names::XENC11),
    ("md", names::MD),
    ("mdattr", names::MDATTR),
    ("mdui", names::MDUI),
    ("alg", names::ALG),
    ("init", names::INIT),
    ("shibmd", names::SHIBMD),
    ("remd", names::REMD),
];

/// What `xml:` stands for; it is never declared.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Something cannot be written as canonical XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwritable {
    /// A character that XML 1.0 (2.2) does not have.
    #[error("expected characters of XML 1.0, found another")]
    Character,
    /// A prefix that is not ours, or is declared where canonical XML does not declare it, or nowhere.
    #[error("expected each prefix to be declared where it is first used, found otherwise")]
    Prefix,
    /// An attribute that is there already, or comes after content.
    #[error("expected different attributes, before the content, found otherwise")]
    Attribute,
    /// An element that is to be signed has no place for the signature, or no ID by which the signature can mean it.
    #[error("expected an ID and a place for the signature, found otherwise")]
    Unsignable,
}

impl From<Unwritable> for Unspoken {
    fn from(_: Unwritable) -> Self {
        Self
    }
}

/// A set of prefixes: one bit for each line of [`PREFIXES`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Prefixes(u16);

impl Prefixes {
    /// The prefix alone, and what it stands for.
    fn find(prefix: &str) -> Option<(Self, &'static str)> {
        let at = PREFIXES.iter().position(|(known, _)| *known == prefix)?;
        PREFIXES.get(at).map(|(_, uri)| (Self(1 << at), *uri))
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// An ID that nobody can guess and nothing can be read from: 128 random bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identifier(String);

impl Identifier {
    /// A new one.
    pub(super) fn random() -> Self {
        let number = u128::from_be_bytes(random::<16>());
        Self(format!("_{number:032x}"))
    }

    /// The one of an assertion.
    pub(super) fn of(id: AssertionId) -> Self {
        Self(id.to_string())
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An element, finished, as canonical XML. It has no `Debug`: it may say who somebody is.
pub(super) struct Xml {
    text: String,
    /// Prefixes that something around it must declare.
    free: Prefixes,
    /// Prefixes that are declared in it, anywhere.
    declared: Prefixes,
}

impl Xml {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it can stand alone: it declares all that it uses.
    pub(super) const fn is_whole(&self) -> bool {
        self.free.is_empty()
    }

    /// Its text as if it stood alone, with the one prefix declared that it uses: what of `ds:SignedInfo` is signed.
    pub(super) fn alone(&self, prefix: &'static str) -> Result<String, Unwritable> {
        let (bit, uri) = Prefixes::find(prefix).ok_or(Unwritable::Prefix)?;
        let end = self.text.find([' ', '>']).ok_or(Unwritable::Prefix)?;
        let (name, rest) = self.text.split_at(end);
        let is_its_own = name.strip_prefix('<').and_then(|name| name.strip_prefix(prefix));
        if self.free != bit || !self.declared.is_empty() || !is_its_own.is_some_and(|local| local.starts_with(':')) {
            return Err(Unwritable::Prefix);
        }
        Ok([name, " xmlns:", prefix, "=\"", uri, "\"", rest].concat())
    }
}

/// An element that is finished but for its signature.
pub(super) struct Unsigned {
    xml: Xml,
    place: usize,
    id: String,
}

impl Unsigned {
    /// The text without a signature.
    pub(super) fn as_str(&self) -> &str {
        &self.xml.text
    }

    /// Its ID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The same with the signature in its place.
    pub(super) fn with(self, signature: &Xml) -> Result<Xml, Unwritable> {
        let Self { mut xml, place, .. } = self;
        if !signature.is_whole() {
            return Err(Unwritable::Prefix);
        }
        xml.text.insert_str(place, &signature.text);
        xml.declared = xml.declared.and(signature.declared);
        Ok(xml)
    }

    /// The same without one, for what need not be signed.
    pub(super) fn bare(self) -> Xml {
        self.xml
    }
}

/// Where a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

/// An attribute or a declaration, written in the start tag.
struct Piece {
    /// Declarations come first, by prefix; then attributes, by namespace and local name.
    order: (bool, &'static str, &'static str),
    start: usize,
    end: usize,
}

/// An element that is being written. What goes wrong is told by [`Element::finish`].
pub(super) struct Element {
    name: &'static str,
    text: String,
    pieces: Vec<Piece>,
    /// Where the attributes begin; `None` once there is content.
    tag: Option<usize>,
    used: Prefixes,
    declared: Prefixes,
    inner_free: Prefixes,
    inner_declared: Prefixes,
    id: Option<String>,
    place: Option<usize>,
    wrong: Option<Unwritable>,
}

impl Element {
    /// An element by its qualified name.
    pub(super) fn new(name: &'static str) -> Self {
        let mut text = String::with_capacity(256);
        text.push('<');
        text.push_str(name);
        let prefix = name.split_once(':').and_then(|(prefix, _)| Prefixes::find(prefix));
        Self {
            name,
            tag: Some(text.len()),
            text,
            pieces: Vec::new(),
            used: prefix.map(|(bit, _)| bit).unwrap_or_default(),
            declared: Prefixes::default(),
            inner_free: Prefixes::default(),
            inner_declared: Prefixes::default(),
            id: None,
            place: None,
            wrong: prefix.is_none().then_some(Unwritable::Prefix),
        }
    }

    /// Declares a prefix that this element uses and nothing around it has declared.
    pub(super) fn declare(mut self, prefix: &'static str, uri: &'static str) -> Self {
        match Prefixes::find(prefix) {
            Some((bit, known)) if known == uri => self.declared = self.declared.and(bit),
            _ => self.fail(Unwritable::Prefix),
        }
        self.piece((false, "", prefix), "xmlns:", prefix, uri);
        self
    }

    /// An attribute.
    pub(super) fn attribute(mut self, name: &'static str, value: &str) -> Self {
        let order = match name.split_once(':') {
            None => (true, "", name),
            Some(("xml", local)) => (true, XML, local),
            Some((prefix, local)) => {
                let known = Prefixes::find(prefix);
                match known {
                    Some((bit, _)) => self.used = self.used.and(bit),
                    None => self.fail(Unwritable::Prefix),
                }
                (true, known.map_or("", |(_, uri)| uri), local)
            }
        };
        if name == "ID" {
            self.id = Some(value.to_owned());
        }
        self.piece(order, "", name, value);
        self
    }

    /// An attribute, if it has a value.
    pub(super) fn attribute_if(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Text, which is escaped here.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.begin();
        if let Err(wrong) = escape(&mut self.text, text, Place::Text) {
            self.fail(wrong);
        }
        self
    }

    /// An element within this one.
    #[expect(clippy::needless_pass_by_value, reason = "an element has one place")]
    pub(super) fn child(mut self, child: Xml) -> Self {
        self.begin();
        self.text.push_str(&child.text);
        self.inner_free = self.inner_free.and(child.free);
        self.inner_declared = self.inner_declared.and(child.declared);
        self
    }

    /// An element within this one that has text and nothing else.
    pub(super) fn leaf(self, name: &'static str, text: &str) -> Self {
        match Self::new(name).text(text).finish() {
            Ok(child) => self.child(child),
            Err(wrong) => self.failed(wrong),
        }
    }

    /// Elements within this one.
    pub(super) fn children(self, children: impl IntoIterator<Item = Xml>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// This is where the element's own signature goes.
    pub(super) fn signature_here(mut self) -> Self {
        self.begin();
        self.place = Some(self.text.len());
        self
    }

    /// Ends the element.
    pub(super) fn finish(mut self) -> Result<Xml, Unwritable> {
        self.begin();
        self.text.push_str("</");
        self.text.push_str(self.name);
        self.text.push('>');
        // Canonical XML declares a prefix where it is visibly used and not a second time within.
        if !self.declared.without(self.used).is_empty() || self.inner_declared.meets(self.declared) {
            self.fail(Unwritable::Prefix);
        }
        match self.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Xml {
                text: self.text,
                free: self.used.and(self.inner_free).without(self.declared),
                declared: self.declared.and(self.inner_declared),
            }),
        }
    }

    /// Ends an element that is to be signed; it has an `ID` and a place for the signature.
    #[expect(clippy::wrong_self_convention, reason = "the element is on its way there, and is no element any more")]
    pub(super) fn to_sign(mut self) -> Result<Unsigned, Unwritable> {
        let (id, place) = (self.id.take(), self.place);
        let xml = self.finish()?;
        let (Some(id), Some(place)) = (id.filter(|id| is_plain_name(id)), place) else {
            return Err(Unwritable::Unsignable);
        };
        if xml.is_whole() { Ok(Unsigned { xml, place, id }) } else { Err(Unwritable::Prefix) }
    }

    fn fail(&mut self, wrong: Unwritable) {
        self.wrong.get_or_insert(wrong);
    }

    fn failed(mut self, wrong: Unwritable) -> Self {
        self.fail(wrong);
        self
    }

    /// Writes an attribute or a declaration.
    fn piece(&mut self, order: (bool, &'static str, &'static str), before: &str, name: &str, value: &str) {
        if self.tag.is_none() {
            return self.fail(Unwritable::Attribute);
        }
        let start = self.text.len();
        self.text.push(' ');
        self.text.push_str(before);
        self.text.push_str(name);
        self.text.push_str("=\"");
        if let Err(wrong) = escape(&mut self.text, value, Place::Attribute) {
            self.fail(wrong);
        }
        self.text.push('"');
        self.pieces.push(Piece { order, start, end: self.text.len() });
    }

    /// Ends the start tag, with its pieces in order.
    fn begin(&mut self) {
        let Some(tag) = self.tag.take() else { return };
        if !self.pieces.is_sorted_by(|a, b| a.order < b.order) {
            self.pieces.sort_by_key(|piece| piece.order);
            if !self.pieces.is_sorted_by(|a, b| a.order < b.order) {
                self.fail(Unwritable::Attribute);
            }
            let sorted: String = self.pieces.iter().filter_map(|piece| self.text.get(piece.start..piece.end)).collect();
            self.text.truncate(tag);
            self.text.push_str(&sorted);
        }
        self.text.push('>');
    }
}

/// Whether it can be an ID that a signature means: some of XML's names, in ASCII.
fn is_plain_name(id: &str) -> bool {
    id.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Whether a byte needs a closer look: what is escaped somewhere, what XML does not have, and the first byte of U+FFFE.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'&' | b'<' | b'>' | b'"' | 0xEF)
}

/// Appends a value; every value that is written passes here (Canonical XML, 2.3).
fn escape(into: &mut String, value: &str, place: Place) -> Result<(), Unwritable> {
    if !value.bytes().fold(false, |special, byte| special | is_special(byte)) {
        into.push_str(value);
        return Ok(());
    }
    for character in value.chars() {
        match (character, place) {
            ('&', _) => into.push_str("&amp;"),
            ('<', _) => into.push_str("&lt;"),
            ('\r', _) => into.push_str("&#xD;"),
            ('>', Place::Text) => into.push_str("&gt;"),
            ('"', Place::Attribute) => into.push_str("&quot;"),
            ('\t', Place::Attribute) => into.push_str("&#x9;"),
            ('\n', Place::Attribute) => into.push_str("&#xA;"),
            ('\t' | '\n', Place::Text) => into.push(character),
            ('\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}', _) => return Err(Unwritable::Character),
            (other, _) => into.push(other),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
