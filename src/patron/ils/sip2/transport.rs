//! The connection to a library system: TCP, or TLS over it with or without a certificate of ours. Failures are sorted
//! here into those that mending the configuration ends and those that time may.
use crate::patron::ils::IlsError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_platform_verifier::Verifier;
use socket2::SockRef;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS 1.2 is the oldest that is spoken.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// `[ils.tls]`: how to secure the connection.
pub(super) struct Tls {
    /// The name that the certificate must hold (`server_name`; the host of `address` by default).
    name: ServerName<'static>,
    /// Who is trusted (`ca_file`; the machine's own trust by default) and who we are (`certificate_file`, `key_file`).
    connector: TlsConnector,
}

/// How long TCP may take. Inside a library's network it takes milliseconds; longer, and nobody is there.
const CONNECT: Duration = Duration::from_secs(2);

type Setting = (&'static str, &'static str);

impl Tls {
    /// Reads the PEM files; `Err` holds the key to blame and what was expected.
    pub(super) fn new(name: &str, roots: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<Self, Setting> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ("server_name", "expected a host name"))?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&VERSIONS)
            .map_err(|_| ("server_name", "expected a cryptography provider with TLS 1.2 or 1.3"))?;
        let builder = if let Some(pem) = roots {
            builder.with_root_certificates(read_roots(pem)?)
        } else {
            let verifier = Verifier::new(provider)
                .map_err(|_| ("ca_file", "expected certificates that this machine trusts, found none"))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(read_chain(chain)?, read_key(key)?)
                .map_err(|_| ("key_file", "expected the private key of `certificate_file`, found another"))?,
        };
        Ok(Self { name, connector: TlsConnector::from(Arc::new(config)) })
    }
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, Setting> {
    let bad = ("ca_file", "expected PEM certificates");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| bad)?).map_err(|_| bad)?;
    }
    if roots.is_empty() { Err(bad) } else { Ok(roots) }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Setting> {
    let bad = ("certificate_file", "expected PEM certificates, the client's own first");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or(bad)
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Setting> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| ("key_file", "expected a PEM private key without a passphrase"))
}

/// What an unused connection has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Nothing, as it should be.
    Yes,
    /// The other side has closed it.
    Closed,
    /// Bytes that nobody asked for.
    Surplus,
}

/// A connection.
pub(super) enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, IlsError> {
    let gone = IlsError::Unavailable("the ILS cannot be reached");
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((host, port)));
    let stream = connecting.await.map_err(|_| gone)?.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => IlsError::Unavailable("the ILS refuses the connection"),
        _ => gone,
    })?;
    // Messages are small and each waits for its answer.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Secures a connection where the settings say so.
pub(super) async fn secure(stream: TcpStream, tls: Option<&Tls>) -> Result<Stream, IlsError> {
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    match tls.connector.connect(tls.name.clone(), stream).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) => Err(blame(&error).unwrap_or(IlsError::Unavailable("the TLS handshake failed"))),
    }
}

/// Whether an error on a connection is a matter of certificates or settings.
pub(super) fn blame(error: &io::Error) -> Option<IlsError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let cause = match error {
        rustls::Error::AlertReceived(alert) => return blame_alert(*alert),
        rustls::Error::InvalidCertificate(_) => "the certificate of the ILS is not trusted: see `tls`",
        rustls::Error::InvalidMessage(_) => "the ILS does not speak TLS on this port",
        rustls::Error::PeerIncompatible(_) => "the ILS speaks no TLS that is safe: TLS 1.2 at least",
        _ => return None,
    };
    Some(IlsError::Misconfigured(cause))
}

/// In TLS 1.3 the handshake succeeds without a client certificate, and the refusal comes with the first read.
const fn blame_alert(alert: AlertDescription) -> Option<IlsError> {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::NoCertificate
        | A::HandshakeFailure
        | A::AccessDenied => {
            Some(IlsError::Misconfigured("the ILS does not accept our certificate: see `tls.certificate_file`"))
        }
        A::ProtocolVersion | A::InsufficientSecurity | A::UnrecognisedName => {
            Some(IlsError::Misconfigured("the ILS refuses our TLS: see `tls`"))
        }
        _ => None,
    }
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Reads what there is; 0 when the other side has closed.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    /// Writes everything.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Waits until bytes or an end have come.
    #[cfg(test)]
    pub(super) async fn hears(&self) {
        while self.tcp().peek(&mut [0]).await.is_err() {}
    }

    /// Looks whether anything waits to be read, without waiting for it. Line ends and other padding are taken off.
    pub(super) async fn is_quiet(&mut self) -> Quiet {
        let mut buffer = zeroize::Zeroizing::new([0_u8; 512]);
        loop {
            // The runtime hears of new bytes late, so the socket itself is asked after what was read ahead.
            match tokio::task::unconstrained(futures_util::future::poll_immediate(self.read(&mut *buffer))).await {
                Some(Ok(0) | Err(_)) => return Quiet::Closed,
                Some(Ok(n)) if buffer.iter().take(n).all(|b| super::message::is_padding(*b)) => continue,
                Some(Ok(_)) => return Quiet::Surplus,
                None => {}
            }
            match SockRef::from(self.tcp()).peek(&mut [MaybeUninit::uninit()]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Quiet::Yes,
                Err(_) | Ok(0) => return Quiet::Closed,
                Ok(_) => {}
            }
            if self.tcp().readable().await.is_err() {
                return Quiet::Closed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test]
    async fn bytes_are_seen_before_the_runtime_hears_of_them() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for round in 0..200 {
            let tcp = connect("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
            let (mut other, _) = listener.accept().unwrap();
            let mut stream = secure(tcp, None).await.unwrap();
            assert_eq!(stream.is_quiet().await, Quiet::Yes);
            other.write_all(if round % 2 == 0 { b"\r\n\n" } else { b"\r\n2" }).unwrap();
            // Until the kernel has it; the runtime knows nothing of this.
            while SockRef::from(stream.tcp()).peek(&mut [MaybeUninit::uninit()]).is_err() {}
            let expected = if round % 2 == 0 { Quiet::Yes } else { Quiet::Surplus };
            assert_eq!(stream.is_quiet().await, expected);
            drop(other);
        }
    }
}
