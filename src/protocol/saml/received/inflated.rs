//! The raw DEFLATE of the Redirect binding (RFC 1951), which may not grow beyond its bound nor leave anything behind.
use super::super::parsed::Malformed;
use flate2::{Decompress, FlushDecompress, Status};

/// The text of a stream, of at most `most` bytes. No more than that is ever produced.
pub(super) fn inflated(deflated: &[u8], most: usize) -> Result<Vec<u8>, Malformed> {
    // A stream that holds no more than it takes needs little room; one that is a bomb gets no more than the bound.
    let mut text = Vec::with_capacity(most.min(deflated.len().saturating_mul(8).max(1024)));
    let mut stream = Decompress::new(false);
    loop {
        let read = usize::try_from(stream.total_in()).map_err(|_| Malformed::Size)?;
        let rest = deflated.get(read..).unwrap_or_default();
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress_vec(rest, &mut text, FlushDecompress::Finish).map_err(|_| Malformed::Coding)?;
        match status {
            Status::StreamEnd if text.len() > most => return Err(Malformed::Size),
            Status::StreamEnd if stream.total_in() == deflated.len() as u64 => return Ok(text),
            Status::StreamEnd => return Err(Malformed::Coding),
            Status::Ok | Status::BufError if text.len() == text.capacity() => {
                if text.len() >= most {
                    return Err(Malformed::Size);
                }
                text.reserve_exact((most - text.len()).min(text.len()));
            }
            Status::Ok | Status::BufError if before == (stream.total_in(), stream.total_out()) => {
                return Err(Malformed::Coding);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}
