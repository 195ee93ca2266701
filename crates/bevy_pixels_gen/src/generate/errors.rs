//! Errors that wait to be read, each with what it is about: one does not hide another.

/// Errors that are remembered; the log has them all.
const MAX_ERRORS: usize = 64;

/// What is wrong, by what it is about.
#[derive(Debug, Default)]
pub(super) struct Errors {
    /// What it is about, and the sentence; the newest last.
    noted: Vec<(String, String)>,
}

impl Errors {
    /// Notes what is wrong with `origin`, in place of what was, or that nothing is.
    pub(super) fn set(&mut self, origin: &str, error: Option<String>) {
        self.noted.retain(|(other, _)| other != origin);
        if let Some(error) = error {
            if self.noted.len() == MAX_ERRORS {
                self.noted.remove(0);
            }
            self.noted.push((origin.to_owned(), error));
        }
    }

    /// It was read.
    pub(super) fn dismiss(&mut self, error: &str) {
        self.noted.retain(|(_, noted)| noted != error);
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.noted.iter().rev().map(|(_, error)| error.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_does_not_hide_another_and_there_is_an_end_to_them() {
        let mut errors = Errors::default();
        errors.set("a", Some("a is wrong".to_owned()));
        errors.set("b", Some("b is wrong".to_owned()));
        errors.set("a", Some("a is still wrong".to_owned()));
        assert_eq!(errors.iter().collect::<Vec<_>>(), ["a is still wrong", "b is wrong"]);
        errors.set("a", None);
        assert_eq!(errors.iter().collect::<Vec<_>>(), ["b is wrong"]);
        errors.dismiss("b is wrong");
        assert_eq!(errors.iter().count(), 0);
        (0..500).for_each(|index| errors.set(&index.to_string(), Some(format!("{index} is wrong"))));
        assert_eq!((errors.iter().count(), errors.iter().next()), (MAX_ERRORS, Some("499 is wrong")));
    }
}
