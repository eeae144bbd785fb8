//! The log: one line an event, JSON or text, to standard error. Only our own events come out, at whatever level; what
//! other crates write about headers and connections has nowhere to go. A full pipe never stalls the process.
use super::Telemetry;
use super::lines::TARGET;
use crate::domain::{Clock, SystemClock};
use prometheus::IntCounter;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, filter::filter_fn};

/// Lines that may wait for standard error before further ones are dropped.
const WAITING: usize = 16_384;
/// How long a stopping process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people; in colour on a terminal.
    Human,
}

/// Writes the lines that still wait when it is dropped. Keep it until the process ends.
#[must_use = "the last lines are written when the guard is dropped"]
pub struct LogGuard {
    pipe: Pipe,
    done: Receiver<()>,
}

/// Starts the process-wide log. `requests` is for [`Telemetry::log_requests`]; a reload may change it there. The
/// format stays until the process ends.
///
/// # Errors
/// When a log was started before, or the writer's thread cannot be.
pub fn start(format: LogFormat, requests: bool, telemetry: &Telemetry) -> io::Result<LogGuard> {
    let colours = io::stderr().is_terminal();
    let guard = open(io::stderr(), WAITING, telemetry.log_lines_dropped())?;
    let subscriber = subscriber(format, colours, guard.pipe.clone(), Arc::new(SystemClock));
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    telemetry.log_requests(requests);
    Ok(guard)
}

/// Whole seconds in UTC, as RFC 3339 writes them.
struct Stamp(Arc<dyn Clock>);

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", self.0.now())
    }
}

fn subscriber<W>(
    format: LogFormat,
    colours: bool,
    writer: W,
    clock: Arc<dyn Clock>,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Stamp(clock)).with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Human => layer.compact().with_ansi(colours).boxed(),
    };
    // The whole target, not a prefix, and events only: spans of other crates would carry fields into our lines.
    let ours = filter_fn(|metadata| metadata.target() == TARGET && metadata.is_event());
    Box::new(tracing_subscriber::registry().with(layer.with_filter(ours)))
}

enum Message {
    Line(Vec<u8>),
    Wake,
}

/// The way to the writer's thread.
#[derive(Clone)]
struct Pipe {
    lines: SyncSender<Message>,
    stopping: Arc<AtomicBool>,
    dropped: IntCounter,
}

impl Write for Pipe {
    /// Takes one whole line; the formatter writes each event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Pipe {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.pipe.stopping.store(true, Ordering::Release);
        // A full channel needs no waking: the thread looks at `stopping` after each batch.
        let (Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) =
            self.pipe.lines.try_send(Message::Wake);
        let (Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) =
            self.done.recv_timeout(LAST_LINES);
    }
}

fn open(sink: impl Write + Send + 'static, waiting: usize, dropped: IntCounter) -> io::Result<LogGuard> {
    let (lines, inlet) = sync_channel(waiting);
    let (tell, done) = sync_channel(1);
    let stopping = Arc::new(AtomicBool::new(false));
    let pipe = Pipe { lines, stopping: Arc::clone(&stopping), dropped: dropped.clone() };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        pump(&inlet, sink, &stopping, &dropped);
        // Nobody waits when the guard gave up.
        let (Ok(()) | Err(_)) = tell.send(());
    })?;
    Ok(LogGuard { pipe, done })
}

fn pump(inlet: &Receiver<Message>, sink: impl Write, stopping: &AtomicBool, dropped: &IntCounter) {
    let mut sink = BufWriter::with_capacity(64 * 1024, sink);
    while let Ok(first) = inlet.recv() {
        batch(inlet, Some(first), &mut sink, dropped);
        if stopping.load(Ordering::Acquire) {
            // Once more: lines may have come between the batch and the stop.
            batch(inlet, None, &mut sink, dropped);
            return;
        }
    }
}

/// Writes what waits, and counts it as dropped when standard error fails.
fn batch(inlet: &Receiver<Message>, first: Option<Message>, sink: &mut impl Write, dropped: &IntCounter) {
    let (mut lines, mut failed) = (0, false);
    for message in first.into_iter().chain(std::iter::from_fn(|| inlet.try_recv().ok())) {
        let Message::Line(line) = message else { continue };
        lines += 1;
        failed |= sink.write_all(&line).is_err();
    }
    if sink.flush().is_err() || failed {
        dropped.inc_by(lines);
    }
}

#[cfg(test)]
pub(super) mod capture {
    //! A log that a test reads.
    use super::{LogFormat, subscriber};
    use crate::domain::{ManualClock, Timestamp};
    use parking_lot::Mutex;
    use std::io::{self, Write};
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `run` logs, at the first second of 2026.
    pub(in crate::telemetry) fn log_of(format: LogFormat, run: impl FnOnce()) -> String {
        let kept = Kept::default();
        let sink = kept.clone();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_767_225_600)));
        tracing::subscriber::with_default(subscriber(format, false, move || sink.clone(), clock), run);
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).expect("a log is UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Event, lines};
    use capture::log_of;
    use std::sync::mpsc::Sender;

    fn drops() -> IntCounter {
        IntCounter::new("dropped", "in a test").expect("a sound counter")
    }

    /// Takes nothing until it is let, then tells each byte.
    struct Stuck {
        gate: Receiver<()>,
        out: Sender<Vec<u8>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The gate stays open once its other end is gone.
            let (Ok(()) | Err(_)) = self.gate.recv();
            self.out.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_sink_drops_lines_and_counts_them_instead_of_stalling() {
        let (open_gate, gate) = std::sync::mpsc::channel();
        let (out, written) = std::sync::mpsc::channel();
        let dropped = drops();
        let guard = open(Stuck { gate, out }, 100, dropped.clone()).expect("a thread");
        let mut pipe = guard.pipe.clone();
        let line = [b'x'; 1024];
        for _ in 0..5_000 {
            pipe.write_all(&line).expect("never fails");
        }
        assert!(dropped.get() > 4_000, "only {} of 5,000 dropped", dropped.get());
        drop(open_gate);
        drop(guard);
        let bytes: usize = written.iter().map(|bytes| bytes.len()).sum();
        assert_eq!(bytes as u64 / 1024 + dropped.get(), 5_000, "a line is neither written nor counted");
    }

    #[test]
    fn the_guard_writes_what_waits() {
        let (open_gate, gate) = std::sync::mpsc::channel();
        let (out, written) = std::sync::mpsc::channel();
        drop(open_gate);
        let dropped = drops();
        let guard = open(Stuck { gate, out }, WAITING, dropped.clone()).expect("a thread");
        let mut pipe = guard.pipe.clone();
        for n in 0..10_000 {
            pipe.write_all(format!("{n}\n").as_bytes()).expect("never fails");
        }
        drop(guard);
        let text = String::from_utf8(written.iter().flatten().collect()).expect("digits");
        assert_eq!((text.lines().count(), text.lines().last(), dropped.get()), (10_000, Some("9999"), 0));
    }

    #[test]
    fn a_broken_sink_counts_its_lines() {
        let (open_gate, gate) = std::sync::mpsc::channel();
        let (out, written) = std::sync::mpsc::channel();
        drop((open_gate, written));
        let dropped = drops();
        let guard = open(Stuck { gate, out }, 10, dropped.clone()).expect("a thread");
        guard.pipe.clone().write_all(b"line\n").expect("never fails");
        drop(guard);
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn nothing_but_our_events_comes_out() {
        for format in [LogFormat::Json, LogFormat::Human] {
            let log = log_of(format, || {
                tracing::event!(target: "hyper::proto", tracing::Level::ERROR, "canary");
                tracing::event!(target: "vestibule::web", tracing::Level::ERROR, "canary");
                tracing::event!(target: "vestibules", tracing::Level::ERROR, "canary");
                let span = tracing::error_span!(target: "vestibule", "canary", card = "canary");
                let _inside = span.enter();
                lines::write(&Event::Handshake { cause: "no certificate for the name" });
            });
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(!log.contains("canary"), "{log}");
        }
    }

    #[test]
    fn control_characters_stay_inside_their_field() {
        let nasty = "a\nb\r\u{1b}[31mc\u{7f}\u{9b}\u{202e}\"}";
        for event in [
            Event::Life { phase: "ready", detail: nasty },
            Event::ReloadRefused { problem: nasty },
            Event::Template { name: nasty, problem: nasty },
        ] {
            let json = log_of(LogFormat::Json, || lines::write(&event));
            let human = log_of(LogFormat::Human, || lines::write(&event));
            for log in [&json, &human] {
                assert_eq!(log.matches('\n').count(), 1, "{log:?}");
                assert!(!log.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{log:?}");
            }
            let line: serde_json::Value = serde_json::from_str(&json).expect("one object");
            let expected = "a\u{fffd}b\u{fffd}\u{fffd}[31mc\u{fffd}\u{fffd}\u{fffd}\"}";
            assert!(line.as_object().expect("one object").values().any(|value| value == expected), "{line}");
        }
    }

    #[test]
    fn lines_for_people_begin_with_the_time() {
        let log = log_of(LogFormat::Human, || lines::write(&Event::Life { phase: "ready", detail: "127.0.0.1:443" }));
        assert_eq!(log, "2026-01-01T00:00:00Z  INFO process phase=\"ready\" detail=\"127.0.0.1:443\"\n");
    }

    #[test]
    fn the_log_starts_once() {
        let telemetry = Telemetry::new();
        let first = start(LogFormat::Json, false, &telemetry);
        assert!(start(LogFormat::Json, false, &telemetry).is_err(), "a second log started");
        drop(first);
    }
}
