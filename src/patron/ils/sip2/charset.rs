//! Charsets: how text becomes bytes on the wire and comes back. Both ways are strict: a character that cannot be
//! written is not replaced, and bytes that cannot be read are not guessed, because two patrons must never share an id.
use zeroize::Zeroizing;

/// A charset of a library system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8.
    Utf8,
    /// Code page 850, SIP2's nominal charset.
    Cp850,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// Every charset, by its word in the configuration.
pub(super) const CHARSETS: [(&str, Charset); 4] =
    [("utf-8", Charset::Utf8), ("cp850", Charset::Cp850), ("latin-1", Charset::Latin1), ("ascii", Charset::Ascii)];

/// The upper half of code page 850.
const CP850: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û',
    'ù', 'ÿ', 'Ö', 'Ü', 'ø', '£', 'Ø', '×', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '®', '¬', '½', '¼', '¡',
    '«', '»', '░', '▒', '▓', '│', '┤', 'Á', 'Â', 'À', '©', '╣', '║', '╗', '╝', '¢', '¥', '┐', '└', '┴', '┬', '├', '─',
    '┼', 'ã', 'Ã', '╚', '╔', '╩', '╦', '╠', '═', '╬', '¤', 'ð', 'Ð', 'Ê', 'Ë', 'È', 'ı', 'Í', 'Î', 'Ï', '┘', '┌', '█',
    '▄', '¦', 'Ì', '▀', 'Ó', 'ß', 'Ô', 'Ò', 'õ', 'Õ', 'µ', 'þ', 'Þ', 'Ú', 'Û', 'Ù', 'ý', 'Ý', '¯', '´', '\u{ad}', '±',
    '‗', '¾', '¶', '§', '÷', '¸', '°', '¨', '·', '¹', '³', '²', '■', '\u{a0}',
];

impl Charset {
    /// Text as bytes; `None` when a character has none.
    pub(super) fn encode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        if self == Self::Utf8 {
            bytes.extend_from_slice(text.as_bytes());
            return Some(bytes);
        }
        for c in text.chars() {
            bytes.push(self.byte(c)?);
        }
        Some(bytes)
    }

    fn byte(self, c: char) -> Option<u8> {
        let byte = u8::try_from(u32::from(c)).ok();
        match self {
            _ if c.is_ascii() => byte,
            Self::Latin1 => byte,
            Self::Cp850 => {
                let place = CP850.iter().position(|known| *known == c)?;
                u8::try_from(place + 128).ok()
            }
            Self::Utf8 | Self::Ascii => None,
        }
    }

    /// Bytes as text; `None` when they are not text of this charset.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Zeroizing<String>> {
        if self == Self::Utf8 {
            return std::str::from_utf8(bytes).ok().map(|text| Zeroizing::new(text.to_owned()));
        }
        // At most three bytes of UTF-8 for each character: the buffer never moves.
        let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
        for byte in bytes {
            text.push(self.character(*byte)?);
        }
        Some(text)
    }

    fn character(self, byte: u8) -> Option<char> {
        match self {
            _ if byte.is_ascii() => Some(char::from(byte)),
            Self::Latin1 => Some(char::from(byte)),
            Self::Cp850 => CP850.get(usize::from(byte).checked_sub(128)?).copied(),
            Self::Utf8 | Self::Ascii => None,
        }
    }
}

/// Whether the checksum of a message fits its characters, though not its bytes. Koha does so where a SIP account has no
/// `encoding="utf8"` and a text holds a character beyond Latin-1 (measured against Koha 23.05).
pub(super) fn sums_characters(message: &[u8]) -> bool {
    let Some((body, digits)) = message.split_last_chunk::<4>() else { return false };
    let Some(sum) = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        return false;
    };
    let Ok(body) = std::str::from_utf8(body) else { return false };
    let summed = body.chars().fold(0_u32, |sum, c| sum.wrapping_sub(u32::from(c))) & 0xffff;
    !body.is_ascii() && body.ends_with("AZ") && summed == sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_charset_writes_its_own_bytes() {
        let bytes = |charset: Charset, text| charset.encode(text).map(|b| b.to_vec());
        assert_eq!(bytes(Charset::Utf8, "é€"), Some("é€".as_bytes().to_vec()));
        assert_eq!(bytes(Charset::Cp850, "é"), Some(vec![0x82]));
        assert_eq!(bytes(Charset::Latin1, "é"), Some(vec![0xe9]));
        assert_eq!(bytes(Charset::Ascii, "é"), None);
        assert_eq!(bytes(Charset::Cp850, "€"), None);
        assert_eq!(bytes(Charset::Latin1, "€"), None);
    }

    #[test]
    fn a_sum_of_characters_is_known() {
        let sealed = |text: &str, of: &dyn Fn(&str) -> u32| {
            let body = format!("64AE{text}|AY1AZ");
            format!("{body}{:04X}", of(&body).wrapping_neg() & 0xffff).into_bytes()
        };
        let characters = |text: &str| text.chars().map(u32::from).sum();
        let bytes = |text: &str| text.bytes().map(u32::from).sum();
        assert!(sums_characters(&sealed("Žofie €", &characters)));
        assert!(!sums_characters(&sealed("Žofie €", &bytes)));
        assert!(!sums_characters(&sealed("Sophie", &characters)), "with ASCII alone there is no difference");
        let mut noise = sealed("Žofie", &characters);
        noise[3] = b'X';
        assert!(!sums_characters(&noise));
        for odd in [&b""[..], b"AZ12", b"\xff\xffAZ0000", b"AZ\xc3\xbc12"] {
            assert!(!sums_characters(odd));
        }
    }

    #[test]
    fn bytes_outside_the_charset_are_not_guessed() {
        assert!(Charset::Utf8.decode(&[0x82]).is_none());
        assert!(Charset::Ascii.decode(&[0x82]).is_none());
    }

    proptest! {
        #[test]
        fn every_byte_string_of_one_byte_charsets_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for charset in [Charset::Cp850, Charset::Latin1] {
                let text = charset.decode(&bytes).unwrap();
                prop_assert_eq!(&*charset.encode(&text).unwrap(), &bytes);
            }
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for (_, charset) in CHARSETS {
                let _ = charset.decode(&bytes).is_some();
            }
        }
    }
}
