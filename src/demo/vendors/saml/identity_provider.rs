//! The identity provider, as its metadata tells of it. Every byte of that is kept with the rest of what the vendor receives.
use super::super::portal::Portal;
use super::super::record::Traffic;
use super::super::trouble::Trouble;
use super::names::{DS, MD, POST, REDIRECT, SAMLP};
use super::tree::Tree;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uppsala::NodeId;

/// How long metadata is believed without looking again.
const LIFE: Duration = Duration::from_secs(300);

/// What the metadata says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) entity_id: String,
    /// Certificates of the keys with which it signs, DER.
    pub(super) certificates: Vec<Vec<u8>>,
    /// Where requests go in the address.
    pub(super) redirect: String,
    /// Where requests go as a form.
    pub(super) post: String,
    /// Where word of a sign-out goes in the address: requests, and answers.
    pub(super) logout: [String; 2],
}

/// The identity provider.
pub(super) struct IdentityProvider {
    portal: Portal,
    traffic: Arc<Traffic>,
    pause: Duration,
    known: Mutex<Option<(Instant, Arc<Metadata>)>>,
}

impl IdentityProvider {
    pub(super) fn new(portal: Portal, traffic: Arc<Traffic>, pause: Duration) -> Self {
        Self { portal, traffic, pause, known: Mutex::default() }
    }

    pub(super) fn entity_id(&self) -> String {
        format!("{}/saml/metadata", self.portal.issuer)
    }

    /// What is known of it; asked for when that is old.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Trouble> {
        self.not_older_than(LIFE).await
    }

    /// As [`Self::metadata`], when what is known may be too old to know a new key.
    pub(super) async fn newest(&self) -> Result<Arc<Metadata>, Trouble> {
        self.not_older_than(self.pause).await
    }

    async fn not_older_than(&self, life: Duration) -> Result<Arc<Metadata>, Trouble> {
        let mut known = self.known.lock().await;
        if let Some((since, metadata)) = &*known
            && since.elapsed() < life
        {
            return Ok(Arc::clone(metadata));
        }
        let entity_id = self.entity_id();
        let request = Request::get("/").header(ACCEPT, "application/samlmetadata+xml");
        let answer = self.portal.ask(&self.traffic, &entity_id, request, Bytes::new()).await?;
        let text = String::from_utf8(answer.body.to_vec()).ok().filter(|_| answer.status == StatusCode::OK);
        let text = text.ok_or(Trouble::Unanswered("the portal gave no metadata"))?;
        let metadata = Arc::new(read(&text, &entity_id).map_err(Trouble::Unanswered)?);
        let inside = format!("{}/", self.portal.issuer);
        let [request, response] = &metadata.logout;
        if ![&metadata.redirect, &metadata.post, request, response].iter().all(|place| place.starts_with(&inside)) {
            return Err(Trouble::Unbelievable("the metadata leads elsewhere"));
        }
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }
}

/// Reads the metadata of the identity provider with this name.
fn read(text: &str, entity_id: &str) -> Result<Metadata, &'static str> {
    let tree = Tree::parse(text)?;
    let root = tree.root(MD, "EntityDescriptor").ok_or("the metadata tells of no entity")?;
    if tree.attribute(root, "entityID") != Some(entity_id) {
        return Err("the metadata is somebody else's");
    }
    let role = tree.only(root, MD, "IDPSSODescriptor").ok_or("the metadata tells of no identity provider")?;
    let protocols = tree.attribute(role, "protocolSupportEnumeration").unwrap_or_default();
    if !protocols.split_whitespace().any(|known| known == SAMLP) {
        return Err("the identity provider speaks another protocol");
    }
    let place = |service: &str, binding: &str, key: &str| {
        let mut all = tree.children(role, MD, service).into_iter();
        let one = all.find(|node| tree.attribute(*node, "Binding") == Some(binding))?;
        tree.attribute(one, key).or_else(|| tree.attribute(one, "Location")).map(str::to_owned)
    };
    let metadata = Metadata {
        entity_id: entity_id.to_owned(),
        certificates: certificates(&tree, role),
        redirect: place("SingleSignOnService", REDIRECT, "Location").unwrap_or_default(),
        post: place("SingleSignOnService", POST, "Location").unwrap_or_default(),
        logout: ["Location", "ResponseLocation"]
            .map(|key| place("SingleLogoutService", REDIRECT, key).unwrap_or_default()),
    };
    if metadata.certificates.is_empty() { Err("the metadata has no certificate") } else { Ok(metadata) }
}

fn certificates(tree: &Tree<'_>, role: NodeId) -> Vec<Vec<u8>> {
    let signs = |node: &NodeId| tree.attribute(*node, "use").is_none_or(|usage| usage == "signing");
    let inside = |node: NodeId, name: &'static str| tree.children(node, DS, name);
    let keys = tree.children(role, MD, "KeyDescriptor").into_iter().filter(signs);
    let data = keys.flat_map(|node| inside(node, "KeyInfo")).flat_map(|node| inside(node, "X509Data"));
    let texts = data.flat_map(|node| inside(node, "X509Certificate")).map(|node| tree.text(node));
    texts.filter_map(|text| STANDARD.decode(text.split_whitespace().collect::<String>()).ok()).collect()
}
