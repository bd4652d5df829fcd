"""Features of single pixels, and a forest that answers from them: how one segmented before networks did.

    intensity, and at each scale σ: smoothed by a Gaussian, its gradient's length, and the eigenvalues of its Hessian

Of a pixel and its surroundings at several scales, nothing is learned but which combinations of thresholds mean which
class. From a picture or two it is a strong rival.

Arganda-Carreras et al., Trainable Weka Segmentation, Bioinformatics 2017; Berg et al., ilastik, Nature Methods 2019.
"""

from __future__ import annotations

import numpy as np

from tlcore.examples import UNKNOWN, Predict

SCALES = (0.7, 1.5, 3.0, 6.0)
"""σ of the Gaussians, in pixels."""
A_PICTURE = 4000
"""Pixels of a picture that are learned from, at most, drawn at random."""
ROUGH = 1e-3
"""Added to shares of trees before the logarithm, so that no class is impossible."""


def pixel_features(pixels: np.ndarray) -> np.ndarray:
    """Return the features of each pixel.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (S, S, 3)

    Returns
    -------
    ndarray of float32, shape (S, S, F)
        Red, green and blue; then of their mean, at each of `SCALES`, smoothed value, gradient, and the larger and the
        smaller eigenvalue of the Hessian.
    """
    from scipy.ndimage import gaussian_filter

    colours = pixels.astype(np.float32) / 255
    grey = colours.mean(2)
    found = [colours[..., channel] for channel in range(3)]
    for scale in SCALES:
        smooth = gaussian_filter(grey, scale)
        down, across = np.gradient(smooth)
        (down_down, down_across), (_, across_across) = np.gradient(down), np.gradient(across)
        middle, half = (down_down + across_across) / 2, np.hypot((down_down - across_across) / 2, down_across)
        found += [smooth, np.hypot(down, across), middle + half, middle - half]
    return np.stack(found, axis=2).astype(np.float32)


class PixelForest:
    """A random forest on the features of pixels; its outputs are logarithms of the trees' mean shares.

    Parameters
    ----------
    answers : int
        K.
    seed : int
    trees : int
    """

    def __init__(self, answers: int, seed: int, trees: int = 60) -> None:
        self.answers, self.seed, self.trees = answers, seed, trees

    def __call__(
        self,
        rows: np.ndarray,
        answers: np.ndarray,
        weights: np.ndarray | None = None,  # noqa: ARG002 - pictures count alike
        groups: np.ndarray | None = None,  # noqa: ARG002 - it has no setting to choose
    ) -> Predict:
        """Learn from pictures (n, S, S, 3) as uint8 and classes (n, S, S); answer with (m, K, S, S)."""
        from sklearn.ensemble import RandomForestClassifier

        draw = np.random.default_rng(self.seed)
        features, classes = [], []
        for pixels, truth in zip(rows, answers, strict=True):
            chosen = _some(truth.ravel(), draw)
            features.append(pixel_features(pixels).reshape(truth.size, -1)[chosen])
            classes.append(truth.ravel()[chosen])
        forest = RandomForestClassifier(self.trees, min_samples_leaf=3, random_state=self.seed, n_jobs=1)
        forest.fit(np.concatenate(features), np.concatenate(classes))

        def predict(pictures: np.ndarray) -> np.ndarray:
            outputs = np.full((len(pictures), self.answers, *pictures.shape[1:3]), np.log(ROUGH), np.float32)
            for number, pixels in enumerate(pictures):
                found = pixel_features(pixels)
                shares = forest.predict_proba(found.reshape(-1, found.shape[2]))
                outputs[number, forest.classes_] = np.log(shares.T + ROUGH).reshape(-1, *pictures.shape[1:3])
            return outputs

        return predict


def _some(truth: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return places of pixels whose class is known, drawn at random, at most `A_PICTURE`."""
    known = np.flatnonzero(truth != UNKNOWN)
    return draw.permutation(known)[:A_PICTURE]
