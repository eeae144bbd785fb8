//! Forms: `application/x-www-form-urlencoded` bodies, read into memory that is wiped. The frames that the connection
//! hands over are wiped where nobody else holds them.
use super::problem::ProblemPage;
use super::query::hex_pair;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use zeroize::{Zeroize, Zeroizing};

/// The longest body of a form, in bytes.
pub(super) const LONGEST: usize = 12 * 1024;

/// A form's body. Wiped when dropped; it has no `Debug` or `Clone`.
pub(super) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ProblemPage::TooLarge`] beyond [`LONGEST`], [`ProblemPage::BadRequest`] when it breaks off.
    pub(super) async fn read(mut body: Body) -> Result<Self, ProblemPage> {
        // All the room at once: a growing vector would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| ProblemPage::BadRequest)?.into_data() else { continue };
            let fits = data.len() <= LONGEST - bytes.len();
            if fits {
                bytes.extend_from_slice(&data);
            }
            wipe(data);
            if !fits {
                return Err(ProblemPage::TooLarge);
            }
        }
        Ok(Self(bytes))
    }

    /// The value of a field; empty when it is not there.
    ///
    /// # Errors
    /// [`ProblemPage::BadRequest`] when it is there twice, badly escaped or not UTF-8.
    pub(super) fn field(&self, name: &str) -> Result<Zeroizing<String>, ProblemPage> {
        let mut found = None;
        for part in self.0.split(|b| *b == b'&') {
            let Some(value) = part.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
                continue;
            };
            if found.replace(value).is_some() {
                return Err(ProblemPage::BadRequest);
            }
        }
        found.map_or_else(|| Ok(Zeroizing::new(String::new())), |value| decode(value).ok_or(ProblemPage::BadRequest))
    }
}

fn wipe(data: Bytes) {
    if let Ok(mut data) = data.try_into_mut() {
        data.as_mut().zeroize();
    }
}

/// Decodes one value (WHATWG URL, "application/x-www-form-urlencoded parsing"), but refuses what is malformed.
fn decode(value: &[u8]) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (pair, after) = rest.split_first_chunk::<2>()?;
                bytes.push(hex_pair(*pair)?);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    // The buffer moves into the string; what is not UTF-8 is wiped on the way out.
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(text: &str) -> Form {
        Form(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn fields_are_decoded() {
        let form = form("a=1%202+3&b=%C3%A9%26%3D&c=&card=x&cards=y");
        let value = |name| form.field(name).map(|v| v.to_string());
        assert_eq!(value("a").unwrap(), "1 2 3");
        assert_eq!(value("b").unwrap(), "é&=");
        assert_eq!(value("c").unwrap(), "");
        assert_eq!(value("card").unwrap(), "x");
        assert_eq!(value("d").unwrap(), "");
    }

    #[test]
    fn a_malformed_field_is_refused() {
        for bad in ["a=%", "a=%2", "a=%zz", "a=%ff", "a=1&a=1", "a=%+1"] {
            assert_eq!(form(bad).field("a").err(), Some(ProblemPage::BadRequest), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_has_an_end() {
        assert!(Form::read(Body::from(vec![b'a'; LONGEST])).await.is_ok());
        assert_eq!(Form::read(Body::from(vec![b'a'; LONGEST + 1])).await.err(), Some(ProblemPage::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form(Zeroizing::new(bytes)).field("card");
        }
    }
}
