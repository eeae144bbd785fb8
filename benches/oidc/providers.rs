//! A provider under measurement: where its endpoints are, and how patrons come to a session there.
use crate::Outcome;
use crate::flow::SECRET;
use crate::stage::browser::Browser;
use crate::stage::process::Server;
use crate::stage::site::{PORTAL, Site};

/// Signs a patron with this number in; gives the cookies of the session.
pub(crate) type SignIn = fn(&Provider, &mut Browser, u64) -> Outcome<String>;

/// A provider.
pub(crate) struct Provider {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    /// What it is, and how it is set.
    pub(crate) what: &'static str,
    /// Where it listens.
    pub(crate) port: u16,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// Paths of the authorization endpoint and the token endpoint.
    pub(crate) paths: (&'static str, &'static str),
    /// How patrons sign in.
    pub(crate) sign_in: SignIn,
    /// The process.
    pub(crate) server: Server,
}

impl Provider {
    /// `HOST:PORT`.
    pub(crate) fn authority(&self) -> String {
        format!("{PORTAL}:{}", self.port)
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// The cookies of sessions of so many patrons.
    pub(crate) fn sessions(&self, site: &Site, patrons: u64) -> Outcome<Vec<String>> {
        let tls = self.tls.then_some((&site.trust, PORTAL));
        let mut browser = Browser::connect(self.port, tls)?;
        (0..patrons).map(|number| (self.sign_in)(self, &mut browser, number)).collect()
    }
}

/// The secret of all clients, as `client_secret_basic` sends it.
pub(crate) fn basic(client: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}")))
}
