//! A whole conversation with a library system that says whatever it likes: prompts, login, status and one patron. The
//! input is what it says, cut into turns by `0xFF`; `0xFE` cuts one turn into pieces, and a turn that begins with `0xFD`
//! gets the number and the checksum that belong to it, so that what lies behind them is reached.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use vestibule::patron::fuzzing::{Library, Outcome, checksum_fits, decode};
use vestibule_fuzz::{NOON, libraries, sealed};

const CARD: &str = "29999000000017";

struct World {
    libraries: Vec<Library>,
    runtime: Runtime,
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    libraries: libraries(),
    runtime: Builder::new_current_thread().enable_io().build().expect("a runtime"),
});

fuzz_target!(|data: &[u8]| {
    let [which, said @ ..] = data else { return };
    let world = &*WORLD;
    let library = &world.libraries[usize::from(*which) % world.libraries.len()];
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    for socket in [&ours, &theirs] {
        socket.set_nonblocking(true).expect("a socket that does not block");
    }
    let (outcome, (heard, told)) = world.runtime.block_on(async {
        let ours = TcpStream::from_std(OwnedFd::from(ours).into()).expect("a socket in the runtime");
        tokio::join!(library.converse(ours, CARD, "4821", NOON), play(theirs, said))
    });
    judge(library, &outcome, &heard, &told);
});

/// What was heard, and what was said.
type Heard = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// Plays the library system: a turn, a while for the answer, the next turn. It never waits for good, so neither does the
/// connector.
async fn play(mut socket: UnixStream, said: &[u8]) -> Heard {
    let (mut heard, mut told) = (Vec::new(), Vec::new());
    for turn in said.split(|b| *b == 0xff) {
        let turn = mended(turn, heard.last().map_or(&[], Vec::as_slice));
        // Before it is written: once it has its answer, the connector may hang up on the rest of a turn.
        told.push(turn.clone());
        for piece in turn.split(|b| *b == 0xfe) {
            if socket.write_all(piece).is_err() {
                return (heard, told);
            }
            tokio::task::yield_now().await;
        }
        for _ in 0..4 {
            let mut message = vec![0; 4096];
            match socket.read(&mut message) {
                Ok(n) if n > 0 => {
                    message.truncate(n);
                    heard.push(message);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
                _ => return (heard, told),
            }
        }
    }
    (heard, told)
}

/// A turn as it is sent: after `0xFD` with the number of the question and a checksum.
fn mended(turn: &[u8], question: &[u8]) -> Vec<u8> {
    let Some(bare) = turn.strip_prefix(&[0xfd]) else { return turn.to_vec() };
    let whole: Vec<u8> = bare.iter().copied().filter(|b| *b != 0xfe).collect();
    let number = decode(question.trim_ascii_end()).and_then(|frame| frame.sequence);
    let mut bytes = sealed(&whole, number);
    bytes.push(b'\r');
    bytes
}

fn judge(library: &Library, outcome: &Outcome, heard: &[Vec<u8>], told: &[Vec<u8>]) {
    // Two questions may come in one piece, where an answer to the first was there already.
    let heard: Vec<&[u8]> =
        heard.iter().flat_map(|bytes| bytes.split(|b| matches!(b, b'\r' | b'\n'))).filter(|m| !m.is_empty()).collect();
    for body in heard.iter().copied() {
        assert!(!body.iter().any(u8::is_ascii_control), "a control byte was sent");
        if body.starts_with(b"63") || body.starts_with(b"23") {
            let frame = decode(body).expect("what we wrote");
            let cards: Vec<_> = frame.fields.iter().filter(|(name, _)| name == "AA").collect();
            assert!(cards.len() == 1 && cards[0].1 == CARD.as_bytes(), "another card was asked for");
        }
    }
    // Nobody is asked again and again: at most each message twice.
    assert!(heard.len() <= 12, "{} messages", heard.len());
    let Outcome::Found(id, _) = outcome else { return };
    assert!(!id.is_empty() && !id.chars().any(char::is_control));
    // One whole message among all that was said must carry the library's word.
    let said: Vec<u8> = told.iter().flatten().copied().filter(|b| *b != 0xfe).collect();
    let by_cr = said.split(|b| *b == b'\r');
    let by_any = said.split(|b| matches!(b, b'\r' | b'\n'));
    assert!(by_cr.chain(by_any).any(|message| admits(library, message)), "admitted without the library's word");
}

/// Whether a message, read in the plainest way, is the library's word that this patron may come in.
fn admits(library: &Library, message: &[u8]) -> bool {
    let start = message.iter().position(|b| !matches!(b, 0 | b' ' | b'\r' | b'\n')).unwrap_or(message.len());
    let message = &message[start..];
    let has = |text: &[u8]| message.windows(text.len()).any(|window| window == text);
    (message.starts_with(b"24") || message.starts_with(b"64"))
        && has(b"BLY")
        && (library.has_no_pins() || has(b"CQY"))
        && (library.accepts_other_id() || has(&[b"AA", CARD.as_bytes()].concat()))
        // Only an answer to a question that was repeated may go without a checksum; none may have a wrong one.
        && (!library.has_checksums() || checksum_fits(message) != Some(false))
}
