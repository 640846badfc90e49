"""What speaks: routes, what they read and answer, who may ask, and how errors are said."""
