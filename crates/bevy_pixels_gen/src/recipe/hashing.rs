//! Reads the large files that recipes name, a LoRA of hundreds of megabytes, on a thread of its own: Bevy's threads for
//! files are few, and everything that the game loads needs them.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use bevy::prelude::Resource;
use pixgen_api::Request;
use pixgen_engine::{HashCache, Input};

/// What is said when the thread is gone.
const GONE: &str = "the files that it names were not read: the game ends";

/// Knows the files of recipes, or has them read.
pub(super) struct Hashing {
    hashes: HashCache,
    /// Whether the game has ended.
    stop: Arc<AtomicBool>,
    /// The thread, once there is something for it.
    thread: Mutex<Option<Reader>>,
}

/// In the world; goes with it, and ends the thread at the next megabyte. Loads that wait for a file outlive the world.
#[derive(Resource)]
pub(super) struct EndsWithWorld(Arc<AtomicBool>);

impl Drop for EndsWithWorld {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Reader {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// A request whose files are to be read.
struct Order {
    request: Request,
    answer: Answer,
}

impl Hashing {
    pub(super) fn new(hashes: HashCache) -> Self {
        Self { hashes, stop: Arc::default(), thread: Mutex::default() }
    }

    /// What ends it with the world.
    pub(super) fn end(&self) -> EndsWithWorld {
        EndsWithWorld(Arc::clone(&self.stop))
    }

    /// The files that a request names besides its model, as they are now; those that cannot be read are left out.
    pub(super) async fn inputs_of(&self, request: &Request) -> Result<Vec<Input>, String> {
        if self.hashes.is_quick(request) {
            return self.hashes.inputs_of(request, &|| false).map_err(|error| error.to_string());
        }
        let place = Place::default();
        self.ask(Order { request: request.clone(), answer: Answer(Arc::clone(&place)) })?;
        poll_fn(|context| {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            match place.answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    place.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn ask(&self, order: Order) -> Result<(), String> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread =
                Some(Reader::start(self.hashes.clone(), Arc::clone(&self.stop)).map_err(|error| error.to_string())?);
        }
        let orders = thread.as_ref().and_then(|reader| reader.orders.as_ref());
        // One that is lost says so itself.
        orders.map_or(Err(GONE.to_owned()), |orders| orders.send(order).map_err(|_| GONE.to_owned()))
    }
}

impl Reader {
    fn start(hashes: HashCache, stopped: Arc<AtomicBool>) -> std::io::Result<Self> {
        let (orders, inbox): (_, Receiver<Order>) = channel();
        let work = move || {
            let stop = || stopped.load(Ordering::Relaxed);
            for Order { request, answer } in inbox.into_iter().take_while(|_| !stop()) {
                answer.give(hashes.inputs_of(&request, &stop).map_err(|_| GONE.to_owned()));
            }
        };
        let thread = std::thread::Builder::new().name("pixgen-hashes".to_owned()).spawn(work)?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has answered whoever asked.
            let _ = thread.join();
        }
    }
}

/// Where an answer is put, and who waits for it.
#[derive(Default)]
struct Waiting {
    answer: Option<Result<Vec<Input>, String>>,
    waker: Option<Waker>,
}

type Place = Arc<Mutex<Waiting>>;

/// The way to one who waits; dropped without an answer, it gives one.
struct Answer(Place);

impl Answer {
    fn give(self, answer: Result<Vec<Input>, String>) {
        self.put(answer);
    }

    fn put(&self, answer: Result<Vec<Input>, String>) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.answer.get_or_insert(answer);
        if let Some(waker) = place.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.put(Err(GONE.to_owned()));
    }
}
