//! Which web pages may call: CORS for HTTP, the `Origin` check for WebSocket.

use http::{HeaderMap, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember a preflight answer.
const PREFLIGHT_MAX_AGE_S: u64 = 600;

/// The origins of the configuration.
#[derive(Debug, Clone)]
pub(crate) enum Origins {
    Any,
    List(Vec<HeaderValue>),
}

impl Origins {
    /// `Err` names the entry that cannot be an origin.
    pub(crate) fn read(entries: &[String]) -> Result<Self, String> {
        if entries.iter().any(|entry| entry == "*") {
            return Ok(Self::Any);
        }
        let origins = entries.iter().map(|entry| {
            let shaped = entry.contains("://") && !entry.ends_with('/');
            let value = HeaderValue::from_str(entry).ok().filter(|_| shaped);
            value.ok_or_else(|| format!("{entry} is not a web origin such as https://app.example"))
        });
        origins.collect::<Result<_, _>>().map(Self::List)
    }

    /// The layer that answers preflights and marks answers.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::List(list) => AllowOrigin::list(list.clone()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE])
            .max_age(std::time::Duration::from_secs(PREFLIGHT_MAX_AGE_S))
    }

    /// Browsers do not apply CORS to WebSocket, so the server has to look itself.
    /// No `Origin` header means no browser.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        match (self, headers.get(header::ORIGIN)) {
            (Self::Any, _) | (_, None) => true,
            (Self::List(list), Some(origin)) => list.contains(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn refuses_entries_that_are_no_origins() {
        for bad in ["example.com", "https://a.example/", "https://a\n.example"] {
            let error = Origins::read(&[bad.to_owned()]).unwrap_err();
            assert!(error.contains(bad));
        }
    }

    #[test]
    fn admits_listed_origins_and_clients_without_one() {
        let origins = Origins::read(&["https://a.example".to_owned()]).unwrap();
        let with = |origin: &'static str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        assert!(origins.admit(&HeaderMap::new()));
        assert!(origins.admit(&with("https://a.example")));
        assert!(!origins.admit(&with("https://b.example")));
        assert!(!Origins::read(&[]).unwrap().admit(&with("https://a.example")));
    }
}
