//! A library system that answers SIP2 at once and knows every card with any PIN: what is measured is the product, not
//! the stand-in.
use super::Outcome;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

/// Fixed fields of a status: online, everything allowed, version 2.00.
const STATUS: &str = "98YYYYNN60000320260101    0000002.00AOBENCH|BXYYYYYYYYYYYYYYYY|";

/// Listens on a free port for as long as this program runs; gives the port.
pub(crate) fn start() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is over either way.
            thread::spawn(move || converse(&stream).ok());
        }
    });
    Ok(port)
}

fn converse(stream: &TcpStream) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut line = Vec::new();
    while reader.read_until(b'\r', &mut line)? > 0 {
        let message = String::from_utf8_lossy(&line).trim().to_owned();
        line.clear();
        if message.is_empty() {
            continue;
        }
        writer.write_all(sealed(&reply(&message)?, &message)?.as_bytes())?;
    }
    Ok(())
}

fn reply(message: &str) -> Outcome<String> {
    match message.get(..2) {
        Some("93") => Ok("941".to_owned()),
        Some("99") => Ok(STATUS.to_owned()),
        Some("63") => {
            let card = field(message, "AA").unwrap_or_default();
            Ok(format!(
                "64{}00020260101    000000{}AOBENCH|AA{card}|AEReader, A|BLY|CQY|",
                " ".repeat(14),
                "0000".repeat(6)
            ))
        }
        _ => Err("expected login, status or patron information".into()),
    }
}

fn field<'m>(message: &'m str, tag: &str) -> Option<&'m str> {
    message.split('|').find_map(|part| part.strip_prefix(tag))
}

/// Adds the request's sequence number and the checksum, if it came with them.
fn sealed(reply: &str, message: &str) -> Outcome<String> {
    let mut text = reply.to_owned();
    // `AYnAZcccc` at the end.
    let tail = message.len().checked_sub(9).and_then(|at| message.get(at..)).unwrap_or_default();
    if let Some(rest) = tail.strip_prefix("AY") {
        write!(text, "AY{}AZ", rest.get(..1).unwrap_or("0"))?;
        let sum = text.bytes().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(byte)));
        write!(text, "{:04X}", sum.wrapping_neg())?;
    }
    text.push('\r');
    Ok(text)
}
