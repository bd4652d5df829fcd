"""A package of this name, so that one called ``tests`` which a distribution brought along is not taken for it."""
