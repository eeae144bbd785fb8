//! What every case stands on: the site, and the vendor's origin: a static nginx beside the load.
use crate::Outcome;
use crate::stage::process::{DRIVING, Server, free_port};
use crate::stage::site::{PORTAL, Site, secret};
use std::fs;
use std::path::Path;

/// The vendor's public host, at every proxy.
pub(crate) const HOST: &str = "bench.proxy.localhost";

/// Sizes of the files that the origin serves: path and bytes.
pub(crate) const FILES: [(&str, usize); 2] = [("/1k", 1024), ("/100k", 100 * 1024)];

/// The ground.
pub(crate) struct Ground {
    /// The folder and the certificate.
    pub(crate) site: Site,
    /// The origin's port for plain HTTP.
    pub(crate) origin: u16,
    /// The origin's port for TLS, to be asked without any proxy.
    pub(crate) origin_tls: u16,
    /// The port to which the origin hands what leaves HTTP; nobody listens there until somebody does.
    pub(crate) socket: u16,
    _backend: Server,
}

impl Ground {
    /// Makes the site and starts the origin.
    pub(crate) fn lay() -> Outcome<Self> {
        let site = Site::lay(&[PORTAL, HOST])?;
        let both = [fs::read_to_string(site.at("certificate.pem"))?, fs::read_to_string(site.at("key.pem"))?];
        secret(&site.at("both.pem"), &both.concat())?;
        fs::create_dir(site.at("www"))?;
        for (name, size) in FILES {
            fs::write(site.at(&format!("www{name}")), "x".repeat(size))?;
        }
        let (origin, origin_tls, socket) = (free_port()?, free_port()?, free_port()?);
        let backend = start_origin(&site.at(""), (origin, origin_tls, socket))?;
        Ok(Self { site, origin, origin_tls, socket, _backend: backend })
    }

    /// Starts an nginx with this configuration on a processor.
    pub(crate) fn nginx(&self, label: &'static str, processor: &str, http: &str, port: u16) -> Outcome<Server> {
        nginx(&self.site.at(""), (label, processor), http, port)
    }
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
