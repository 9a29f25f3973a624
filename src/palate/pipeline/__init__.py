"""The whole flow: pipeline files, fits, requests, and the folder that keeps it all."""
