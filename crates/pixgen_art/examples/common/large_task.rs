//! The task whose time is compared: what is done to a picture of 1024² pixels.

use pixgen_api::{Background, PixelArt, Scale};

/// To 128² pixels with 24 colours, without background, cleaned up.
pub(crate) fn large_task() -> PixelArt {
    PixelArt {
        scale: Scale::Factor(8.0),
        colors: Some(24),
        background: Background::Remove,
        orphans: true,
        jaggies: true,
        ..PixelArt::for_generation()
    }
}
