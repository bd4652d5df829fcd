"""Baselines: what a transfer method must beat."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tlcore.methods.base import Method, Seen, Solution


class FromScratch(Method):
    """Σ_target L(y, f(x; θ)) from a random θ₀: the same network, the same target labels, nothing transferred.

    The baseline of every verdict in the inductive setting. It is trained to convergence with its own step size.
    """

    name = "from_scratch"
    data_alone = True
    family = "baseline"
    serves = ("inductive",)


class SourceOnly(Method):
    """Σ_source L(y, f(x; θ)) from a random θ₀: the source model as it is, never adapted.

    The baseline of every verdict in the transductive setting. With target labels it shows how far apart the
    domains are. Its training is the one that other methods start from, so that it is done once a seed.
    """

    name = "source_only"
    data_alone = True
    family = "baseline"
    starts_from = "source"
    trains_on = ("source",)

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """θ₀ is the minimum already."""
        return 0


class Pooled(Method):
    """Σ_source L + Σ_target L from a random θ₀: both domains' labels in one training set.

    Each domain counts one half by default. Use it when the domains differ little; when they differ much, the
    source examples pull the decision boundaries away from the target's.
    """

    name = "pooled"
    data_alone = True
    family = "baseline"
    serves = ("inductive",)
    trains_on = ("source", "target")


class SmallNetwork(FromScratch):
    """Σ_target L(y, f(x; θ)) from a random θ₀, f a network that few examples can teach.

    Where the scenario's network is large, training it from scratch on a handful of examples is a rival of straw. This
    one is small: for texts, convolutions over words.

    References
    ----------
    Kim, Convolutional neural networks for sentence classification, EMNLP 2014.
    """

    name = "small_network"
    data_alone = False
    tasks = ("classification",)
    reference = "Kim, EMNLP 2014"
    small = True


class LogisticRegression(Method):
    """min over W, b of  −C·Σ_target log softmax(Wx + b)[y] + ½‖W‖²  on raw x: pixels, or TF-IDF of words.

    The classical rival, and with some hundred labels a strong one. C is chosen by cross-validation within the label
    budget; with fewer than three examples of a class it is 10.
    """

    name = "logistic_regression"
    family = "baseline"
    serves = ("inductive",)
    tasks = ("classification",)
    on_raw = True

    folds: int = Field(5, ge=2, le=20, description="Parts of the cross-validation that chooses C.")

    def solve(self, seen: Seen) -> Solution:
        """Fit; an answer without an example is never given."""
        from sklearn.linear_model import LogisticRegression as Fit
        from sklearn.linear_model import LogisticRegressionCV

        from tlcore.scenarios.splits import stratified_parts

        target, answers = seen.target, seen.answers
        kinds, counts = np.unique(target.answers, return_counts=True)
        folds = min(self.folds, int(counts.min()))
        parts = stratified_parts(target, folds, seen.seed) if folds >= 3 else []
        if len(parts) < 3:
            fitted = Fit(C=10.0, max_iter=2000).fit(target.inputs, target.answers)
            strength = 10.0
        else:
            fitted = LogisticRegressionCV(
                Cs=np.logspace(-2, 3, 6),
                l1_ratios=(0.0,),
                cv=parts,
                scoring="neg_log_loss",
                max_iter=2000,
                use_legacy_attributes=False,
            ).fit(target.inputs, target.answers)
            strength = float(fitted.C_)

        def predict(inputs: np.ndarray) -> np.ndarray:
            outputs = np.full((inputs.shape[0], answers), -30.0)
            outputs[:, kinds] = fitted.predict_log_proba(inputs)
            return outputs.clip(-30.0)

        return Solution(predict, f"C = {strength:g}")


class BestFromScratch(Method):
    """The best of the scenario's baselines without the source, chosen within the label budget.

    Part of the budget is held out, the candidates learn from the rest and are told apart by the experiment's metric on
    it; the best then learns from all. With too few labels to hold some out it is the scenario's first candidate. The
    baseline of verdicts, so that transfer is not flattered by a weak rival.
    """

    name = "best_from_scratch"
    family = "baseline"
    serves = ("inductive",)
    chooses = True

    def candidates(self, own: tuple[str, ...], usable: tuple[str, ...]) -> dict[str, Method]:
        """The scenario's."""
        from tlcore.methods import METHODS

        return {name: METHODS[name]() for name in own}
