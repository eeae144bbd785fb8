//! SIP2: the connector to library systems that speak the Standard Interchange Protocol over TCP or TLS.
//!
//! A look-up encodes the credentials, or refuses to; asks the circuit breaker; takes a connection from the pool or opens
//! one; sends 23 or 63; accepts the reply only if nothing about it is odd; and keeps a handful of coarse facts of it.
use super::{Ils, IlsError, IlsHealth, Step, Surroundings};
use crate::domain::settings::Reader;
use crate::patron::Credentials;
use crate::patron::record::Word;
use crate::telemetry::Event;
use breaker::{Breaker, Change};
use conversation::{Conversation, Trouble};
use futures_util::future::BoxFuture;
use pool::Pool;
use question::Question;
use settings::Settings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod breaker;
mod charset;
mod conversation;
#[cfg(fuzzing)]
pub mod fuzzing;
mod message;
mod pool;
mod preset;
mod probe;
mod question;
mod reply;
mod settings;
mod transport;

#[cfg(test)]
mod given;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_probe;
#[cfg(test)]
mod tests_tls;
#[cfg(test)]
mod vectors;

/// Builds the connector of an `[[ils]]` table; opens no connection.
pub(super) fn build(reader: &Reader<'_>, surroundings: Surroundings) -> Option<Box<dyn Ils>> {
    Some(Box::new(Sip2::new(settings::read(reader)?, surroundings)))
}

/// One library system.
struct Sip2 {
    settings: Settings,
    surroundings: Surroundings,
    breaker: Breaker,
    pool: Arc<Pool>,
}

impl Sip2 {
    fn new(settings: Settings, surroundings: Surroundings) -> Self {
        let pool = Arc::new(Pool::new(settings.connections, settings.idle));
        Self { settings, surroundings, breaker: Breaker::default(), pool }
    }

    async fn find(&self, given: &Credentials) -> Word {
        let question = match Question::new(&self.settings, given, self.surroundings.clock.now()) {
            Ok(question) => question,
            Err(why) => return Word::unasked(why),
        };
        let started = Instant::now();
        let Ok(pass) = self.breaker.admit(started) else {
            return Word::unasked(IlsError::Unavailable("the ILS has failed and is left alone for some seconds"));
        };
        let in_turn = AtomicBool::new(false);
        let answer =
            tokio::time::timeout(pass.patience(self.settings.deadline), self.converse(&question, &in_turn)).await;
        let (change, answer) = match answer {
            Ok(Ok(word)) => (pass.succeeded(Instant::now()), word),
            // A patron whose name the library system cannot send well must not close the door to all others.
            Ok(Err(trouble)) if trouble.is_of_one_reply() => {
                (pass.succeeded(Instant::now()), Word::none(trouble.error()))
            }
            Ok(Err(trouble)) => (pass.failed(Instant::now()), Word::none(trouble.error())),
            Err(_) if !in_turn.load(Ordering::Relaxed) && self.breaker.answered_since(started) => {
                // Others had answers meanwhile: there are more patrons than connections, and the ILS is well.
                drop(pass);
                (Change::None, Word::unasked(IlsError::Unavailable("no connection to the ILS became free in time")))
            }
            Err(_) => {
                (pass.failed(Instant::now()), Word::none(IlsError::Unavailable("the ILS did not answer in time")))
            }
        };
        self.tell(change);
        answer
    }

    fn tell(&self, change: Change) {
        let open = match change {
            Change::None => return,
            Change::Opened => true,
            Change::Closed => false,
        };
        if open {
            // What waits was opened before the trouble; whoever asks next shall find out on a new connection.
            self.pool.clear();
        }
        self.surroundings.telemetry.emit(&Event::IlsBreaker { ils: &self.surroundings.id, open });
    }

    /// Asks on a connection of the pool or a new one. Repeats at most once, on a new connection: where the old one
    /// ended before a byte of the reply, or the reply was garbled.
    async fn converse(&self, question: &Question, in_turn: &AtomicBool) -> Result<Word, Trouble> {
        let Some(_permit) = self.pool.permit().await else {
            return Err(Trouble::unavailable("the ILS failed while others were asking it"));
        };
        in_turn.store(true, Ordering::Relaxed);
        let today = self.surroundings.clock.now().date();
        let mut repeated = false;
        loop {
            let pooled = if repeated { None } else { self.pool.take() };
            let old = pooled.is_some();
            let mut conversation = match pooled {
                Some(conversation) => conversation,
                None => match Conversation::open(&self.settings).await {
                    Err(Trouble::BadChecksum) if !repeated => {
                        repeated = true;
                        continue;
                    }
                    opened => opened?,
                },
            };
            let asked = Instant::now();
            match conversation.ask(&self.settings, question, today).await {
                Ok(word) => {
                    let took = asked.elapsed();
                    self.surroundings.telemetry.emit(&Event::IlsAnswer { ils: &self.surroundings.id, took });
                    self.keep(conversation);
                    return Ok(word);
                }
                Err(Trouble::Stale) if old => {}
                Err(Trouble::Closed) if old => repeated = true,
                Err(Trouble::BadChecksum) if !repeated => repeated = true,
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn keep(&self, conversation: Conversation) {
        // With neither number nor card to bind an answer to its question, only a new connection does.
        if self.settings.checksums || !self.settings.accept_other_id {
            self.pool.put(conversation);
        }
    }
}

impl Ils for Sip2 {
    fn look_up<'a>(&'a self, given: &'a Credentials) -> BoxFuture<'a, Word> {
        Box::pin(self.find(given))
    }

    fn probe<'a>(
        &'a self,
        given: Option<&'a Credentials>,
        tell: &'a mut (dyn FnMut(Step) + Send),
    ) -> BoxFuture<'a, ()> {
        Box::pin(probe::run(&self.settings, &self.surroundings, given, tell))
    }

    fn health(&self) -> IlsHealth {
        self.breaker
            .retry_after(Instant::now())
            .map_or(IlsHealth::Answering, |wait| IlsHealth::Down { retry_after: wait.max(Duration::from_secs(1)) })
    }
}
