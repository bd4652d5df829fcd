"""Baselines: what a transfer method must beat."""

from __future__ import annotations

from typing import ClassVar

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
    needs = frozenset({"small network"})
    reference = "Kim, EMNLP 2014"
    small = True


class _Classical(Method):
    """A learner of `tlcore.classifiers`, or `tlcore.regressors`, on raw x and the labels that the budget bought."""

    family = "baseline"
    serves = ("inductive",)
    needs = frozenset({"labels", "rows"})
    on_raw = True
    takes_sparse = True
    classifier: ClassVar[str]

    folds: int = Field(5, ge=2, le=20, description="Parts of the cross-validation that chooses its setting.")

    def solve(self, seen: Seen) -> Solution:
        """Fit; an answer without an example is never given."""
        fit = seen.lend(self.classifier, folds=self.folds)
        predict = fit(seen.target.inputs, seen.target.answers, groups=seen.target.groups)
        return Solution(predict, getattr(fit, "note", ""))


class LogisticRegression(_Classical):
    """min over W, b of  −C·Σ_target log softmax(Wx + b)[y] + ½‖W‖²  on raw x: pixels, cells, or TF-IDF of words.

    The classical rival, and with some hundred labels a strong one. C is chosen by cross-validation within the label
    budget (`tlcore.classifiers.chosen`).
    """

    name = "logistic_regression"
    needs = frozenset({"classes", "rows"})
    classifier = "logistic"


class RidgeRegression(_Classical):
    """min over w, b of  C·Σ_target (y − w·x − b)² + ‖w‖²  on raw x: pixels, cells, or TF-IDF of words.

    The classical rival where answers are numbers. C is chosen by cross-validation within the label budget
    (`tlcore.regressors.chosen`); squares of large misses rule it.

    References
    ----------
    Hoerl & Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 1970.
    """

    name = "ridge_regression"
    needs = frozenset({"numbers", "rows"})
    reference = "Hoerl & Kennard, Technometrics 1970"
    classifier = "ridge"


class LinearSVM(_Classical):
    """min over W, b of  C·Σ_target max(0, 1 − y·(Wx + b))² + ½‖W‖²  on raw x, one class against the rest.

    Where columns outnumber labels it is often ahead of `LogisticRegression`, and its outputs are no probabilities. Of
    numbers it is a support vector regression, which minds misses beyond a tenth of the answers' spread. C is chosen by
    cross-validation within the label budget (`tlcore.classifiers.chosen`).

    References
    ----------
    Fan, Chang, Hsieh, Wang & Lin, LIBLINEAR: a library for large linear classification, JMLR 2008.
    """

    name = "linear_svm"
    reference = "Fan et al., JMLR 2008"
    classifier = "svm"


class NearestNeighbours(_Classical):
    """f(x)_c = log share of c among the k target examples whose raw x is nearest; k by cross-validation, at most 25.

    It learns nothing and assumes nothing but that near rows are answered alike, in units that can be compared. Of
    numbers f is the mean of the k answers.

    References
    ----------
    Cover & Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 1967.
    """

    name = "nearest_neighbours"
    reference = "Cover & Hart, IEEE TIT 1967"
    classifier = "neighbours"


class BoostedTrees(_Classical):
    """f(x) = Σ of up to 100 trees, each a step against the gradient of Σ_target log loss at those before it, on raw x.

    Of numbers the squared error takes the place of the log loss.
    What is usually hardest to beat on tables of a few hundred rows and more: thresholds, interactions, columns in any
    unit. On a handful of labels, or on hundreds of noisy columns, linear ones are ahead. Needs every cell.

    References
    ----------
    Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001; Grinsztajn, Oyallon
    & Varoquaux, Why do tree-based models still outperform deep learning on typical tabular data?, NeurIPS 2022.
    """

    name = "boosted_trees"
    reference = "Friedman, Ann. Stat. 2001"
    classifier = "trees"
    takes_sparse = False


class PixelForest(Method):
    """f(x) at each pixel = log mean share of 60 trees, on Gaussians, gradients and Hessians around it at four scales.

    How pictures were segmented before networks, and from one or two labelled pictures still a strong rival. It sees no
    farther than its largest scale, and gains little from many pictures.

    References
    ----------
    Arganda-Carreras et al., Trainable Weka Segmentation, Bioinformatics 2017.
    """

    name = "pixel_forest"
    reference = "Arganda-Carreras et al., Bioinformatics 2017"
    family = "baseline"
    serves = ("inductive",)
    needs = frozenset({"pixels"})
    on_raw = True
    takes_sparse = True

    trees: int = Field(60, ge=1, le=1000, description="Trees of the forest.")

    def solve(self, seen: Seen) -> Solution:
        """Grow the trees on pixels of the labelled pictures."""
        fit = seen.lend("forest", trees=self.trees)
        return Solution(fit(seen.target.inputs, seen.target.answers))


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

    @property
    def needs_every_cell(self) -> bool:
        """Those candidates that do are left out where that is too much."""
        return False

    def candidates(self, own: dict[str, type[Method]], usable: dict[str, type[Method]]) -> dict[str, Method]:
        """The scenario's."""
        return {name: method() for name, method in own.items()}
