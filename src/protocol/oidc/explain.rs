//! What `check` says of a client: what it will receive, and where its configuration is weaker than it need be.
use super::client::{AssertionAlgorithm, Authentication, Client, Dpop};

/// What is to be said of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// How it is known and what it receives.
    pub facts: Vec<String>,
    /// What is weaker than it need be.
    pub weak: Vec<String>,
}

impl Client {
    /// Explains the client to the operator.
    #[must_use]
    pub fn explain(&self) -> Explained {
        Explained { facts: self.facts(), weak: self.weak() }
    }

    fn facts(&self) -> Vec<String> {
        let issuer = self.issuer.as_ref().map_or_else(String::new, |library| format!(" at the issuer of `{library}`"));
        let name = if self.vendor.anonymous {
            "a fresh name for every sign-in".to_owned()
        } else {
            format!("a name of its own for each reader (sector `{}`)", self.sector.host)
        };
        let mut told = vec![name];
        told.extend(self.entitlements.then(|| "the library's entitlements".to_owned()));
        told.extend(self.affiliation.then(|| "the scoped affiliation".to_owned()));
        let mut facts = vec![
            format!("client `{}`{issuer}, proves itself by {}", self.id, self.authentication.name()),
            format!("receives {}; ID tokens {}", told.join(", "), self.id_token_algorithm.as_str()),
        ];
        let demands = [
            (self.fapi, "FAPI 2.0"),
            (self.pkce_required, "PKCE"),
            (self.par_required, "pushed requests"),
            (self.dpop == Dpop::Required, "DPoP"),
        ];
        let demands: Vec<_> = demands.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        if !demands.is_empty() {
            facts.push(format!("must use {}", demands.join(", ")));
        }
        let ways = [(self.backchannel.is_some(), "back-channel"), (self.frontchannel.is_some(), "front-channel")];
        let ways: Vec<_> = ways.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        facts.push(if ways.is_empty() {
            "is not told of sign-outs".to_owned()
        } else {
            format!("is told of sign-outs by {}", ways.join(" and "))
        });
        facts
    }

    fn weak(&self) -> Vec<String> {
        let mut weak = Vec::new();
        if !self.pkce_required {
            weak.push("`pkce` is waived: a stolen code can be used by whoever has the client's secret".to_owned());
        }
        if matches!(self.authentication, Authentication::None) {
            weak.push(
                "`authentication = \"none\"`: anybody may pass as this client; PKCE alone protects codes".to_owned(),
            );
        }
        if matches!(self.authentication, Authentication::PrivateKey(AssertionAlgorithm::Rs256, _)) {
            weak.push("`assertion_algorithm = \"RS256\"`: ES256, PS256 or EdDSA are stronger".to_owned());
        }
        if self.refresh_tokens {
            weak.push("`refresh_tokens` are on: the vendor can ask about a reader until the session ends".to_owned());
        }
        if self.redirect_uris.iter().any(|uri| uri.text.starts_with("http:")) {
            weak.push(
                "`redirect_uris` has an address without TLS, for an application on a reader's machine".to_owned(),
            );
        }
        weak
    }
}
