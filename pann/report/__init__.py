"""Figures and the report page."""

from pann.report.figures import distances_figure, intensities_figure, r_factor_figure, sigma_figure
from pann.report.model_view import model_view
from pann.report.page import write_report
from pann.report.panels import slices_figure, tilts_figure
from pann.report.picture import model_picture
from pann.report.render import render_spheres
from pann.report.simulation_page import simulation_page

__all__ = [
    "distances_figure",
    "intensities_figure",
    "model_picture",
    "model_view",
    "r_factor_figure",
    "render_spheres",
    "sigma_figure",
    "simulation_page",
    "slices_figure",
    "tilts_figure",
    "write_report",
]
