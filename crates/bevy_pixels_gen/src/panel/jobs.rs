//! What is being drawn, what waits, and what failed.

use egui::{ProgressBar, RichText, Spinner, Ui, Vec2, WidgetType};
use pixgen_api::{JobState, Priority};

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
        let text = format!(
            "Job {} (\u{201c}{}\u{201d}) failed. {}",
            job.id,
            look::shortened(&job.prompt, 40),
            look::sentence(error)
        );
        look::stable(ui, job.id, |ui| {
            if look::error_box(ui, &text, &format!("Dismiss job {}", job.id)) {
                actions.push(PanelAction::ForgetJob(job.id));
            }
        });
    }
    let begun: Vec<_> = view.jobs.iter().filter(|job| is_begun(job)).collect();
    for job in &begun {
        look::stable(ui, job.id, |ui| look::card(ui, |ui| running(ui, state, job, view.paused, actions)));
    }
    // The running job has the button; where none runs, the queue has it.
    let halt = begun.is_empty().then_some(view.paused);
    queue(ui, &in_state(JobState::Queued).collect::<Vec<_>>(), halt, actions);
}

fn is_begun(job: &JobView) -> bool {
    matches!(job.state, JobState::Running | JobState::Paused)
}

fn running(ui: &mut Ui, state: &mut PanelState, job: &JobView, paused: bool, actions: &mut Vec<PanelAction>) {
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
            look::hint(ui, if paused { halting(job).to_owned() } else { time(job) });
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                pause(ui, paused, actions);
                cancel(ui, "Cancel", job, actions);
            });
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

/// A pause takes effect between two steps.
fn halting(job: &JobView) -> &'static str {
    if job.state == JobState::Paused { "paused" } else { "pausing after this step…" }
}

/// Halts the queue or lets it go on.
fn pause(ui: &mut Ui, paused: bool, actions: &mut Vec<PanelAction>) {
    let (text, name, help) = match paused {
        true => ("Resume", "Resume the queue", "Go on where it halted"),
        false => ("Pause", "Pause the queue", "Halt between two steps, and begin nothing new"),
    };
    if look::named(ui.small_button(text), WidgetType::Button, name).on_hover_text(help).clicked() {
        actions.push(PanelAction::Pause(!paused));
    }
}

fn cancel(ui: &mut Ui, text: &str, job: &JobView, actions: &mut Vec<PanelAction>) {
    let name = format!("Cancel job {}", job.id);
    if look::named(ui.small_button(text), WidgetType::Button, &name).on_hover_text(&name).clicked() {
        actions.push(PanelAction::Cancel(job.id));
    }
}

/// The jobs that wait. `halt` is there when the button to pause and resume belongs here: whether the queue is halted.
fn queue(ui: &mut Ui, jobs: &[&JobView], halt: Option<bool>, actions: &mut Vec<PanelAction>) {
    if jobs.is_empty() && halt != Some(true) {
        return;
    }
    look::section(ui, &format!("Waiting ({})", jobs.len()), |ui| {
        if jobs.len() > 1 && ui.small_button("Cancel all waiting").clicked() {
            actions.extend(jobs.iter().map(|job| PanelAction::Cancel(job.id)));
        }
        if let Some(paused) = halt {
            pause(ui, paused, actions);
        }
    });
    if halt == Some(true) {
        look::hint(ui, "The queue is paused: nothing is drawn until you resume it.");
    }
    for (place, job) in jobs.iter().take(LISTED).enumerate() {
        look::stable(ui, job.id, |ui| waiting(ui, job, place == 0, actions));
    }
    if jobs.len() > LISTED {
        look::hint(ui, format!("and {} more", jobs.len() - LISTED));
    }
}

/// One line of the queue, laid out from its right end, so that the prompt gets what the buttons leave.
fn waiting(ui: &mut Ui, job: &JobView, is_next: bool, actions: &mut Vec<PanelAction>) {
    look::split(
        ui,
        |ui| {
            cancel(ui, "✖", job, actions);
            let name = format!("Draw job {} next", job.id);
            if !is_next && look::named(ui.small_button("⏶"), WidgetType::Button, &name).on_hover_text(&name).clicked()
            {
                actions.push(PanelAction::Prioritize(job.id, Priority::High));
            }
        },
        |ui| {
            let count = if job.count > 1 { format!("{} × ", job.count) } else { String::new() };
            look::one_line(ui, format!("{count}{}", look::shortened(&job.prompt, 80)));
        },
    );
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
}
