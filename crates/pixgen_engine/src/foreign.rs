//! What pictures of other tools say about how they were drawn: the `parameters` text of AUTOMATIC1111's web UI, which
//! Forge, SD.Next, Civitai and ComfyUI's savers write as well.
//!
//! ```text
//! a knight, <lora:pixel:0.8>
//! Negative prompt: blurry
//! Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6, Seed: 42, Size: 1024x1024, Model: sdxl
//! ```

use pixgen_api::{
    MAX_CLIP_SKIP, MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARS, MAX_SIZE_PX, MAX_STEPS, MIN_SIZE_PX, Request, SchedulerKind,
};

/// A request, and in sentences what it could not take over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForeignRequest {
    pub(crate) request: Request,
    pub(crate) model: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// Reads a `parameters` text; `None` when there is no prompt in it.
pub(crate) fn read(text: &str) -> Option<ForeignRequest> {
    let (texts, settings) = match text.rfind("\nSteps: ") {
        Some(at) => (&text[..at], &text[at + 1..]),
        None if text.starts_with("Steps: ") => ("", text),
        None => (text, ""),
    };
    let (prompt, negative) = texts.split_once("\nNegative prompt:").unwrap_or((texts, ""));
    let mut notes = Vec::new();
    let prompt = without_loras(prompt, &mut notes);
    if prompt.is_empty() {
        return None;
    }
    let mut request = Request { prompt: cut(&prompt), negative_prompt: cut(negative.trim()), ..Request::default() };
    let mut model = None;
    for (key, value) in pairs(settings.lines().next().unwrap_or_default()) {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let whole = number.map(|number| number as u32);
        match key.as_str() {
            "Steps" => request.steps = whole.map(|steps| steps.clamp(1, MAX_STEPS)),
            "CFG scale" => request.guidance_scale = number.map(|scale| (scale as f32).clamp(1.0, MAX_GUIDANCE_SCALE)),
            "Seed" => request.seed = value.parse().ok(),
            "Clip skip" => {
                // There 1 is the last layer and 2 the last but one, which SDXL is trained on: both are 0 here.
                request.clip_skip = whole.unwrap_or_default().saturating_sub(2).min(MAX_CLIP_SKIP);
            }
            "Sampler" => match scheduler(&value) {
                Some(kind) => request.scheduler = Some(kind),
                None => notes.push(format!("the sampler {value} is not known here: the model's own is used")),
            },
            "Size" => match size_px(&value) {
                Some(size_px) => request.size_px = size_px,
                None => notes.push(format!(
                    "the picture was drawn at {value} px; the sprite keeps {} px, choose its size",
                    request.size_px
                )),
            },
            "Model" => model = Some(value),
            "Denoising strength" => notes.push(
                "the picture began with another one, which it does not hold: give init_image and strength".to_owned(),
            ),
            _ => {}
        }
    }
    if let Some(model) = &model {
        notes.push(format!("it was drawn with the model {model}: choose it, if you have it"));
    }
    Some(ForeignRequest { request, model, notes })
}

/// The sampler by the name that AUTOMATIC1111 shows, with or without the schedule that older versions put behind it.
fn scheduler(name: &str) -> Option<SchedulerKind> {
    let plain = name.trim();
    let plain = ["Karras", "Exponential"].iter().find_map(|end| plain.strip_suffix(end)).unwrap_or(plain).trim();
    SchedulerKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(plain))
}

/// The edge of a square of a sprite's size.
fn size_px(text: &str) -> Option<u32> {
    let (width, height) = text.split_once('x')?;
    let (width, height) = (width.trim().parse::<u32>().ok()?, height.trim().parse::<u32>().ok()?);
    (width == height && (MIN_SIZE_PX..=MAX_SIZE_PX).contains(&width)).then_some(width)
}

/// The prompt without `<lora:name:weight>`: the file's place is not in it.
fn without_loras(prompt: &str, notes: &mut Vec<String>) -> String {
    let mut kept = String::new();
    let mut rest = prompt;
    while let Some((before, tag)) = rest.split_once("<lora:") {
        let Some((tag, after)) = tag.split_once('>') else { break };
        notes.push(format!("it was drawn with the LoRA {tag}: choose its file, if you have it"));
        kept.push_str(before);
        rest = after;
    }
    kept.push_str(rest);
    kept.trim().trim_end_matches(',').trim_end().to_owned()
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_PROMPT_CHARS).collect()
}

/// `key: value, key: "value, with commas"`.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once(": ") {
        let (value, next) = match after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((value, next)) => (value, next.strip_prefix(", ").unwrap_or(next)),
            None => after.split_once(", ").unwrap_or((after, "")),
        };
        pairs.push((key.trim().to_owned(), value.trim().to_owned()));
        rest = next;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_web_ui_picture_come_back() {
        let text = "a knight,\nred cape <lora:pixel-art:0.8>, \nNegative prompt: blurry, text\nSteps: 25, Sampler: DPM++ 2M \
                    Karras, CFG scale: 6.5, Seed: 3735928559, Size: 64x64, Model hash: 31e35c80fc, Model: sd_xl_base_1.0, \
                    Lora hashes: \"pixel-art: abc, b: c\", Clip skip: 3, Version: v1.9.4";
        let found = read(text).unwrap();
        assert_eq!((found.request.prompt.as_str(), found.request.size_px), ("a knight,\nred cape", 64));
        assert_eq!(found.request.negative_prompt, "blurry, text");
        assert_eq!((found.request.steps, found.request.guidance_scale), (Some(25), Some(6.5)));
        assert_eq!((found.request.seed, found.request.clip_skip), (Some(3_735_928_559), 1));
        assert_eq!(found.request.scheduler, Some(SchedulerKind::Dpmpp2m));
        assert_eq!(found.model.as_deref(), Some("sd_xl_base_1.0"));
        assert!(found.notes.iter().any(|note| note.contains("pixel-art:0.8")), "{:?}", found.notes);
        assert_eq!(found.request.validate(), Ok(()));
    }

    #[test]
    fn what_is_absurd_is_brought_into_range_or_left_out() {
        let text = "x\nSteps: 99999999999999999999, Sampler: Heun, CFG scale: NaN, Seed: -1, Size: 1024x768";
        let found = read(text).unwrap();
        assert_eq!((found.request.steps, found.request.seed), (Some(MAX_STEPS), None));
        assert_eq!((found.request.guidance_scale, found.request.scheduler), (None, None));
        assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
        assert_eq!(found.request.validate(), Ok(()));
        assert_eq!(read("Steps: 3, Seed: 1"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("only words").unwrap().request.prompt, "only words");
        for broken in ["<lora:", "x <lora:a", "x\nSteps: ", "x\nSteps: 1, a: \"", "\nNegative prompt:", ": : :"] {
            let _ = read(broken);
        }
        assert_eq!(read(&"a".repeat(100_000)).unwrap().request.validate(), Ok(()));
    }
}
