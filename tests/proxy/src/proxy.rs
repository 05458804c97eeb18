//! The listener.

use crate::Fault;
use crate::answer::{Endpoint, ask};
use crate::wire::{answer, read_request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy on a free port. Dropping it closes the port; requests under way end by themselves.
#[derive(Debug)]
pub struct Proxy {
    /// Its URL.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    /// Percent of the requests that meet this fault; the rest is answered.
    script: Vec<(u32, Fault)>,
    requests: u64,
}

impl State {
    fn draw(&mut self) -> Fault {
        self.requests += 1;
        let mut drawn = self.rng.random_range(0..100);
        for (percent, fault) in &self.script {
            if drawn < *percent {
                return fault.clone();
            }
            drawn -= percent;
        }
        Fault::None
    }
}

impl Proxy {
    /// Listens in front of this endpoint.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State { rng: StdRng::seed_from_u64(0), script: Vec::new(), requests: 0 };
        let state = Arc::new(Mutex::new(state));
        let endpoint = Endpoint { http: reqwest::Client::new(), url: target.to_owned() };
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, endpoint.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, state, task }
    }

    /// From now on every request meets this fault.
    pub fn set(&self, fault: Fault) {
        self.script(0, vec![(100, fault)]);
    }

    /// From now on every request draws one of these faults, each with so many chances in a hundred.
    pub fn script(&self, seed: u64, script: Vec<(u32, Fault)>) {
        let mut state = self.state.lock().unwrap();
        (state.rng, state.script) = (StdRng::seed_from_u64(seed), script);
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, endpoint: Endpoint, state: Arc<Mutex<State>>) {
    let Some((path, body)) = read_request(&mut stream).await else { return };
    let fault = state.lock().unwrap().draw();
    match &fault {
        Fault::Hangup => return,
        Fault::Silence => {
            // Holds the connection until the client gives up.
            let mut rest = [0; 1];
            let _ = stream.read(&mut rest).await;
            return;
        }
        Fault::Delay(pause) => tokio::time::sleep(*pause).await,
        _ => {}
    }
    let (status, bytes) = ask(&endpoint, &fault, &path, &body).await;
    let sent = if matches!(fault, Fault::Truncate) { bytes.len() / 2 } else { bytes.len() };
    answer(&mut stream, status, &bytes, sent).await;
}
