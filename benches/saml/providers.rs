//! A provider under measurement: its processes, where it is asked, and how patrons come to a session there.
use crate::exchange::{Patron, Signatures};
use crate::stage::Outcome;
use crate::stage::browser::Browser;
use crate::stage::process::Server;
use crate::stage::site::{PORTAL, Site};
use crate::stage::vestibule::sign_in;
use http::header::SET_COOKIE;
use http::response::Parts;
use tokio::runtime::Runtime;

/// How patrons come to a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// By the form of the product.
    Form,
    /// Whoever asks for the first time gets one.
    AtOnce,
}

/// A provider.
pub(crate) struct Provider {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    /// What it is, and how it is set.
    pub(crate) what: &'static str,
    /// Where it listens, with TLS.
    pub(crate) port: u16,
    /// The path of its sign-on service.
    pub(crate) path: &'static str,
    /// How patrons sign in.
    pub(crate) sign_in: SignIn,
    /// How many times its exchanges are to be ours, if there is a goal.
    pub(crate) goal: Option<f64>,
    /// Its processes.
    pub(crate) servers: Vec<Server>,
}

impl Provider {
    /// `https://HOST:PORT`.
    pub(crate) fn base(&self) -> String {
        base(self.port)
    }

    /// Seconds of processor time that its processes used.
    pub(crate) fn cpu(&self) -> f64 {
        self.servers.iter().map(Server::cpu).sum()
    }

    /// The most memory that they had, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.servers.iter().map(Server::peak).sum()
    }

    /// The memory that they have now, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.servers.iter().map(Server::resident).sum()
    }

    /// Patrons with sessions.
    pub(crate) fn patrons(&self, site: &Site, runtime: &Runtime, count: u64) -> Outcome<Vec<Patron>> {
        (0..count)
            .map(|number| {
                let session = self.session(site, runtime, number)?;
                runtime.block_on(Patron::open(site, self, Some(&session)))
            })
            .collect()
    }

    /// The cookies of a session.
    fn session(&self, site: &Site, runtime: &Runtime, number: u64) -> Outcome<String> {
        if self.sign_in == SignIn::Form {
            let mut browser = Browser::connect(self.port, Some((&site.trust, PORTAL)))?;
            return Ok(format!("__Host-vestibule={}", sign_in(&mut browser, self.port, number)?));
        }
        let (fields, _) = runtime.block_on(async {
            let mut stranger = Patron::open(site, self, None).await?;
            stranger.ask(Signatures::Two).await
        })?;
        let cookies = fields.get_all(SET_COOKIE).iter().filter_map(|field| field.to_str().ok()?.split(';').next());
        Ok(cookies.collect::<Vec<_>>().join("; "))
    }
}

/// `https://HOST:PORT` of a provider.
pub(crate) fn base(port: u16) -> String {
    format!("https://{PORTAL}:{port}")
}

/// An answer that is not as expected.
pub(crate) fn odd(expected: &str, head: &Parts, page: &str) -> String {
    format!("expected {expected}, found an answer {}: {page}", head.status)
}
