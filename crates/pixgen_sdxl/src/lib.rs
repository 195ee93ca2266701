//! SDXL on candle: text in, image tensor out.
