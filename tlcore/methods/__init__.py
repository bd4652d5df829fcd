"""The catalogue of methods by name, in the order of their families.

A module of a family is imported without torch: what a form or a list needs is there in a blink.
"""

from tlcore.methods.adaptive import JDOT, MEDA, EasyTL
from tlcore.methods.adversarial import CDAN, DANN, IWAN, MCD, MDD
from tlcore.methods.baselines import (
    BestFromScratch,
    BoostedTrees,
    FromScratch,
    LinearSVM,
    LogisticRegression,
    NearestNeighbours,
    PixelForest,
    Pooled,
    RidgeRegression,
    SmallNetwork,
    SourceOnly,
)
from tlcore.methods.choice import Auto
from tlcore.methods.clustering import BestGrouping, KMeans, PCAKMeans, Spectral
from tlcore.methods.collaborative import CoNet, JointLightGCN, LightGCN
from tlcore.methods.components import BDA, JDA, JGSA, TCA
from tlcore.methods.discrepancy import AFN, JMMD, MCC, MMD, DeepCORAL
from tlcore.methods.features import CORAL, GFK, PCA, FeatureExtraction, OptimalTransport, SubspaceAlignment
from tlcore.methods.instances import KLIEP, KMM, DensityRatio, DensitySelection, NearestNeighbourSelection, TrAdaBoost
from tlcore.methods.meta import MAML, Prototypical, Reptile
from tlcore.methods.parameters import (
    BSS,
    DELTA,
    L2SP,
    Adapters,
    BiasOnly,
    CoTuning,
    DiscriminativeFineTune,
    FineTune,
    Frozen,
    GradualUnfreeze,
    LinearProbeThenFineTune,
    LoRA,
    ULMFiT,
)
from tlcore.methods.quantities import DomainInvariantPLS, TrAdaBoostR2
from tlcore.methods.recommenders import ALS, BPR, CMF, EASE, EMCDR, ItemKNN, JointEASE, Popularity
from tlcore.methods.registry import METHODS, register
from tlcore.methods.self_training import SHOT, PseudoLabel, Tent
from tlcore.methods.unlabelled import (
    Autoencoder,
    CoClustering,
    Contrastive,
    JointKMeans,
    PretrainedBody,
    SelfTaught,
    SourceCentres,
    SourcePCA,
    SourceWhitening,
)

__all__ = ["METHODS", "register"]

for _method in (
    FromScratch,
    SmallNetwork,
    LogisticRegression,
    RidgeRegression,
    LinearSVM,
    NearestNeighbours,
    BoostedTrees,
    PixelForest,
    BestFromScratch,
    SourceOnly,
    Pooled,
    FineTune,
    Frozen,
    LinearProbeThenFineTune,
    GradualUnfreeze,
    DiscriminativeFineTune,
    ULMFiT,
    BiasOnly,
    LoRA,
    Adapters,
    L2SP,
    DELTA,
    BSS,
    CoTuning,
    Prototypical,
    MAML,
    Reptile,
    FeatureExtraction,
    PCA,
    SubspaceAlignment,
    CORAL,
    GFK,
    TCA,
    JDA,
    BDA,
    JGSA,
    OptimalTransport,
    MEDA,
    EasyTL,
    JDOT,
    DomainInvariantPLS,
    MMD,
    JMMD,
    DeepCORAL,
    MCC,
    AFN,
    DANN,
    CDAN,
    MCD,
    MDD,
    KMM,
    KLIEP,
    DensityRatio,
    DensitySelection,
    NearestNeighbourSelection,
    TrAdaBoost,
    TrAdaBoostR2,
    IWAN,
    PseudoLabel,
    SHOT,
    Tent,
    Auto,
    Popularity,
    ItemKNN,
    EASE,
    ALS,
    BPR,
    LightGCN,
    JointEASE,
    CMF,
    EMCDR,
    JointLightGCN,
    CoNet,
    KMeans,
    PCAKMeans,
    Spectral,
    BestGrouping,
    SourcePCA,
    SourceWhitening,
    SelfTaught,
    Autoencoder,
    Contrastive,
    PretrainedBody,
    SourceCentres,
    JointKMeans,
    CoClustering,
):
    register(_method)
