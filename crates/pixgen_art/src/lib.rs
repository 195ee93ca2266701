//! Pixel-art image processing: palettes, alpha, trimming and scaling.
