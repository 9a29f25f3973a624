"""Networks and the libraries that run them."""

from palate.nn.telemetry import opt_out

opt_out()  # before anything here imports a library
