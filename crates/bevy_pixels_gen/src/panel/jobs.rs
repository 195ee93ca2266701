//! What is being drawn, what waits, and what failed.

use egui::{Align, Layout, ProgressBar, RichText, Spinner, Ui, Vec2, WidgetType};
use pixgen_api::JobState;

use super::look;
use super::thumbnails::{ThumbnailKey, paint_checkerboard};
use super::{JobView, JobsView, PanelAction, PanelState};

/// Edge of the live preview, in points: a 32 px sprite at three times its size.
const PREVIEW_PT: f32 = 96.0;
/// Queued jobs that are listed; the rest is a number.
const LISTED: usize = 5;

/// Failed jobs, running jobs and the queue.
pub(super) fn jobs_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let in_state = |state: JobState| view.jobs.iter().filter(move |job| job.state == state);
    for job in in_state(JobState::Failed) {
        let error = job.error.as_deref().unwrap_or("it gave no reason");
        let text =
            format!("Job {} (\u{201c}{}\u{201d}) failed. {}", job.id, shortened(&job.prompt), look::sentence(error));
        look::stable(ui, job.id, |ui| {
            if look::error_box(ui, &text, &format!("Dismiss job {}", job.id)) {
                actions.push(PanelAction::ForgetJob(job.id));
            }
        });
    }
    for job in in_state(JobState::Running) {
        look::stable(ui, job.id, |ui| look::card(ui, |ui| running(ui, state, job, actions)));
    }
    queue(ui, &in_state(JobState::Queued).collect::<Vec<_>>(), actions);
}

/// The first words of a prompt.
fn shortened(prompt: &str) -> String {
    const CHARS: usize = 40;
    let mut short: String = prompt.chars().take(CHARS).collect();
    if prompt.chars().nth(CHARS).is_some() {
        short.push('…');
    }
    short
}

fn running(ui: &mut Ui, state: &mut PanelState, job: &JobView, actions: &mut Vec<PanelAction>) {
    ui.horizontal_top(|ui| {
        let (_, rect) = ui.allocate_space(Vec2::splat(PREVIEW_PT));
        paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
        match &job.preview {
            Some(pixels) => state.thumbnails.paint(ui, rect, ThumbnailKey::Preview(job.id), pixels),
            None => Spinner::new().paint_at(ui, rect.shrink(PREVIEW_PT / 3.0)),
        }
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            let prompt = look::one_line(ui, RichText::new(&job.prompt).strong());
            if let Some(target) = &job.target {
                prompt.on_hover_text(format!("for {target}"));
            }
            look::hint(ui, where_it_stands(job));
            let bar = ui.add(ProgressBar::new(job.progress()).desired_height(8.0).corner_radius(4.0));
            look::named(bar, WidgetType::ProgressIndicator, &format!("Progress of job {}", job.id));
            look::hint(ui, time(job));
            cancel(ui, "Cancel", job, actions);
        });
    });
    for warning in &job.warnings {
        look::warning(ui, look::sentence(warning));
    }
}

/// "Image 2 of 4, step 5 of 8".
fn where_it_stands(job: &JobView) -> String {
    if job.step == 0 && job.images_done == 0 {
        return "Starting…".to_owned();
    }
    let step = format!("step {} of {}", job.step, job.steps);
    if job.count > 1 {
        format!("Image {} of {}, {step}", job.image + 1, job.count)
    } else {
        look::sentence(&step).replace('.', "")
    }
}

fn time(job: &JobView) -> String {
    match job.eta_secs {
        Some(secs) => format!("about {} left", look::duration(secs)),
        None => format!("{} so far", look::duration(job.elapsed_secs)),
    }
}

fn cancel(ui: &mut Ui, text: &str, job: &JobView, actions: &mut Vec<PanelAction>) {
    let name = format!("Cancel job {}", job.id);
    if look::named(ui.small_button(text), WidgetType::Button, &name).on_hover_text(&name).clicked() {
        actions.push(PanelAction::Cancel(job.id));
    }
}

fn queue(ui: &mut Ui, jobs: &[&JobView], actions: &mut Vec<PanelAction>) {
    if jobs.is_empty() {
        return;
    }
    look::section(ui, &format!("Waiting ({})", jobs.len()), |ui| {
        if jobs.len() > 1 && ui.small_button("Cancel all waiting").clicked() {
            actions.extend(jobs.iter().map(|job| PanelAction::Cancel(job.id)));
        }
    });
    for job in jobs.iter().take(LISTED) {
        look::stable(ui, job.id, |ui| waiting(ui, job, actions));
    }
    if jobs.len() > LISTED {
        look::hint(ui, format!("and {} more", jobs.len() - LISTED));
    }
}

/// One line of the queue, laid out from its right end, so that the prompt gets what the button leaves.
fn waiting(ui: &mut Ui, job: &JobView, actions: &mut Vec<PanelAction>) {
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        cancel(ui, "✖", job, actions);
        let count = if job.count > 1 { format!("{} × ", job.count) } else { String::new() };
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| look::one_line(ui, format!("{count}{}", job.prompt)));
    });
}

#[cfg(test)]
mod tests {
    use pixgen_api::JobId;

    use super::*;

    #[test]
    fn progress_counts_images_and_steps() {
        let mut job = JobView { state: JobState::Running, steps: 8, ..JobView::queued(JobId(1), "x", 4) };
        assert_eq!((job.progress(), where_it_stands(&job).as_str()), (0.0, "Starting…"));
        (job.image, job.step, job.images_done) = (1, 4, 1);
        assert_eq!((job.progress(), where_it_stands(&job).as_str()), (0.375, "Image 2 of 4, step 4 of 8"));
        (job.image, job.step, job.images_done) = (0, 8, 1);
        assert_eq!(job.progress(), 0.25);
        job.count = 1;
        assert_eq!((job.progress(), where_it_stands(&job).as_str()), (1.0, "Step 8 of 8"));
        assert_eq!(JobView { count: 0, ..job }.progress(), 0.0);
    }

    #[test]
    fn long_prompts_are_shortened_by_characters() {
        assert_eq!(shortened("ü".repeat(41).as_str()), format!("{}…", "ü".repeat(40)));
        assert_eq!(shortened("a duck"), "a duck");
    }
}
