"""A package that provides an experiment to jaxdl without being part of it."""
