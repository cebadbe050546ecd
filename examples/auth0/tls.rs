//! TLS for this machine alone. A server on the net has a certificate that its clients know already.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::Error;

/// A client that says nothing keeps no connection for longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate authority that ends with the process: its key is in no file.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut authority = CertificateParams::new([])?;
        authority.distinguished_name.push(DnType::CommonName, "the auth0 example, for one start");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages.push(KeyUsagePurpose::KeyCertSign);
        Ok(Self(CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?))
    }

    /// What clients must trust, as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// What a server of this name needs.
    pub(crate) fn server(&self, name: &str) -> Result<ServerConfig, Error> {
        let mut server = CertificateParams::new([name.to_owned()])?;
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &self.0)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.into()], key)?)
    }
}

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// Connections whose handshake is done. Each has its own task, so none waits for another.
pub(crate) struct TlsListener {
    address: SocketAddr,
    connections: mpsc::Receiver<Connection>,
}

impl TlsListener {
    pub(crate) fn new(mut listener: TcpListener, config: ServerConfig) -> Result<Self, Error> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (ready, connections) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = Listener::accept(&mut listener).await;
                let (acceptor, ready) = (acceptor.clone(), ready.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        let _ = ready.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { address, connections })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The runtime ends.
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
