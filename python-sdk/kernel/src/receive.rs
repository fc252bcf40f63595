//! The network side: listeners and connections, on one thread of their own.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::columns::{Names, Watch};
use crate::commit::{Clock, Committed, Committer, Remembered};
use crate::door::{self, Door, locked};
use crate::log::{Files, Writer};
use crate::request::{self, Peer, Protocol};
use crate::tls::{Certificates, Tls};

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const FRAME: u32 = 256 << 10;
const STREAMS: u32 = 256;
const HEADERS: u32 = 16 << 10;
/// The first bytes of a connection, from which its protocol is told.
const PREFACE: u64 = 24;
const PING: Duration = Duration::from_secs(30);
const BACKLOG: u32 = 1024;

/// What a receiver is made from.
pub struct Plan {
    pub door: Arc<Door>,
    pub watch: Arc<Watch>,
    pub sensitive: Arc<Names>,
    pub clock: Clock,
    pub writer: Writer<Files>,
    pub remembered: Remembered,
}

/// The two threads of a running receiver, and what they share.
pub struct Receiver {
    pub door: Arc<Door>,
    pub watch: Arc<Watch>,
    pub out: Arc<Mutex<Committed>>,
    connections: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    runtime: Handle,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    end: oneshot::Sender<()>,
    network: JoinHandle<()>,
    commit: JoinHandle<()>,
}

impl Receiver {
    /// Starts the threads. Nothing listens yet.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let Plan { door, watch, sensitive, clock, writer, remembered } = plan;
        let out = Arc::new(Mutex::new(Committed::new(&watch)));
        let (answered, answers) = mpsc::unbounded_channel();
        let committer = Committer {
            door: Arc::clone(&door),
            watch: Arc::clone(&watch),
            sensitive,
            clock,
            writer,
            remembered,
            out: Arc::clone(&out),
            answered,
        };
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
        runtime.spawn(door::tell(answers));
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let commit = std::thread::Builder::new().name("eigenspan-commit".into()).spawn(|| committer.run())?;
        let network = std::thread::Builder::new().name("eigenspan-receive".into()).spawn(move || {
            drop(runtime.block_on(ended));
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Self {
            door,
            watch,
            out,
            connections: Arc::default(),
            stop: watch::Sender::new(false),
            runtime: handle,
            threads: Mutex::new(Some(Threads { end, network, commit })),
        })
    }

    /// Listens on `endpoint`, with TLS where there are certificates, and returns the port.
    pub fn listen(&self, protocol: Protocol, endpoint: &str, files: Option<Certificates>) -> io::Result<u16> {
        let names: &[&str] = if protocol == Protocol::Grpc { &["h2"] } else { &["h2", "http/1.1"] };
        let tls = files.map(|files| Tls::new(files, names)).transpose()?;
        let address = endpoint.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let _entered = self.runtime.enter();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        let door = Arc::clone(&self.door);
        let accepting = Accepting {
            protocol,
            tls: tls.map(Arc::new),
            door,
            connections: Arc::clone(&self.connections),
            stop: self.stop.subscribe(),
        };
        self.runtime.spawn(accept(listener, accepting));
        Ok(port)
    }

    /// Stops listening, waits up to `grace` for requests in flight, commits what waits, and ends the threads.
    pub fn stop(&self, grace: Duration) {
        let Some(threads) = locked(&self.threads).take() else { return };
        self.door.stop_admitting();
        self.stop.send_replace(true);
        let deadline = std::time::Instant::now() + grace;
        while self.connections.load(Ordering::Acquire) > 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.door.close();
        drop(threads.commit.join());
        let _ = threads.end.send(());
        drop(threads.network.join());
    }
}

/// Counts a connection until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// What a listener gives to each of its connections.
struct Accepting {
    protocol: Protocol,
    tls: Option<Arc<Tls>>,
    door: Arc<Door>,
    connections: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

async fn accept(listener: TcpListener, accepting: Accepting) {
    let Accepting { protocol, tls, door, connections, mut stop } = accepting;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let Ok((stream, address)) = accepted else {
            // Out of descriptors, most likely: connections must end before there can be another.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let counted = Counted(Arc::clone(&connections));
        if connections.fetch_add(1, Ordering::Acquire) >= door.limits.connections {
            door.count("refused", "connections", 1);
            continue;
        }
        let peer = Peer {
            protocol,
            name: name(protocol, address).into(),
            active: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (door, stop, tls) = (Arc::clone(&door), stop.clone(), tls.clone());
        tokio::spawn(async move {
            let _counted = counted;
            match tls {
                None => serve(stream, Arc::new(peer), door, stop).await,
                Some(tls) => {
                    if let Some(stream) = handshake(stream, &tls, &door).await {
                        serve(stream, Arc::new(peer), door, stop).await;
                    }
                }
            }
        });
    }
}

/// The encrypted stream, where the peer agrees in time and may come in.
async fn handshake(stream: TcpStream, tls: &Tls, door: &Door) -> Option<TlsStream<TcpStream>> {
    let (config, stale) = tls.config();
    if stale {
        door.count("refused", "certificate_files", 1);
    }
    let within = Duration::from_secs_f64(door.limits.read_s);
    let shaken = tokio::time::timeout(within, TlsAcceptor::from(config).accept(stream)).await;
    let stream = shaken.ok().and_then(Result::ok);
    if stream.is_none() {
        door.count("refused", "handshake", 1);
    }
    stream
}

/// A peer as each protocol's portable engine writes it.
fn name(protocol: Protocol, address: SocketAddr) -> String {
    match (protocol, address) {
        (Protocol::Http, _) => format!("{}:{}", address.ip(), address.port()),
        (Protocol::Grpc, SocketAddr::V4(_)) => format!("ipv4:{address}"),
        (Protocol::Grpc, SocketAddr::V6(_)) => format!("ipv6:{address}"),
    }
}

async fn serve<S>(stream: S, peer: Arc<Peer>, door: Arc<Door>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let read_s = Duration::from_secs_f64(door.limits.read_s);
    let idle_s = Duration::from_secs_f64(door.limits.idle_s);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(read_s)
        .max_buf_size(HEADERS as usize * 4);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(read_s);
    let read = Arc::new(AtomicU64::new(0));
    let stream = TokioIo::new(Counting { stream, read: Arc::clone(&read) });
    let (of_request, at) = (Arc::clone(&peer), Arc::clone(&door));
    let service = service_fn(move |request| {
        let answer = request::answer(Arc::clone(&at), Arc::clone(&of_request), request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let (mut closing, mut requests, mut quiet_since) = (false, 0, Instant::now());
    let mut look_at = quiet_since + read_s;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                let error = ended.as_ref().err().and_then(|error| error.downcast_ref::<hyper::Error>());
                if error.is_some_and(hyper::Error::is_parse) {
                    door.count("refused", "http", 1);
                }
                return;
            }
            _ = stop.changed(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(look_at) => {
                if read.load(Ordering::Relaxed) < PREFACE {
                    return;
                }
                let now = Instant::now();
                let so_far = peer.requests.load(Ordering::Relaxed);
                if peer.active.load(Ordering::Relaxed) > 0 || so_far != requests {
                    (requests, quiet_since) = (so_far, now);
                } else if now > quiet_since + idle_s + read_s {
                    return;
                } else if now > quiet_since + idle_s && !closing {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                look_at = now + read_s;
            }
        }
    }
}

/// A stream that counts the bytes read from it.
struct Counting<S> {
    stream: S,
    read: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counting<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, into);
        self.read.fetch_add((into.filled().len() - before) as u64, Ordering::Relaxed);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counting<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
