"""A realistic request for every route of MLflow, one line each, by family."""

from rehearsal.tests.isolation.catalog import closed, evaluation, experiments, models, pages, traces

CATALOG = (
    *experiments.ENTRIES,
    *models.ENTRIES,
    *traces.ENTRIES,
    *evaluation.ENTRIES,
    *pages.ENTRIES,
    *closed.ENTRIES,
)
