//! The ranges that every front end offers and the engine enforces.

/// Smallest sprite edge, in pixels.
pub const MIN_SIZE_PX: u32 = 8;
/// Largest sprite edge, in pixels.
pub const MAX_SIZE_PX: u32 = 512;
/// Most images one request may ask for.
pub const MAX_COUNT: u32 = 64;
/// Most denoising steps: the number of training timesteps of an SDXL schedule is 1000, and nothing
/// above 150 has been useful to anybody.
pub const MAX_STEPS: u32 = 150;
/// Largest classifier-free guidance scale.
pub const MAX_GUIDANCE_SCALE: f32 = 30.0;
/// Longest prompt, in characters: far above what the text encoders read, low enough to refuse a pasted file.
pub const MAX_PROMPT_CHARS: usize = 4000;
/// Fewest colours that a sprite may be limited to.
pub const MIN_COLORS: u32 = 2;
/// Most colours that a sprite may be limited to: what one byte a pixel can name.
pub const MAX_COLORS: u32 = 256;
/// Largest edge of a sprite pixel in picture pixels.
pub const MAX_SCALE: f32 = 256.0;
/// Largest group of loose pixels that can be asked to be removed, in pixels.
pub const MAX_SPECK_PX: u32 = 64;
/// Most LoRAs on one request.
pub const MAX_LORAS: usize = 8;
/// Largest weight of a LoRA, up and down: beyond ±2 pictures fall apart, beyond this it is a mistake.
pub const MAX_LORA_WEIGHT: f32 = 10.0;
/// Least strength of image-to-image: with less, no step is left to be done.
pub const MIN_STRENGTH: f32 = 0.01;
/// Fewest frames of an animation.
pub const MIN_ANIMATION_FRAMES: u32 = 2;
/// Most frames of an animation: they are drawn at once, and memory grows with them.
pub const MAX_ANIMATION_FRAMES: u32 = 16;
/// Shortest time that a frame is shown, in milliseconds: the fastest that GIF viewers play.
pub const MIN_FRAME_MS: u32 = 10;
/// Most layers of the text encoders that may be skipped: the smaller one of SDXL has twelve.
pub const MAX_CLIP_SKIP: u32 = 10;
