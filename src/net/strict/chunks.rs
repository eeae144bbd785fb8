//! A body in chunks (RFC 9112 §7.1), byte by byte: sizes, extensions, line ends and trailers.
use super::head::{is_text, is_token};

/// The most bytes of extensions in one body, and of trailers.
const ASIDE_BYTES: u16 = 8 * 1024;
/// The most hexadecimal digits in a size.
const DIGITS: u8 = 15;

/// Where in the body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a size of which so many digits came.
    Size(u8),
    /// After blanks behind a size: only an extension may follow.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the first byte of a trailer, or of the last line.
    Trailer,
    Name,
    Value,
    ValueLf,
    EndLf,
}

/// A body under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    at: At,
    left: u64,
    /// Bytes of extensions and trailers that may still come.
    aside: u16,
}

/// The body is no sequence of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { at: At::Size(0), left: 0, aside: ASIDE_BYTES }
    }

    /// Follows some bytes; gives how many belong to the body and whether it has ended.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if self.at == At::Data {
                let here = bytes.len() - used;
                let taken = usize::try_from(self.left).map_or(here, |left| left.min(here));
                self.left -= taken as u64;
                used += taken;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            used += 1;
            let ended = self.at == At::EndLf;
            self.at = self.next(byte).ok_or(Malformed)?;
            if ended {
                return Ok((used, true));
            }
        }
        Ok((used, false))
    }

    fn next(&mut self, byte: u8) -> Option<At> {
        Some(match (self.at, byte) {
            (At::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = (if digits == 0 { 0 } else { self.left << 4 }) | u64::from(digit);
                At::Size(digits + 1)
            }
            (At::Size(1..) | At::Extension, b'\r') => At::SizeLf,
            (At::Size(1..) | At::Blank, b';') => self.aside(At::Extension)?,
            (At::Size(1..) | At::Blank, b' ' | b'\t') => self.aside(At::Blank)?,
            (At::Extension, _) if is_text(byte) => self.aside(At::Extension)?,
            (At::SizeLf, b'\n') if self.left == 0 => At::Trailer,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf | At::EndLf, b'\n') => At::Size(0),
            (At::Trailer, b'\r') => At::EndLf,
            (At::Trailer | At::Name, _) if is_token(byte) => self.aside(At::Name)?,
            (At::Name, b':') => At::Value,
            (At::Value, b'\r') => At::ValueLf,
            (At::Value, _) if is_text(byte) => self.aside(At::Value)?,
            (At::ValueLf, b'\n') => At::Trailer,
            _ => return None,
        })
    }

    /// Goes on in an extension or a trailer, as long as those are not too long.
    fn aside(&mut self, to: At) -> Option<At> {
        self.aside = self.aside.checked_sub(1)?;
        Some(to)
    }
}
