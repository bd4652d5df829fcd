"""Groups of the target, found with what the source's unlabelled examples teach.

Σ over target rows of  min over k of ‖φ(x) − c_k‖²  is what most of them minimise over centres c. What the source gives
is φ (principal components, a dictionary, a code, a body), where the centres start (θ₀), or rows of its own in the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from tlcore.cancellation import Cancelled
from tlcore.examples import Examples
from tlcore.methods.base import FeatureMap, Predict, Seen
from tlcore.methods.clustering import Grouping, KMeans, Spectral, centres_of, nearest, of_length_one, principal

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.network import Network


class _Carried(Grouping):
    """Groups found in φ(x), in which they may be as round, or of any shape, as `KMeans` and `Spectral` find them."""

    by: Literal["kmeans", "spectral"] = Field(
        "kmeans", description="kmeans: round groups. spectral: by the graph of nearest neighbours, of any shape."
    )

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """As chosen."""
        return (KMeans if self.by == "kmeans" else Spectral)(starts=self.starts).find(rows, seen)


class _Learned(_Carried):
    """argmin over c of  Σ_target min_k ‖φ(x) − c_k‖²,  φ learned from unlabelled rows; a subclass says how."""

    learn_from: Literal["source", "target", "both"] = Field(
        "source",
        description="Whose unlabelled rows φ is learned from; the target's alone is the same method from scratch.",
    )

    @property
    def needs_source_data(self) -> bool:
        """Unless it is the same method from scratch."""
        return self.learn_from != "target"

    def carried(self, seen: Seen) -> FeatureMap:
        """φ of the rows that were chosen."""
        parts = {"source": [seen.source.inputs], "target": [seen.unlabelled]}
        parts["both"] = [*parts["source"], *parts["target"]]
        return self.learned(np.concatenate(parts[self.learn_from]), seen)

    def learned(self, rows: np.ndarray, seen: Seen) -> FeatureMap:
        """Return φ from rows (n, F)."""
        raise NotImplementedError


class SourcePCA(_Learned):
    """argmin over c of  Σ_target min_k ‖P(x − x̄) − c_k‖²,  P the first principal components of the source's rows.

    Directions in which many source examples differ are those in which few target examples can be told apart, if the
    domains are made of the same; what varies in the target alone is lost.

    References
    ----------
    Raina, Battle, Lee, Packer & Ng, Self-taught learning, ICML 2007, where sparse codes are
    set against it.
    """

    name = "source_pca"
    reference = "Raina et al., ICML 2007"

    components: int = Field(32, ge=1, le=1000, description="How many principal components are kept, at most.")

    def learned(self, rows: np.ndarray, seen: Seen) -> FeatureMap:
        """Onto the components."""
        return principal(rows, self.components, seen.seed)


class SourceWhitening(SourcePCA):
    """argmin over c of  Σ_target min_k ‖φ(x) − c_k‖²,  φ(x) = z/‖z‖,  z = Λ^(−½)·P(x − x̄)  by the source's rows.

    Each direction counts the same, however much the source varies along it, and only the angle between rows matters.
    k-means sees what is rare as well as what is common; with many components, noise too.

    References
    ----------
    Coates & Ng, Learning feature representations with k-means, 2012: why to whiten before.
    """

    name = "source_whitening"
    reference = "Coates & Ng, 2012"

    def learned(self, rows: np.ndarray, seen: Seen) -> FeatureMap:
        """Onto the components, each of variance one, then to length one."""
        place = principal(rows, self.components, seen.seed)
        spread = place(rows).std(0)
        spread = np.where(spread > 1e-6 * spread.max(initial=0), spread, np.inf)

        def white(some: np.ndarray) -> np.ndarray:
            return of_length_one(place(some) / spread)

        return white


class SelfTaught(_Learned):
    """argmin over c of  Σ_target min_k ‖a(x) − c_k‖²,  a(x) = argmin over a of  ½‖x − x̄ − Ba‖² + α·s·‖a‖₁.

    Self-taught learning: the dictionary B, of unit columns, minimises the same over source rows, of which it needs no
    labels and not even the same classes. Each row is said by few of its atoms. s is the rows' root mean square length,
    so that α has no unit.

    References
    ----------
    Raina, Battle, Lee, Packer & Ng, Self-taught learning: transfer learning from unlabeled data, ICML 2007; B found as
    Mairal, Bach, Ponce & Sapiro, Online dictionary learning for sparse coding, ICML 2009.
    """

    name = "self_taught"
    reference = "Raina et al., ICML 2007"

    atoms: int = Field(64, ge=2, le=2000, description="Columns of B.")
    sparsity: float = Field(0.05, gt=0, le=10, description="α: the larger, the fewer atoms say a row.")
    passes: int = Field(3, ge=1, le=100, description="How often B is learned from all rows.")

    def learned(self, rows: np.ndarray, seen: Seen) -> FeatureMap:
        """To the codes by a dictionary of these rows."""
        from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

        centre = rows.mean(0)
        alpha = self.sparsity * float(np.sqrt(np.square(rows - centre).sum(1).mean()))
        learner = MiniBatchDictionaryLearning(
            self.atoms, alpha=alpha, max_iter=self.passes, fit_algorithm="cd", batch_size=256, random_state=seen.seed
        )
        atoms = learner.fit(rows - centre).components_
        return lambda some: sparse_encode(some - centre, atoms, alpha=alpha, algorithm="lasso_cd", max_iter=200)


class Autoencoder(_Learned):
    """argmin over c of  Σ_target min_k ‖g(x) − c_k‖²,  g the code of  min over g, h of  Σ_source ‖x − h(g(x̃))‖².

    x̃ is x with some cells put to the source's mean, so that the code must say what cells have to do with each other. g
    and h have one hidden layer each. Of a few hundred rows it learns little that `SourcePCA` does not.

    References
    ----------
    Vincent, Larochelle, Bengio & Manzagol, Extracting and composing robust features with denoising autoencoders, ICML
    2008; its code for groups, Xie, Girshick & Farhadi, Unsupervised deep embedding for clustering analysis, ICML 2016.
    """

    name = "autoencoder"
    reference = "Vincent et al., ICML 2008"

    code: int = Field(10, ge=1, le=1000, description="Numbers that a row is said by.")
    hidden: int = Field(256, ge=1, le=4096, description="Units of the layer between.")
    dropped: float = Field(0.2, ge=0, lt=1, description="Share of the cells that are put to the mean.")
    steps: int = Field(2000, ge=1, le=1_000_000, description="Batches of 128 rows.")
    rate: float = Field(1e-3, gt=0, le=1, description="Step size of Adam.")

    def learned(self, rows: np.ndarray, seen: Seen) -> FeatureMap:
        """To the code."""
        import torch
        from torch import nn

        torch.manual_seed(seen.seed)
        centre, scale = rows.mean(0), float(rows.std()) or 1.0
        inputs, width = torch.from_numpy((rows - centre) / scale).float(), rows.shape[1]
        into = nn.Sequential(nn.Linear(width, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.code))
        back = nn.Sequential(nn.Linear(self.code, self.hidden), nn.ReLU(), nn.Linear(self.hidden, width))
        optimiser = torch.optim.Adam([*into.parameters(), *back.parameters()], lr=self.rate)
        for _ in range(self.steps):
            batch = inputs[torch.randint(len(inputs), (128,))]
            kept = batch * (torch.rand_like(batch) >= self.dropped)
            optimiser.zero_grad()
            (back(into(kept)) - batch).square().mean().backward()
            optimiser.step()
        into.eval()

        def code(some: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                coded: np.ndarray = into(torch.from_numpy((some - centre) / scale).float()).double().numpy()
            return coded

        return code


class SourceCentres(Grouping):
    """argmin over c of  Σ_target min_k ‖x − c_k‖²  by steps of k-means from θ₀ = the centres of the source's groups.

    With as many groups as the target has. k-means ends at the nearest of many minima; if the domains have the same
    groups, those of the source are near the right one.

    References
    ----------
    Basu, Banerjee & Mooney, Semi-supervised clustering by seeding, ICML 2002: what good starts are worth.
    """

    name = "source_centres"
    family = "parameter"
    reference = "Basu, Banerjee & Mooney, ICML 2002"
    trains_on = ("source",)

    def studied(self, seen: Seen) -> Seen:
        """The source is its centres."""
        centres = centres_of(seen.source.inputs, seen.answers, seen.seed, self.starts)
        return replace(seen, source=Examples(centres, np.arange(len(centres))))

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """From the source's centres on."""
        from sklearn.cluster import KMeans as Lloyd

        start = seen.source.inputs
        return nearest(Lloyd(len(start), init=start, n_init=1).fit(rows).cluster_centers_)


class JointKMeans(Grouping):
    """argmin over c of  s·mean_source min_k ‖x − c_k‖² + (1 − s)·mean_target min_k ‖x − c_k‖²:  one grouping of both.

    Each domain has its share of the sum, whatever its size. Source rows fill in what few target
    rows leave open; where the domains lie apart, groups become domains.

    References
    ----------
    Dhillon & Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 2001: k-means;
    the sum over both domains as in `pooled`.
    """

    name = "joint_kmeans"
    family = "instance"
    reference = "Dhillon & Modha, Machine Learning 2001"
    trains_on = ("source",)

    share: float = Field(0.5, gt=0, lt=1, description="s, the share of the sum that source rows have.")
    most: int = Field(2000, ge=1, description="Source rows in the sum, drawn at random where there are more.")

    def studied(self, seen: Seen) -> Seen:
        """The source is as many of its rows as are wanted."""
        order = np.random.default_rng(seen.seed).permutation(len(seen.source))
        return replace(seen, source=seen.source[np.sort(order[: self.most])])

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """In the rows of both."""
        parts = ((seen.source.inputs, self.share), (rows, 1 - self.share))
        weights = np.concatenate([np.full(len(part), share / len(part)) for part, share in parts])
        both = np.concatenate([part for part, _ in parts])
        return nearest(centres_of(both, seen.answers, seen.seed, self.starts, weights * len(both)))


class CoClustering(Grouping):
    """min over groups of rows and columns of  I(X, Z) − I(X̃, Z̃) + λ·(I(Y, Z) − I(Ỹ, Z̃)):  self-taught clustering.

    X and Y are rows of target and source, Z the columns that both have, a tilde their groups: what grouping loses of
    the information between rows and columns. The groups of columns are one for both domains; so the source says which
    columns belong together. Cells are taken for counts, less the smallest of their column.

    References
    ----------
    Dai, Yang, Xue & Yu, Self-taught clustering, ICML 2008; Dhillon, Mallela & Modha, Information-theoretic
    co-clustering, KDD 2003.
    """

    name = "co_clustering"
    reference = "Dai et al., ICML 2008"
    trains_on = ("source",)

    columns: int = Field(64, ge=2, le=5000, description="Groups of columns, at most as many as there are columns.")
    weight: float = Field(1.0, ge=0, le=1000, description="λ, how much the source says about columns.")
    rounds: int = Field(20, ge=1, le=1000, description="Rounds of regrouping rows and columns.")

    most: int = Field(2000, ge=1, description="Source rows that count, drawn at random where there are more.")

    def studied(self, seen: Seen) -> Seen:
        """The source is as many of its rows as are wanted, with the groups of k-means, in which they start."""
        order = np.random.default_rng(seen.seed).permutation(len(seen.source))
        rows = seen.source.inputs[np.sort(order[: self.most])]
        groups = nearest(centres_of(rows, seen.answers, seen.seed, 1))(rows).argmax(1)
        return replace(seen, source=Examples(rows, groups))

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """Regroup rows, source rows and columns in turn, each where it loses least."""
        lowest = np.minimum(rows.min(0), seen.source.inputs.min(0))
        target, source = (_shares(part - lowest) for part in (rows, seen.source.inputs))
        number = min(self.columns, rows.shape[1])
        kinds, seed = np.eye(seen.answers), seen.seed
        of_target = kinds[nearest(centres_of(rows, seen.answers, seed, self.starts))(rows).argmax(1)]
        of_source = kinds[seen.source.answers]
        profiles = np.concatenate([target * len(target), source * len(source)]).T
        of_columns = np.eye(number)[nearest(centres_of(profiles, number, seed, 1))(profiles).argmax(1)]
        for _ in range(self.rounds):
            told = [_told(part, groups, of_columns) for part, groups in ((target, of_target), (source, of_source))]
            of_target, of_source = (
                kinds[(part @ of_columns @ gain.T).argmax(1)] for part, gain in zip((target, source), told, strict=True)
            )
            here, there = (
                _told(part, groups, of_columns) for part, groups in ((target, of_target), (source, of_source))
            )
            gains = (of_target.T @ target).T @ here + self.weight * (of_source.T @ source).T @ there
            of_columns = np.eye(number)[gains.argmax(1)]
        gain = _told(target, of_target, of_columns)
        return lambda more: _shares(np.maximum(more - lowest, 0)) @ of_columns @ gain.T


class PretrainedBody(_Carried):
    """argmin over c of  Σ_target min_k ‖φ(x)/‖φ(x)‖ − c_k‖²,  φ the body of a network that has learned elsewhere.

    For pictures a network that knows ImageNet, for texts an encoder. Nothing of it is trained here.

    References
    ----------
    Guérin, Gibaru, Thiery & Nyiri, CNN features are also great at unsupervised classification, AIFU 2018.
    """

    name = "pretrained_body"
    family = "parameter"
    needs = frozenset({"groups", "pretraining"})
    reference = "Guérin et al., AIFU 2018"
    on_raw = False
    on_features = True

    def carried(self, seen: Seen) -> FeatureMap:
        """The body's features, of length one."""
        return of_length_one


class Contrastive(PretrainedBody):
    """As `PretrainedBody`, φ trained by  −log exp(s(x, x̃)/τ) / Σ_x' exp(s(x, x̃')/τ)  on unlabelled source examples.

    x̃ is x with a share of its cells taken from other examples, s the cosine of what a small network makes of both
    features: an example shall know its own spoiled copy among all of a batch. What is spoiled is any cell, as nothing
    is known here of what a cell means; of pictures, cutting and turning would teach more.

    References
    ----------
    Bahri, Jiang, Tay & Metzler, SCARF: self-supervised contrastive learning using random feature corruption, ICLR 2022;
    Chen, Kornblith, Norouzi & Hinton, A simple framework for contrastive learning of visual representations, ICML 2020.
    """

    name = "contrastive"
    needs = frozenset({"groups"})
    reference = "Bahri et al., ICLR 2022"
    trains_on = ("source",)

    spoiled: float = Field(0.6, gt=0, lt=1, description="Share of the cells that are another example's.")
    temperature: float = Field(0.5, gt=0, le=10, description="τ.")
    steps: int = Field(500, ge=1, le=1_000_000, description="Batches of 128 source examples.")
    rate: float = Field(1e-3, gt=0, le=1, description="Step size of Adam.")

    def meta_learn(
        self, network: Network, inputs: Tensor, answers: Tensor, seed: int, should_stop: Callable[[], bool]
    ) -> None:
        """Train the body on pairs of an example and its spoiled copy, in place."""
        import torch
        from torch import nn
        from torch.nn.functional import cross_entropy, normalize

        generator = torch.Generator().manual_seed(seed)
        inputs = inputs.cpu()
        width = network(inputs[:2])[0].shape[1]
        above = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 64))
        network.train_groups(len(network.groups))
        optimiser = torch.optim.Adam([*network.body.parameters(), *above.parameters()], lr=self.rate)
        for _ in range(self.steps):
            if should_stop():
                raise Cancelled
            batch = inputs[torch.randint(len(inputs), (min(128, len(inputs)),), generator=generator)]
            others = inputs.reshape(len(inputs), -1)
            cells = torch.randint(len(inputs), (len(batch), others.shape[1]), generator=generator)
            strange = others.gather(0, cells).reshape(batch.shape)
            copies = torch.where(torch.rand(batch.shape, generator=generator) < self.spoiled, strange, batch)
            one, other = (normalize(above(network(view)[0])) for view in (batch, copies))
            optimiser.zero_grad()
            cross_entropy(one @ other.T / self.temperature, torch.arange(len(batch))).backward()
            optimiser.step()
        network.train_groups(0)


def _told(shares: np.ndarray, of_rows: np.ndarray, of_columns: np.ndarray) -> np.ndarray:
    """Return  log p(r̃, c̃) / (p(r̃)·p(c̃))  of groups of rows and columns, (K, L), from p (n, F) and who is in which."""
    together = of_rows.T @ shares @ of_columns + 1e-12
    by_chance = together.sum(1, keepdims=True) * together.sum(0, keepdims=True)
    told: np.ndarray = np.log(together / by_chance)
    return told


def _shares(cells: np.ndarray) -> np.ndarray:
    total = cells.sum()
    return cells / total if total else np.full(cells.shape, 1 / cells.size)
