"""Teachers and students: Bayes-optimal limits, what learners reach, what is certified."""
