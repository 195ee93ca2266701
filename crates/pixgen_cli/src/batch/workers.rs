//! Several engines that draw the sprites of one batch side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use anyhow::Context;
use pixgen_api::{EventKind, Request};

use crate::exit::Interrupted;
use crate::session::{Session, SessionConfig, stored_png};

/// A sprite to draw.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The caller's number of it.
    pub(crate) index: usize,
    /// What to draw.
    pub(crate) request: Request,
    /// The recipe as it is written, where the request has its files at their places.
    pub(crate) recipe: Option<Request>,
}

/// What a worker tells. `index` is the caller's number of the sprite.
#[derive(Debug)]
pub(crate) enum Message {
    /// A sprite is begun.
    Started(usize),
    /// The user should know.
    Warning(String),
    /// A sprite is there.
    Drawn {
        /// Which.
        index: usize,
        /// The PNG with its provenance.
        png: Vec<u8>,
        /// Its size.
        size_px: (u32, u32),
    },
    /// A sprite could not be drawn; the others go on.
    Failed {
        /// Which.
        index: usize,
        /// Why.
        error: String,
    },
}

/// Draws all requests with `config.sessions` engines; `take` hears what happens, on the caller's thread. Returns early
/// after Ctrl-C, and when `take` fails.
///
/// # Errors
/// When no engine can be started, and what `take` returns.
pub(crate) fn draw(
    config: SessionConfig<'_>,
    requests: &[Wanted],
    mut take: impl FnMut(Message) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let sessions: anyhow::Result<Vec<_>> = (0..config.sessions.max(1)).map(|_| Session::start(config)).collect();
    let sessions = sessions.context("starting the engines: a smaller --jobs needs less")?;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, messages) = channel();
        for session in sessions {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(&session, requests, next, &sender));
        }
        drop(sender);
        let mut outcome = Ok(());
        for message in messages {
            if outcome.is_ok() {
                outcome = take(message);
            }
            if outcome.is_err() {
                // The workers take no further sprite.
                next.store(requests.len(), Ordering::SeqCst);
            }
        }
        outcome
    })
}

fn work(session: &Session, requests: &[Wanted], next: &AtomicUsize, sender: &Sender<Message>) {
    while let Some(Wanted { index, request, recipe }) = requests.get(next.fetch_add(1, Ordering::SeqCst)) {
        let tell = |message| sender.send(message).context("the batch has ended");
        let drawn = session.draw_recipe(request.clone(), recipe.clone(), &mut |event| match event {
            EventKind::Started => tell(Message::Started(*index)),
            EventKind::Warning(text) => tell(Message::Warning(text.clone())),
            _ => Ok(()),
        });
        let png = drawn.and_then(|images| {
            let image = images.first().context("the engine returned no sprite")?;
            let png = stored_png(image)?;
            // It lives on as the file of the batch; a history of 100,000 working files helps nobody.
            let _ = std::fs::remove_file(&image.file);
            Ok((png, (image.pixels.width_px, image.pixels.height_px)))
        });
        let told = match png {
            Ok((png, size_px)) => tell(Message::Drawn { index: *index, png, size_px }),
            Err(error) if error.is::<Interrupted>() => return,
            Err(error) => tell(Message::Failed { index: *index, error: format!("{error:#}") }),
        };
        if told.is_err() {
            return;
        }
    }
}
