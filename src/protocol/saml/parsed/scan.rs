//! One pass over the bytes before the parser sees them. It counts what the parser pays for by the square, and refuses markup
//! that no document of ours needs. It has no stack but one number for each open element, of which there are few.
use super::{Bounds, Malformed};
use memchr::{memchr, memchr2, memchr3, memmem};

/// Where the pass is.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    bounds: Bounds,
    elements: usize,
    /// Declarations of prefixes of each open element.
    open: Vec<usize>,
    prefixes: usize,
}

/// The text, if it is within its bounds.
pub(super) fn scan(bytes: &[u8], bounds: Bounds) -> Result<&str, Malformed> {
    if bytes.len() > bounds.bytes {
        return Err(Malformed::Size);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Encoding)?;
    if bytes.starts_with(b"\xef\xbb\xbf") || memchr(0, bytes).is_some() {
        return Err(Malformed::Encoding);
    }
    let at = declaration(text)?;
    let mut scan = Scan { text: bytes, at, bounds, elements: 0, open: Vec::new(), prefixes: 0 };
    while scan.skip_text() {
        scan.markup()?;
    }
    Ok(text)
}

/// The length of the XML declaration, if there is one, which names no encoding but UTF-8.
fn declaration(text: &str) -> Result<usize, Malformed> {
    let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n'])) else {
        return Ok(0);
    };
    let (inner, _) = rest.split_once("?>").ok_or(Malformed::Syntax)?;
    if inner.contains(['<', '>', '&']) {
        return Err(Malformed::Syntax);
    }
    if let Some((_, encoding)) = inner.split_once("encoding") {
        let value = encoding.trim_start_matches([' ', '\t', '\r', '\n', '=']);
        let value = value.get(1..).and_then(|value| value.split(['"', '\'']).next()).ok_or(Malformed::Syntax)?;
        if !value.eq_ignore_ascii_case("utf-8") {
            return Err(Malformed::Encoding);
        }
    }
    Ok("<?xml".len() + inner.len() + "?>".len())
}

impl Scan<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// To the next `<`, if there is one.
    fn skip_text(&mut self) -> bool {
        let found = memchr(b'<', self.rest());
        self.at += found.unwrap_or_default();
        found.is_some()
    }

    fn markup(&mut self) -> Result<(), Malformed> {
        match self.rest().get(1) {
            Some(b'!') => self.comment(),
            Some(b'?') => Err(Malformed::Markup),
            Some(b'/') => self.end_tag(),
            Some(_) => self.start_tag(),
            None => Err(Malformed::Syntax),
        }
    }

    fn comment(&mut self) -> Result<(), Malformed> {
        if !self.bounds.comments || !self.rest().starts_with(b"<!--") {
            return Err(Malformed::Markup);
        }
        self.at += "<!--".len();
        self.at += memmem::find(self.rest(), b"-->").ok_or(Malformed::Syntax)? + "-->".len();
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Malformed> {
        self.prefixes -= self.open.pop().ok_or(Malformed::Syntax)?;
        self.at += memchr(b'>', self.rest()).ok_or(Malformed::Syntax)? + 1;
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), Malformed> {
        self.elements += 1;
        if self.elements > self.bounds.elements {
            return Err(Malformed::Elements);
        }
        if self.open.len() >= self.bounds.depth {
            return Err(Malformed::Depth);
        }
        self.at += 1;
        let (mut attributes, mut declared) = (0, 0);
        loop {
            // To the end of the tag, or to the end of an attribute's name.
            let found = memchr3(b'>', b'=', b'<', self.rest()).ok_or(Malformed::Syntax)?;
            let before = self.rest().get(..found).unwrap_or_default();
            let is_declaration = name(before).starts_with(b"xmlns");
            let is_empty = before.last() == Some(&b'/');
            let end = self.rest().get(found).copied();
            self.at += found + 1;
            match end {
                Some(b'=') => {
                    attributes += 1;
                    declared += usize::from(is_declaration);
                    self.value()?;
                }
                Some(b'>') => {
                    self.open(declared, is_empty);
                    return Ok(());
                }
                _ => return Err(Malformed::Syntax),
            }
            if attributes > self.bounds.attributes {
                return Err(Malformed::Attributes);
            }
            if self.prefixes + declared > self.bounds.prefixes {
                return Err(Malformed::Prefixes);
            }
        }
    }

    /// An attribute's value, in whose quotes `<` may not be (XML 1.0 §3.1).
    fn value(&mut self) -> Result<(), Malformed> {
        let spaces = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += spaces;
        let quote =
            self.rest().first().copied().filter(|byte| matches!(byte, b'"' | b'\'')).ok_or(Malformed::Syntax)?;
        self.at += 1;
        let end = memchr2(quote, b'<', self.rest()).ok_or(Malformed::Syntax)?;
        if self.rest().get(end) != Some(&quote) {
            return Err(Malformed::Syntax);
        }
        self.at += end + 1;
        Ok(())
    }

    fn open(&mut self, declared: usize, is_empty: bool) {
        if !is_empty {
            self.open.push(declared);
            self.prefixes += declared;
        }
    }
}

/// The last word before `=`.
fn name(before: &[u8]) -> &[u8] {
    let before = before.trim_ascii_end();
    let start = before.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
    before.get(start..).unwrap_or_default()
}
