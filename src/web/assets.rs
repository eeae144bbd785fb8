//! Files that pages use: a style sheet and an icon, built in or from the `static` folder of the library's own pages.
//! Their addresses hold a digest of what they hold, so that browsers may keep them for ever.
use super::Front;
use super::visit::Visit;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// What is built in.
pub(super) const BUILT_IN: [(&str, &[u8]); 2] =
    [("portal.css", include_bytes!("static/portal.css")), ("icon.svg", include_bytes!("static/icon.svg"))];

/// Kinds of files that may be served.
const KINDS: [(&str, &str); 6] = [
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
];

/// The largest file that is taken from a library's folder.
const LARGEST: u64 = 1024 * 1024;

struct Asset {
    path: String,
    kind: &'static str,
    bytes: Bytes,
}

/// All files, by name.
#[derive(Default)]
pub(super) struct Assets(BTreeMap<String, Asset>);

impl Assets {
    /// The built-in files.
    pub(super) fn built_in() -> Self {
        let mut assets = Self::default();
        for (name, bytes) in BUILT_IN {
            assets.add(name, Bytes::from_static(bytes));
        }
        assets
    }

    /// Adds a file; tells whether its kind and name may be served.
    pub(super) fn add(&mut self, name: &str, bytes: Bytes) -> bool {
        let Some((stem, extension)) = name.rsplit_once('.') else { return false };
        let Some((_, kind)) = KINDS.into_iter().find(|(e, _)| *e == extension) else { return false };
        if stem.is_empty() || !stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return false;
        }
        let mut sum = String::with_capacity(16);
        for byte in digest(&SHA256, &bytes).as_ref().iter().take(8) {
            let _ = write!(sum, "{byte:02x}");
        }
        let path = format!("/static/{stem}.{sum}.{extension}");
        self.0.insert(name.to_owned(), Asset { path, kind, bytes });
        true
    }

    /// Takes the files of a folder; gives the names of those that cannot be used, and why.
    pub(super) fn add_folder(&mut self, folder: &Path) -> Vec<(String, &'static str)> {
        let mut problems = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let small = entry.metadata().is_ok_and(|m| m.is_file() && m.len() <= LARGEST);
            match small.then(|| std::fs::read(entry.path())) {
                Some(Ok(bytes)) => {
                    if !self.add(&name, Bytes::from(bytes)) {
                        problems.push((name, "expected a css, svg, png, jpg, webp or woff2 file with a plain name"));
                    }
                }
                _ => problems.push((name, "expected a readable file of at most 1 MiB")),
            }
        }
        problems
    }

    /// The address of a file.
    pub(super) fn path(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|asset| asset.path.as_str())
    }

    /// A file's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|asset| std::str::from_utf8(&asset.bytes).ok())
    }
}

/// `GET /static/…`.
pub(super) async fn serve(State(front): State<Arc<Front>>, visit: Visit) -> Response {
    let house = front.house.load_full();
    let path = visit.path();
    let Some(asset) = house.pages.assets().0.values().find(|asset| asset.path == path) else {
        return visit.nothing_here().await;
    };
    let mut response = Response::new(Body::from(asset.bytes.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

/// `GET /robots.txt`: nothing here is for search engines (RFC 9309).
pub(super) async fn robots() -> Response {
    let mut response = Response::new(Body::from("User-agent: *\nDisallow: /\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
