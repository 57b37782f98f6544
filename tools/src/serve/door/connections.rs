//! Taking connections, a number of them at a time, each with its times.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use uncsm_index::{Error, ErrorCode, Result};

use crate::serve::app::App;
use crate::serve::limits::{CONNECTION_TIME, CONNECTIONS, DRAIN_TIME, HEAD_BYTES, HEAD_TIME, HEADERS};
use crate::serve::routes;

/// A bound address.
pub struct Listening(TcpListener);

impl Listening {
    /// Binds `addr`; port 0 is one that is free.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] where it is taken, or not of this machine.
    pub fn at(addr: SocketAddr) -> Result<Self> {
        let bind = || {
            let listener = TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind().map_err(|e: std::io::Error| {
            Error::new(ErrorCode::Io, format!("the address {addr} cannot be listened at: {e}"))
                .hint("choose another --addr; with port 0 the system chooses a free one")
                .source(e)
        })?;
        Ok(Self(listener))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn addr(&self) -> Result<SocketAddr> {
        self.0.local_addr().map_err(|e| Error::io("the server's socket", e))
    }

    /// Answers requests until the process ends.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] where there are no threads.
    pub fn serve(self, app: Arc<App>) -> Result<Infallible> {
        let failed = |e| Error::io("the server's threads", e);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(crate::serve::limits::QUERIES + 16)
            .thread_name("serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.0).map_err(failed)?;
            let places = Arc::new(Semaphore::new(CONNECTIONS));
            let router = routes::router(app.clone());
            loop {
                // Nothing closes it.
                let Ok(place) = places.clone().acquire_owned().await else { continue };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (app, router) = (app.clone(), router.clone());
                        tokio::spawn(async move {
                            app.metrics.connected();
                            attend(stream, router).await;
                            app.metrics.disconnected();
                            drop(place);
                        });
                    }
                    // Out of files, or gone before it was taken: others may do better in a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        })
    }
}

/// One connection, to its end or the end of its time.
async fn attend(stream: TcpStream, router: Router) {
    // An answer is written whole.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // What is wrong with a connection, its caller knows.
    if tokio::time::timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(DRAIN_TIME, connection).await;
    }
}
