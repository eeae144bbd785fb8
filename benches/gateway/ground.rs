//! What every case stands on: a folder, a certificate, and the vendor's origin: a static nginx beside the load.
use crate::Outcome;
use crate::browser::trusting;
use crate::process::{DRIVING, Server, free_port};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ClientConfig;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The portal's host.
pub(crate) const PORTAL: &str = "login.vestibule.localhost";
/// The vendor's public host, at every proxy.
pub(crate) const HOST: &str = "bench.proxy.localhost";

/// Sizes of the files that the origin serves: path and bytes.
pub(crate) const FILES: [(&str, usize); 2] = [("/1k", 1024), ("/100k", 100 * 1024)];

/// The ground.
pub(crate) struct Ground {
    folder: TempDir,
    /// Trust in the certificate of all proxies.
    pub(crate) trust: Arc<ClientConfig>,
    /// The origin's port for plain HTTP.
    pub(crate) origin: u16,
    /// The origin's port for TLS, to be asked without any proxy.
    pub(crate) origin_tls: u16,
    /// The port to which the origin hands what leaves HTTP; nobody listens there until somebody does.
    pub(crate) socket: u16,
    _backend: Server,
}

impl Ground {
    /// Makes the folder and starts the origin.
    pub(crate) fn lay() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("vestibule-bench-").tempdir()?;
        // Workers of a server that was started by root are somebody else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let names = vec![PORTAL.to_owned(), HOST.to_owned()];
        // ECDSA on P-256, as rcgen makes by default.
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        let at = |name: &str| folder.path().join(name);
        fs::write(at("certificate.pem"), &certificate)?;
        secret(&at("key.pem"), &key)?;
        secret(&at("both.pem"), &format!("{certificate}{key}"))?;
        fs::create_dir(at("www"))?;
        for (name, size) in FILES {
            fs::write(folder.path().join(format!("www{name}")), "x".repeat(size))?;
        }
        let trust = trusting(&at("certificate.pem"))?;
        let (origin, origin_tls, socket) = (free_port()?, free_port()?, free_port()?);
        let backend = start_origin(folder.path(), (origin, origin_tls, socket))?;
        Ok(Self { folder, trust, origin, origin_tls, socket, _backend: backend })
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The end of what the product logged, for when something went wrong.
    pub(crate) fn log_of_vestibule(&self) -> String {
        let log = fs::read_to_string(self.at("vestibule.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("outcome=\"accepted\"")).collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    /// Starts an nginx with this configuration on a processor.
    pub(crate) fn nginx(&self, label: &'static str, processor: &str, http: &str, port: u16) -> Outcome<Server> {
        nginx(self.folder.path(), (label, processor), http, port)
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn secret(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

/// `/echo` answers with the assertion that reached the origin.
fn start_origin(folder: &Path, (plain, tls, socket): (u16, u16, u16)) -> Outcome<Server> {
    let root = folder.join("www");
    let http = format!(
        "open_file_cache max=16 inactive=600s;
         open_file_cache_valid 600s;
         server {{
             listen 127.0.0.1:{plain} backlog=4096;
             listen 127.0.0.1:{tls} ssl backlog=4096;
             root {root};
             location = /echo {{ return 200 \"$http_library_assertion\"; }}
             location = /socket {{
                 proxy_pass http://127.0.0.1:{socket};
                 proxy_http_version 1.1;
                 proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection upgrade;
             }}
         }}",
        root = root.display()
    );
    nginx(folder, ("origin", DRIVING), &http, plain)
}

fn nginx(folder: &Path, (label, processor): (&'static str, &str), http: &str, port: u16) -> Outcome<Server> {
    let prefix = folder.join(label);
    fs::create_dir_all(prefix.join("tmp"))?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let configuration = format!(
        "daemon off;
         user root;
         worker_processes 1;
         worker_rlimit_nofile 65536;
         pid nginx.pid;
         error_log error.log error;
         events {{ worker_connections 8192; multi_accept on; }}
         http {{
             access_log off;
             server_tokens off;
             sendfile on;
             tcp_nopush on;
             tcp_nodelay on;
             keepalive_timeout 600s;
             keepalive_requests 1000000000;
             http2_max_concurrent_streams 128;
             default_type text/plain;
             client_body_temp_path tmp/body;
             proxy_temp_path tmp/proxy;
             fastcgi_temp_path tmp/fastcgi;
             uwsgi_temp_path tmp/uwsgi;
             scgi_temp_path tmp/scgi;
             ssl_certificate {certificate};
             ssl_certificate_key {key};
             ssl_protocols TLSv1.3;
             ssl_session_cache shared:tls:4m;
             {http}
         }}",
        certificate = certificate.display(),
        key = key.display(),
    );
    let file = prefix.join("nginx.conf");
    fs::write(&file, configuration)?;
    let (prefix, file) = (prefix.display().to_string(), file.display().to_string());
    let command = ["nginx", "-e", "error.log", "-p", &prefix, "-c", &file];
    Server::start(label, processor, &command, port, &folder.join(format!("{label}.log")))
}
