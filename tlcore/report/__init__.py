"""What leaves the lab: figures and files."""
