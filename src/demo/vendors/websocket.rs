//! A WebSocket that says back what it hears (RFC 6455), frame by frame.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame that is echoed.
const LONGEST: u64 = 1024 * 1024;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The answer to a client's `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub(super) fn accept_key(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(digest.as_ref())
}

/// Echoes frames until the other side closes, or breaks the rules.
pub(super) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    loop {
        let head = stream.read_u8().await?;
        let Some(payload) = read_payload(&mut stream).await? else {
            // 1002: protocol error.
            write_frame(&mut stream, 0x80 | CLOSE, &1002_u16.to_be_bytes()).await?;
            return stream.shutdown().await;
        };
        let answer = if head & 0x0f == PING { 0x80 | PONG } else { head };
        if head & 0x0f != PONG {
            write_frame(&mut stream, answer, &payload).await?;
        }
        if head & 0x0f == CLOSE {
            return stream.shutdown().await;
        }
    }
}

/// The unmasked payload; `None` when it is not masked or too long.
async fn read_payload<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    let second = stream.read_u8().await?;
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    if second & 0x80 == 0 || length > LONGEST {
        return Ok(None);
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await?;
    let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut payload).await?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(Some(payload))
}

async fn write_frame<S: AsyncWrite + Unpin>(stream: &mut S, head: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![head];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..126), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![head, 0x80 | u8::try_from(payload.len()).unwrap()];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        frame
    }

    async fn heard(said: &[u8]) -> Vec<u8> {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(echo(far));
        near.write_all(said).await.unwrap();
        near.shutdown().await.unwrap();
        let mut all = Vec::new();
        near.read_to_end(&mut all).await.unwrap();
        let _ = server.await.unwrap();
        all
    }

    #[test]
    fn the_key_of_the_standard_s_example() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn text_ping_and_close_are_answered() {
        let said = [masked(0x81, b"hello"), masked(0x89, b"p"), masked(0x88, &[3, 232])].concat();
        assert_eq!(heard(&said).await, [b"\x81\x05hello".as_slice(), b"\x8a\x01p", b"\x88\x02\x03\xe8"].concat());
    }

    #[tokio::test]
    async fn a_frame_without_a_mask_ends_it() {
        assert_eq!(heard(b"\x81\x02hi").await, b"\x88\x02\x03\xea");
    }
}
