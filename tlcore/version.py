"""Which Transfer Lab this is."""

VERSION = "0.1.0"
