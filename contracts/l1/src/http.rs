//! Bounded HTTP: every request has a time limit, every answer a length limit, and several
//! endpoints stand in for each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use crate::L1Error;

/// Longest answer that is read. A block's receipts and a full set of blobs fit several times.
const MAX_ANSWER_BYTES: usize = 128 << 20;
/// Longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Limits on talking to an endpoint.
#[derive(Debug, Clone)]
pub struct L1Options {
    /// Time limit of one request.
    pub timeout: Duration,
    /// Attempts of one request over all endpoints before its error is returned.
    pub attempts: u32,
    /// Pause after the first failed attempt; it doubles with each.
    pub backoff: Duration,
}

impl Default for L1Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(20), attempts: 4, backoff: Duration::from_millis(100) }
    }
}

/// An L1 in this process, for an embedded chain or a simulation: it answers what an endpoint would be asked over HTTP.
pub trait LocalL1: Send + Sync {
    /// Answers one JSON-RPC body with a status and a body, as a server would.
    fn answer(&self, body: Vec<u8>) -> BoxFuture<'static, Result<(u16, Vec<u8>), LocalFailure>>;
}

/// What a [`LocalL1`] may fail with, as a network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalFailure {
    /// Nothing came back in time.
    Timeout,
    /// The connection broke.
    Broken,
}

/// How a request reaches an endpoint.
#[derive(Clone)]
enum Wire {
    Http(Client),
    Local(Arc<dyn LocalL1>),
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "Http",
            Self::Local(_) => "Local",
        })
    }
}

/// Endpoints that serve the same thing.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    wire: Wire,
    urls: Arc<[Url]>,
    current: Arc<AtomicUsize>,
    pub(crate) options: L1Options,
}

impl Endpoints {
    pub(crate) fn new(urls: &[String], options: L1Options) -> Result<Self, L1Error> {
        if urls.is_empty() {
            return Err(L1Error::Config("no l1 url given".into()));
        }
        let urls = urls
            .iter()
            .map(|url| match Url::parse(url) {
                Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(parsed),
                Ok(parsed) => Err(L1Error::Config(format!("url scheme {} is not http", parsed.scheme()))),
                Err(reason) => Err(L1Error::Config(format!("not a url: {reason}"))),
            })
            .collect::<Result<_, _>>()?;
        let http = Client::builder()
            .timeout(options.timeout)
            .connect_timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| L1Error::Config(format!("http client: {}", error.without_url())))?;
        Ok(Self { wire: Wire::Http(http), urls, current: Arc::default(), options })
    }

    /// One endpoint in this process.
    pub(crate) fn local(l1: Arc<dyn LocalL1>, options: L1Options) -> Result<Self, L1Error> {
        let url = Url::parse("http://local.invalid").map_err(|error| L1Error::Config(error.to_string()))?;
        Ok(Self { wire: Wire::Local(l1), urls: [url].into(), current: Arc::default(), options })
    }

    /// Posts a JSON body.
    pub(crate) async fn post(&self, url: &Url, body: &Value) -> Result<(u16, Vec<u8>), L1Error> {
        match &self.wire {
            Wire::Http(http) => fetch(http.post(url.clone()).json(body), url, &self.options).await,
            Wire::Local(l1) => {
                let answer = l1.answer(body.to_string().into_bytes()).await;
                answer.map_err(|failure| match failure {
                    LocalFailure::Timeout => L1Error::Timeout { endpoint: name(url), after: self.options.timeout },
                    LocalFailure::Broken => L1Error::Transport { endpoint: name(url), reason: "broken".into() },
                })
            }
        }
    }

    /// Gets a document; `base` names the endpoint in errors.
    pub(crate) async fn get(&self, url: Url, base: &Url) -> Result<(u16, Vec<u8>), L1Error> {
        match &self.wire {
            Wire::Http(http) => fetch(http.get(url).header("accept", "application/json"), base, &self.options).await,
            // A local L1 keeps no blobs.
            Wire::Local(_) => Ok((404, Vec::new())),
        }
    }

    /// The endpoint in use.
    pub(crate) fn url(&self) -> &Url {
        &self.urls[self.current.load(Ordering::Relaxed) % self.urls.len()]
    }

    /// Turns to the next endpoint.
    pub(crate) fn turn(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs `attempt` until it succeeds, fails for good, or the attempts are used up; each
    /// temporary failure turns to the next endpoint.
    pub(crate) async fn retry<T, F>(&self, mut attempt: impl FnMut(Url) -> F) -> Result<T, L1Error>
    where
        F: Future<Output = Result<T, L1Error>>,
    {
        let mut pause = self.options.backoff;
        for _ in 1..self.options.attempts.max(1) {
            match attempt(self.url().clone()).await {
                Err(error) if error.is_temporary() => {
                    tracing::debug!(%error, "l1 request failed, trying again");
                    self.turn();
                }
                result => return result,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_BACKOFF);
        }
        let last = attempt(self.url().clone()).await;
        if last.as_ref().is_err_and(L1Error::is_temporary) {
            self.turn();
        }
        last
    }
}

/// Host and port of a URL: the path and the user part may hold credentials.
pub(crate) fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sends a request and reads its answer within the limits.
async fn fetch(request: RequestBuilder, url: &Url, options: &L1Options) -> Result<(u16, Vec<u8>), L1Error> {
    let failed = |error: reqwest::Error| {
        if error.is_timeout() {
            L1Error::Timeout { endpoint: name(url), after: options.timeout }
        } else {
            L1Error::Transport { endpoint: name(url), reason: innermost(&error.without_url()) }
        }
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(L1Error::AnswerTooLong { endpoint: name(url), limit_bytes: MAX_ANSWER_BYTES });
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_endpoint_without_its_key() {
        let url: Url = "https://user:secret@l1.example/v3/key?x=key".parse().expect("a url");
        assert_eq!(name(&url), "l1.example:443");
    }

    #[test]
    fn refuses_urls_it_cannot_speak_to() {
        for url in ["", "ftp://x", "nonsense"] {
            assert!(matches!(Endpoints::new(&[url.into()], L1Options::default()), Err(L1Error::Config(_))));
        }
        assert!(matches!(Endpoints::new(&[], L1Options::default()), Err(L1Error::Config(_))));
    }
}
