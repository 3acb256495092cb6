//! One request and its answer, over either protocol.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};

use super::super::notification::{Notification, Role};
use super::connect::Body;
use crate::config::{GatewayClient, Protocol};

/// Longest answer; a gateway that says more has not answered.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Not a byte of the request was written.
    Unsent,
    /// There was no whole answer in time.
    TimedOut,
    /// The connection broke; over HTTP/2 perhaps before the request was written.
    Broken,
}

/// Makes the requests of one client.
pub(super) struct Requests {
    /// In the order of [`Role::ALL`].
    uris: [Uri; Role::ALL.len()],
    /// HTTP/2 has it in the URI.
    host: Option<HeaderValue>,
    timeout: Duration,
}

impl Requests {
    pub(super) fn new(settings: &GatewayClient) -> Self {
        let authority = settings.url().authority();
        let (before, host) = match settings.protocol {
            Protocol::H1 => (String::new(), Some(authority.clone())),
            Protocol::H2 if settings.url().is_tls => (format!("https://{authority}"), None),
            Protocol::H2 => (format!("http://{authority}"), None),
        };
        let uri = |role: Role| {
            let uri = format!("{before}/v1/notifications/{}", role.name());
            uri.parse::<Uri>().expect("made from a URI")
        };
        Self {
            uris: Role::ALL.map(uri),
            host: host.map(|host| HeaderValue::try_from(host).expect("made from a URI")),
            timeout: settings.request_timeout.get(),
        }
    }

    pub(super) fn of(&self, notification: &Notification) -> Request<Body> {
        let mut request = Request::post(self.uris[notification.role as usize].clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Body::new(Bytes::from(notification.body())))
            .expect("made from valid parts");
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        request
    }

    /// Waits for the whole answer to a request that is on its way, for as long as the time-out allows.
    pub(super) async fn answer(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
    ) -> Result<StatusCode, Lost> {
        let answering = async {
            let response = sending.await.map_err(|mut error| {
                if error.take_message().is_some() {
                    Lost::Unsent
                } else {
                    Lost::Broken
                }
            })?;
            let status = response.status();
            let whole = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            whole.map(|_| status).map_err(|_| Lost::Broken)
        };
        tokio::time::timeout(self.timeout, answering)
            .await
            .unwrap_or(Err(Lost::TimedOut))
    }
}
