//! `vestibule vendors`: the lines of a configuration that connect a vendor, and what the vendor is to be sent. Nothing is
//! written to a file: the lines go to standard output, and a secret to the other stream, once.
use super::{Exit, Failure, Out, check, counted, load};
use crate::config::{self, Config};
use crate::domain::{Clock, SystemClock, random};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

mod add_saml;

/// What `vendors` can do.
#[derive(Subcommand)]
pub(super) enum Vendors {
    /// Print the lines for a vendor that signs readers in over OpenID Connect, and a secret for it
    AddOidc(Box<AddOidc>),
    /// Print the lines for a vendor that signs readers in over SAML, out of its metadata
    AddSaml(Box<add_saml::AddSaml>),
}

/// What `vendors add-oidc` takes.
#[derive(Args)]
#[command(after_help = "The lines go to standard output, the secret and what to send to the vendor to standard error:
  vestibule vendors add-oidc --config vestibule.toml --id chronicle --name \"Daily Chronicle\" \\
    --origin https://www.chronicle.example --redirect-uri https://www.chronicle.example/callback \\
    > vendors/chronicle.toml
The secret is shown this once; the lines hold only its SHA-256. Send it to the vendor in a way that nobody else reads.")]
pub(super) struct AddOidc {
    /// The configuration that the lines are for; it is not changed
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The vendor's id in the configuration
    #[arg(long)]
    id: String,
    /// The vendor's name on pages
    #[arg(long)]
    name: String,
    /// The vendor's site, such as `https://www.example.com`
    #[arg(long, value_name = "ORIGIN")]
    origin: String,
    /// Where readers are sent back; may be given several times
    #[arg(long, value_name = "URI", required = true)]
    redirect_uri: Vec<String>,
    /// How the vendor proves who it is
    #[arg(long, value_enum, default_value_t = Method::ClientSecretBasic)]
    authentication: Method,
    /// The vendor's name in requests [default: its id]
    #[arg(long, value_name = "NAME")]
    client_id: Option<String>,
    /// Where the vendor publishes its keys, with `private_key_jwt`
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// A file with the vendor's keys, relative to the configuration, with `private_key_jwt`
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks_file: Option<String>,
    /// Where the vendor is told that a reader has signed out
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// Where readers may be sent after signing out; may be given several times
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// Where the library's link leads, so that the vendor begins a sign-in
    #[arg(long, value_name = "URI")]
    initiate_login_uri: Option<String>,
    /// A list of all redirect addresses, where they have several hosts
    #[arg(long, value_name = "URI")]
    sector_identifier_uri: Option<String>,
    /// What its ID tokens are signed with: `RS256`, `ES256` or `EdDSA` [default: RS256]
    #[arg(long, value_name = "NAME")]
    id_token_algorithm: Option<String>,
    /// The library whose own issuer the vendor is to know
    #[arg(long, value_name = "ID")]
    issuer: Option<String>,
    /// A library with a licence; may be given several times [default: all; with `--issuer` that one]
    #[arg(long, value_name = "ID")]
    library: Vec<String>,
    /// Tell the vendor another name for a reader each time
    #[arg(long)]
    anonymous: bool,
}

/// The methods of client authentication, by their words in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Method {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    None,
}

impl Method {
    const fn word(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What problems of the new lines name as their file.
const NEW_LINES: &str = "the new lines";

/// Does what is asked.
pub(super) fn run(vendors: &Vendors, out: &mut Out) -> Result<(), Failure> {
    match vendors {
        Vendors::AddOidc(vendor) => add_oidc(vendor, out),
        Vendors::AddSaml(vendor) => add_saml::run(vendor, out),
    }
}

fn add_oidc(vendor: &AddOidc, out: &mut Out) -> Result<(), Failure> {
    let config = load(&vendor.config, out)?;
    let secret = vendor.authentication.has_secret().then(new_secret);
    let lines = lines(vendor, &config, secret.as_ref());
    let checked = check_lines(&vendor.config, &lines, out)?;
    let client = checked.clients.iter().find(|client| client.vendor().id.as_str() == vendor.id);
    let explained = client.map(check::explained).unwrap_or_default();
    out.line(lines.trim_end());
    out.aside("");
    for line in &explained {
        out.aside(line);
    }
    tell(vendor, &config, secret.as_ref(), out);
    Ok(())
}

/// 256 random bits in base64url.
fn new_secret() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(random::<32>()).as_slice()))
}

/// Reads the configuration as if it had the lines already, as `check` does.
fn check_lines(config: &Path, lines: &str, out: &mut Out) -> Result<check::Opaque, Failure> {
    let draft = config::read_with(config, (NEW_LINES, lines), SystemClock.now());
    let checked = check::opaque(&draft);
    let problems = &checked.problems;
    for problem in problems {
        out.trouble(&problem.to_string());
    }
    let ours = problems.iter().filter(|problem| &*problem.place.file == NEW_LINES).count();
    match (problems.len(), ours) {
        (0, _) => Ok(checked),
        (all, 0) => Err(Failure::new(Exit::Configuration, counted(all, "problem"))),
        (_, ours) => Err(Failure::new(Exit::Usage, format!("{}; nothing was made", counted(ours, "problem")))),
    }
}

fn lines(vendor: &AddOidc, config: &Config, secret: Option<&Zeroizing<String>>) -> String {
    let mut text = Lines::default();
    text.table("[[vendor]]");
    text.text("id", &vendor.id);
    text.text("name", &vendor.name);
    text.bare("protocol", "\"oidc\"");
    text.text("origin", &vendor.origin);
    if vendor.anonymous {
        text.bare("anonymous", "true");
    }
    text.table("[vendor.oidc]");
    text.maybe("client_id", vendor.client_id.as_ref());
    text.bare("authentication", &quoted(vendor.authentication.word()));
    if let Some(secret) = secret {
        text.text("client_secret_sha256", &URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())));
    }
    text.maybe("jwks_uri", vendor.jwks_uri.as_ref());
    text.maybe("jwks_file", vendor.jwks_file.as_ref());
    text.list("redirect_uris", &vendor.redirect_uri);
    if !vendor.post_logout_redirect_uri.is_empty() {
        text.list("post_logout_redirect_uris", &vendor.post_logout_redirect_uri);
    }
    text.maybe("backchannel_logout_uri", vendor.backchannel_logout_uri.as_ref());
    text.maybe("initiate_login_uri", vendor.initiate_login_uri.as_ref());
    text.maybe("sector_identifier_uri", vendor.sector_identifier_uri.as_ref());
    text.maybe("id_token_algorithm", vendor.id_token_algorithm.as_ref());
    text.maybe("issuer", vendor.issuer.as_ref());
    text.table("[[licence]]");
    text.list("library", &chosen(&vendor.library, vendor.issuer.as_slice(), config));
    text.text("vendor", &vendor.id);
    text.0
}

/// The libraries that have a licence: those that are named, or whose issuers are, or all.
fn chosen(named: &[String], issuers: &[String], config: &Config) -> Vec<String> {
    match (named, issuers) {
        ([], []) => config.libraries.iter().map(|known| known.library.id.as_str().to_owned()).collect(),
        ([], issuers) => issuers.to_vec(),
        (named, _) => named.to_vec(),
    }
}

/// Lines of TOML.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn table(&mut self, head: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.0.extend([gap, head, "\n"]);
    }

    fn bare(&mut self, key: &str, value: &str) {
        self.0.extend([key, " = ", value, "\n"]);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.bare(key, &quoted(value));
    }

    fn maybe(&mut self, key: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        self.bare(key, &format!("[{}]", values.join(", ")));
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What to send to the vendor, and the secret.
fn tell(vendor: &AddOidc, config: &Config, secret: Option<&Zeroizing<String>>, out: &mut Out) {
    let mut issuer = config.public.origin();
    if let Some(library) = &vendor.issuer {
        issuer = format!("{issuer}/at/{library}");
    }
    let client = vendor.client_id.as_ref().unwrap_or(&vendor.id);
    out.aside("");
    out.aside("To send to the vendor:");
    for (what, value) in [
        ("issuer", issuer.as_str()),
        ("discovery", &format!("{issuer}/.well-known/openid-configuration")),
        ("client id", client),
        ("authentication", vendor.authentication.word()),
        ("flow", "authorization code with PKCE (S256)"),
        ("scope", "openid"),
        ("ID tokens", vendor.id_token_algorithm.as_deref().unwrap_or("RS256")),
        ("claims", "sub, eduperson_entitlement, eduperson_scoped_affiliation"),
    ] {
        out.aside(&format!("  {what:<15} {value}"));
    }
    if let Some(secret) = secret {
        out.aside("");
        out.aside("The secret, shown this once; send it in a way that nobody else reads:");
        out.aside(&format!("  {}", secret.as_str()));
    }
    out.aside("");
    let config = vendor.config.display();
    out.aside(&format!("Then: vestibule check --config {config}, and SIGHUP to a running server."));
}
