//! The service provider itself: it begins a sign-in, finishes it when the response comes, and ends it when told to.
use super::super::claims::Claims;
use super::super::record::Traffic;
use super::desk::{Desk, Pending, Reader};
use super::identity_provider::{IdentityProvider, Metadata};
use super::key::OwnKey;
use super::names::{SAML, SAMLP, SUCCESS};
use super::response::{Assertion, NameId, Response, Rules, time};
use super::tree::Tree;
use super::written::{Description, Envelope};
use super::{Agreement, Trouble, fresh_id, now, query, time_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What a sign-in is to be like.
pub(super) struct Wish {
    /// The browser that asks.
    pub(super) browser: String,
    /// The page to show afterwards.
    pub(super) target: String,
    /// Whether the reader is to sign in even when signed in at the portal.
    pub(super) force: bool,
}

/// How the browser carries a message to the portal.
pub(super) enum Errand {
    /// In the address.
    Address(String),
    /// As a form.
    Form { action: String, message: String, relay_state: String },
}

/// A sign-in that has come to its end.
pub(super) struct Arrival {
    /// The name of the reader's session here.
    pub(super) session: String,
    /// The page to show.
    pub(super) target: String,
}

/// A vendor's side of SAML.
pub(in super::super) struct ServiceProvider {
    id: String,
    name: String,
    agreement: Agreement,
    origin: String,
    provider: IdentityProvider,
    desk: Mutex<Desk>,
}

impl ServiceProvider {
    /// For the vendor at `origin`, which keeps what it receives in `traffic`.
    pub(in super::super) fn new(
        (id, name): (&str, &str),
        agreement: Agreement,
        origin: &str,
        traffic: Arc<Traffic>,
    ) -> Self {
        let provider = IdentityProvider::new(agreement.portal.clone(), traffic, agreement.pause);
        let (id, name, origin) = (id.to_owned(), name.to_owned(), origin.to_owned());
        Self { id, name, agreement, origin, provider, desk: Mutex::default() }
    }

    /// The cookie that holds the name of a reader's session.
    pub(super) fn session_cookie(&self) -> String {
        format!("__Host-{}", self.id)
    }

    /// The cookie that ties a sign-in to the browser that began it.
    pub(super) fn browser_cookie(&self) -> String {
        format!("__Host-{}-browser", self.id)
    }

    /// The identity provider's name.
    pub(super) fn issuer(&self) -> String {
        self.provider.entity_id()
    }

    /// Who is signed in under this name.
    pub(super) fn reader(&self, session: &str) -> Option<Reader> {
        self.desk.lock().readers.get(session).cloned()
    }

    /// Its own name.
    fn entity_id(&self) -> String {
        format!("{}/saml/metadata", self.origin)
    }

    fn consumer(&self) -> String {
        format!("{}/saml/acs", self.origin)
    }

    fn logout_place(&self) -> String {
        format!("{}/saml/slo", self.origin)
    }

    fn signing(&self) -> Option<&OwnKey> {
        self.agreement.keys.as_ref().map(|keys| &keys.signing)
    }

    /// Its metadata.
    pub(in super::super) fn metadata(&self) -> String {
        let (entity_id, consumer, logout) = (self.entity_id(), self.consumer(), self.logout_place());
        let description = Description {
            entity_id: &entity_id,
            name: &self.name,
            consumer: &consumer,
            logout: self.agreement.logout.then_some(&*logout),
            keys: self.agreement.keys.as_ref(),
        };
        description.text()
    }

    /// What the browser is to carry to the portal, where a sign-in begins.
    pub(super) async fn begin(&self, wish: Wish) -> Result<Errand, Trouble> {
        let metadata = self.provider.metadata().await?;
        let (id, relay_state, issued, own) = (fresh_id()?, fresh_id()?, time_text(now()), self.entity_id());
        let destination = if self.agreement.form_post { &metadata.post } else { &metadata.redirect };
        let envelope = Envelope { id: &id, issued: &issued, destination, issuer: &own };
        let message = envelope.authn_request(&self.consumer(), wish.force);
        let errand = if self.agreement.form_post {
            let message = STANDARD.encode(message);
            Errand::Form { action: destination.clone(), message, relay_state: relay_state.clone() }
        } else {
            let message = ("SAMLRequest", &*message);
            Errand::Address(query::address(destination, message, Some(&relay_state), self.signing())?)
        };
        self.desk.lock().pending.put(id, Pending { browser: wish.browser, relay_state, target: wish.target });
        Ok(errand)
    }

    /// What the response to a sign-in leads to. `fields` came with it, and `came` is all of it.
    pub(super) async fn finish(
        &self,
        browser: Option<&str>,
        fields: &HashMap<String, String>,
        came: Vec<u8>,
    ) -> Result<Arrival, Trouble> {
        let no = |why| Err(Trouble::Unbelievable(why));
        let bytes = fields.get("SAMLResponse").and_then(|field| STANDARD.decode(field).ok());
        let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return no("the form holds no response");
        };
        let response = self.read(&text).await?;
        let mut desk = self.desk.lock();
        if desk.used.get(&response.id).is_some() {
            return no("the response came before");
        }
        desk.used.put(response.id, ());
        let Some(pending) = desk.pending.take(&response.in_response_to) else {
            return no("no sign-in of that ID is under way");
        };
        if browser != Some(&pending.browser) {
            return no("the sign-in was begun in another browser");
        }
        if fields.get("RelayState") != Some(&pending.relay_state) {
            return no("what went along did not come back");
        }
        let Assertion { id, name, session_index, told, known, text } = response.outcome.map_err(Trouble::Refused)?;
        if desk.used.get(&id).is_some() {
            return no("the assertion came before");
        }
        desk.used.put(id, ());
        let (told, known) = (Claims::new(told), Claims::new(known));
        let session = fresh_id()?;
        desk.readers.put(session.clone(), Reader { name, session_index, told, known, came, assertion: text });
        Ok(Arrival { session, target: pending.target })
    }

    /// Reads a response; with the newest keys, if those that are known do not fit.
    async fn read(&self, text: &str) -> Result<Response, Trouble> {
        let (entity_id, consumer) = (self.entity_id(), self.consumer());
        let key = self.agreement.keys.as_ref().map(|keys| &keys.encryption);
        let rules = |provider| Rules { provider, entity_id: &entity_id, consumer: &consumer, key, now: now() };
        let metadata = self.provider.metadata().await?;
        if let Ok(response) = rules(&metadata).read(text) {
            return Ok(response);
        }
        let newest = self.provider.newest().await?;
        rules(&newest).read(text).map_err(Trouble::Unbelievable)
    }

    /// Ends a session here; the address at the portal where it is to be ended as well.
    pub(super) async fn leave(&self, session: &str) -> Result<Option<String>, Trouble> {
        let Some(reader) = self.desk.lock().readers.take(session) else { return Ok(None) };
        if !self.agreement.logout {
            return Ok(None);
        }
        let metadata = self.provider.metadata().await?;
        let [destination, _] = &metadata.logout;
        let (id, issued, own) = (fresh_id()?, time_text(now()), self.entity_id());
        let envelope = Envelope { id: &id, issued: &issued, destination, issuer: &own };
        let message = envelope.logout_request(&reader.name, &reader.session_index);
        let address = query::address(destination, ("SAMLRequest", &message), None, self.signing())?;
        self.desk.lock().leaving.put(id, ());
        Ok(Some(address))
    }

    /// Forgets a session here.
    pub(super) fn forget(&self, session: &str) {
        self.desk.lock().readers.take(session);
    }

    /// The portal says that somebody leaves: ends their sessions here; the address at the portal for the answer.
    pub(super) async fn end(&self, raw: &str, relay_state: Option<&str>) -> Result<String, Trouble> {
        let metadata = self.provider.metadata().await?;
        let message = self.hear(raw, "SAMLRequest", &metadata)?;
        let told = self.logout_request(&message, &metadata).map_err(Trouble::Unbelievable)?;
        let mut desk = self.desk.lock();
        if desk.used.get(&told.id).is_some() {
            return Err(Trouble::Unbelievable("the message came before"));
        }
        desk.used.put(told.id.clone(), ());
        let meant = |reader: &Reader| {
            reader.name == told.name && (told.sessions.is_empty() || told.sessions.contains(&reader.session_index))
        };
        desk.readers.retain(|reader| !meant(reader));
        drop(desk);
        let [_, destination] = &metadata.logout;
        let (id, issued, own) = (fresh_id()?, time_text(now()), self.entity_id());
        let envelope = Envelope { id: &id, issued: &issued, destination, issuer: &own };
        let answer = envelope.logout_response(&told.id);
        query::address(destination, ("SAMLResponse", &answer), relay_state, self.signing())
    }

    /// The portal answers somebody who left here: whether the session is ended there too, and everywhere.
    pub(super) async fn left(&self, raw: &str) -> Result<bool, Trouble> {
        let metadata = self.provider.metadata().await?;
        let message = self.hear(raw, "SAMLResponse", &metadata)?;
        let (request, whole) = self.logout_response(&message, &metadata).map_err(Trouble::Unbelievable)?;
        match self.desk.lock().leaving.take(&request) {
            Some(()) => Ok(whole),
            None => Err(Trouble::Unbelievable("nobody was expected back from signing out")),
        }
    }

    fn hear(&self, raw: &str, kind: &str, metadata: &Metadata) -> Result<String, Trouble> {
        if !self.agreement.logout {
            return Err(Trouble::Unbelievable("this vendor takes no part in signing out"));
        }
        query::read(raw, kind, &metadata.certificates).map_err(Trouble::Unbelievable)
    }

    fn logout_request(&self, message: &str, metadata: &Metadata) -> Result<LogoutRequest, &'static str> {
        let tree = Tree::parse(message)?;
        let root = tree.root(SAMLP, "LogoutRequest").ok_or("the message is not word of a sign-out")?;
        self.check(&tree, root, metadata)?;
        if tree.attribute(root, "NotOnOrAfter").is_some_and(|end| time(end).is_none_or(|end| end <= now())) {
            return Err("the message came too late");
        }
        let id = tree.attribute(root, "ID").ok_or("the message has no ID")?.to_owned();
        let name = tree.only(root, SAML, "NameID").ok_or("the message names nobody")?;
        let sessions = tree.children(root, SAMLP, "SessionIndex").into_iter().map(|node| tree.text(node)).collect();
        Ok(LogoutRequest { id, name: NameId::read(&tree, name), sessions })
    }

    /// The request that is answered, and whether all sessions have ended.
    fn logout_response(&self, message: &str, metadata: &Metadata) -> Result<(String, bool), &'static str> {
        let tree = Tree::parse(message)?;
        let root = tree.root(SAMLP, "LogoutResponse").ok_or("the message is no answer to a sign-out")?;
        self.check(&tree, root, metadata)?;
        let request = tree.attribute(root, "InResponseTo").ok_or("the message answers nothing")?.to_owned();
        let code = tree.only(root, SAMLP, "Status").and_then(|status| tree.only(status, SAMLP, "StatusCode"));
        let code = code.ok_or("the message has no status")?;
        let whole =
            tree.attribute(code, "Value") == Some(SUCCESS) && tree.children(code, SAMLP, "StatusCode").is_empty();
        Ok((request, whole))
    }

    fn check(&self, tree: &Tree<'_>, root: uppsala::NodeId, metadata: &Metadata) -> Result<(), &'static str> {
        if tree.attribute(root, "Destination") != Some(&self.logout_place()) {
            return Err("the message was meant for another address");
        }
        if tree.text_of(root, SAML, "Issuer").as_ref() != Some(&metadata.entity_id) {
            return Err("the message comes from somebody else");
        }
        let issued = tree.attribute(root, "IssueInstant").and_then(time);
        let fresh = issued.is_some_and(|at| (now() - at).abs() < ::time::Duration::minutes(5));
        if fresh { Ok(()) } else { Err("the message was written at another time") }
    }
}

/// Word of the portal's that somebody leaves.
struct LogoutRequest {
    id: String,
    name: NameId,
    sessions: Vec<String>,
}
