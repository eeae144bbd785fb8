//! What a service provider writes: requests, answers, and its own metadata.
use super::super::pages::escape;
use super::key::Keys;
use super::names::{AES128_GCM, AES256_GCM, DS, MD, OAEP_MGF1P, POST, REDIRECT, SAML, SAMLP, SUCCESS, TRANSIENT};
use super::response::NameId;

/// What every message says in the beginning.
pub(super) struct Envelope<'a> {
    pub(super) id: &'a str,
    pub(super) issued: &'a str,
    pub(super) destination: &'a str,
    pub(super) issuer: &'a str,
}

impl Envelope<'_> {
    fn around(&self, name: &str, attributes: &str, content: &str) -> String {
        let [destination, issuer] = [self.destination, self.issuer].map(escape);
        format!(
            "<samlp:{name} xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{issued}\" Destination=\"{destination}\"{attributes}>\
             <saml:Issuer>{issuer}</saml:Issuer>{content}</samlp:{name}>",
            id = self.id,
            issued = self.issued,
        )
    }

    /// A request to sign in whoever brings it, and to send the answer to `consumer`.
    pub(super) fn authn_request(&self, consumer: &str, force: bool) -> String {
        let force = if force { " ForceAuthn=\"true\"" } else { "" };
        let attributes =
            format!(" AssertionConsumerServiceURL=\"{}\" ProtocolBinding=\"{POST}\"{force}", escape(consumer));
        let policy = format!("<samlp:NameIDPolicy Format=\"{TRANSIENT}\" AllowCreate=\"true\"></samlp:NameIDPolicy>");
        self.around("AuthnRequest", &attributes, &policy)
    }

    /// Word that somebody signs out.
    pub(super) fn logout_request(&self, name: &NameId, session: &str) -> String {
        let attribute = |key: &str, value: &Option<String>| value.as_ref().map(|v| format!(" {key}=\"{}\"", escape(v)));
        let attributes = [
            attribute("Format", &name.format),
            attribute("NameQualifier", &name.qualifier),
            attribute("SPNameQualifier", &name.sp_qualifier),
        ];
        let attributes: String = attributes.into_iter().flatten().collect();
        let content = format!(
            "<saml:NameID{attributes}>{}</saml:NameID><samlp:SessionIndex>{}</samlp:SessionIndex>",
            escape(&name.value),
            escape(session)
        );
        self.around("LogoutRequest", "", &content)
    }

    /// Word that a session is ended here.
    pub(super) fn logout_response(&self, request: &str) -> String {
        let attributes = format!(" InResponseTo=\"{}\"", escape(request));
        let status = format!("<samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"></samlp:StatusCode></samlp:Status>");
        self.around("LogoutResponse", &attributes, &status)
    }
}

/// What the vendor's metadata tells.
pub(super) struct Description<'a> {
    pub(super) entity_id: &'a str,
    pub(super) name: &'a str,
    pub(super) consumer: &'a str,
    /// Where it takes word of a sign-out, if it does.
    pub(super) logout: Option<&'a str>,
    pub(super) keys: Option<&'a Keys>,
}

impl Description<'_> {
    /// The metadata.
    pub(super) fn text(&self) -> String {
        let [entity_id, name, consumer] = [self.entity_id, self.name, self.consumer].map(escape);
        let signs = self.keys.is_some();
        let keys = self.keys.map(descriptors).unwrap_or_default();
        let logout = self.logout.map(|location| {
            let location = escape(location);
            format!("<md:SingleLogoutService Binding=\"{REDIRECT}\" Location=\"{location}\"></md:SingleLogoutService>")
        });
        let logout = logout.unwrap_or_default();
        format!(
            "<md:EntityDescriptor xmlns:md=\"{MD}\" entityID=\"{entity_id}\"><md:SPSSODescriptor \
             AuthnRequestsSigned=\"{signs}\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{SAMLP}\">\
             <md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\">\
             <mdui:DisplayName xml:lang=\"en\">{name}</mdui:DisplayName></mdui:UIInfo></md:Extensions>{keys}{logout}\
             <md:NameIDFormat>{TRANSIENT}</md:NameIDFormat><md:AssertionConsumerService Binding=\"{POST}\" \
             Location=\"{consumer}\" index=\"0\" isDefault=\"true\"></md:AssertionConsumerService>\
             </md:SPSSODescriptor></md:EntityDescriptor>\n"
        )
    }
}

fn descriptors(keys: &Keys) -> String {
    let methods = format!(
        "<md:EncryptionMethod Algorithm=\"{AES256_GCM}\"></md:EncryptionMethod>\
         <md:EncryptionMethod Algorithm=\"{AES128_GCM}\"></md:EncryptionMethod>\
         <md:EncryptionMethod Algorithm=\"{OAEP_MGF1P}\"></md:EncryptionMethod>"
    );
    let one = |usage: &str, certificate: &str, methods: &str| {
        format!(
            "<md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data>\
             <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>{methods}\
             </md:KeyDescriptor>"
        )
    };
    one("signing", keys.signing.certificate(), "") + &one("encryption", keys.encryption.certificate(), &methods)
}
