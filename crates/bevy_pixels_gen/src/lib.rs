//! Type a prompt inside the running Bevy game and watch the sprite change.
