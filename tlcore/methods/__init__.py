"""The catalogue of methods by name, in the order of their families.

A module of a family is imported without torch: what a form or a list needs is there in a blink.
"""

from tlcore.methods.base import Method
from tlcore.methods.baselines import BestFromScratch, FromScratch, LogisticRegression, Pooled, SmallNetwork, SourceOnly
from tlcore.methods.collaborative import CoNet, JointLightGCN, LightGCN
from tlcore.methods.features import CORAL, DANN, MMD, FeatureExtraction
from tlcore.methods.instances import KMM, NearestNeighbourSelection
from tlcore.methods.parameters import (
    L2SP,
    Adapters,
    BiasOnly,
    DiscriminativeFineTune,
    FineTune,
    Frozen,
    GradualUnfreeze,
    LoRA,
    ULMFiT,
)
from tlcore.methods.recommenders import ALS, BPR, CMF, EASE, EMCDR, ItemKNN, JointEASE, Popularity
from tlcore.methods.self_training import PseudoLabel

METHODS: dict[str, type[Method]] = {}


def register(method: type[Method]) -> type[Method]:
    """Add a method to the catalogue; usable as a decorator.

    Raises
    ------
    ValueError
        If the name is taken by another class.
    """
    if METHODS.setdefault(method.name, method) is not method:
        raise ValueError(f"method name {method.name!r} is taken by {METHODS[method.name].__qualname__}")
    return method


for _method in (
    FromScratch,
    SmallNetwork,
    LogisticRegression,
    BestFromScratch,
    SourceOnly,
    Pooled,
    FineTune,
    Frozen,
    GradualUnfreeze,
    DiscriminativeFineTune,
    ULMFiT,
    BiasOnly,
    LoRA,
    Adapters,
    L2SP,
    FeatureExtraction,
    CORAL,
    MMD,
    DANN,
    KMM,
    NearestNeighbourSelection,
    PseudoLabel,
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
):
    register(_method)
