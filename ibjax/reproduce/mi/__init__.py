"""Information estimators beside a published benchmark."""
