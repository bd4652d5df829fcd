"""Few-shot and meta-learning: the source is cut into many small tasks, from which a start is learned, not an answer.

A task (episode) takes a few source examples of each class and calls the classes by each other's names, at random: what
helps is not to know them but to learn them fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from tlcore.cancellation import Cancelled
from tlcore.methods.base import Method

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tlcore.examples import Examples
    from tlcore.network import Network


class Task(NamedTuple):
    """A few examples to learn from and others to be scored on, all of one random naming of the classes."""

    inputs: Tensor
    answers: Tensor
    query_inputs: Tensor
    query_answers: Tensor


class _Episodic(Method):
    """Σ_target L from a θ₀ that was learned from tasks of the source; a subclass says how."""

    family = "parameter"
    serves = ("inductive",)
    needs = frozenset({"classes", "linear head"})
    starts_from = "source"

    tasks_seen: int = Field(300, ge=1, le=100_000, description="How many tasks θ₀ is learned from.")
    shots: int = Field(5, ge=1, le=100, description="Examples of a class that a task has to learn from.")
    queries: int = Field(5, ge=1, le=100, description="Examples of a class that a task is scored on.")
    meta_rate: float = Field(1e-3, gt=0, le=1, description="Step size with which θ₀ moves from task to task.")

    @property
    def needs_source_data(self) -> bool:
        """Tasks are made of source examples."""
        return True

    def meta_learn(
        self, network: Network, inputs: Tensor, answers: Tensor, seed: int, should_stop: Callable[[], bool]
    ) -> None:
        """Learn θ₀ task by task, in place."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        network.train_groups(len(network.groups))
        optimiser = torch.optim.Adam(network.parameters(), lr=self.meta_rate)
        for _ in range(self.tasks_seen):
            if should_stop():
                raise Cancelled
            task = draw(inputs, answers, network.linear.out_features, self.shots, self.queries, generator)
            optimiser.zero_grad()
            self.step(network, task)
            optimiser.step()
        network.train_groups(0)

    def step(self, network: Network, task: Task) -> None:
        """Leave in the parameters' ``grad`` where θ₀ should move for this task."""
        raise NotImplementedError


class Prototypical(_Episodic):
    """f(φ(x))_k = −‖φ(x) − c_k‖², c_k the mean of φ over the target examples of class k; φ learned from tasks.

    A prototypical network: each task asks for features in which the mean of a few examples stands for their class. On
    the target nothing is trained, so it is made for one or two labels a class and is left behind when there are fifty.

    References
    ----------
    Snell, Swersky & Zemel, Prototypical networks for few-shot learning, NeurIPS 2017.
    """

    name = "prototypical"
    reference = "Snell, Swersky & Zemel, NeurIPS 2017"

    def step(self, network: Network, task: Task) -> None:
        """Cross-entropy of the queries by their distances to the means."""
        from torch.nn.functional import cross_entropy

        centres, known = prototypes(network.body(task.inputs), task.answers, network.linear.out_features)
        distances = (network.body(task.query_inputs)[:, None] - centres[None]).square().sum(2)
        cross_entropy((-distances).masked_fill(~known, -1e9), task.query_answers).backward()

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """None: the means are the answer."""
        return 0

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Write the means into the head:  −‖φ − c‖² + ‖φ‖² = 2cᵀφ − ‖c‖²."""
        import torch

        with torch.no_grad():
            features = network.body(torch.from_numpy(target.inputs))
            centres, known = prototypes(features, torch.from_numpy(target.answers), network.linear.out_features)
            network.linear.weight.copy_(2 * centres)
            network.linear.bias.copy_(torch.where(known, -centres.square().sum(1), -1e9))
        return network


class MAML(_Episodic):
    """Σ_target L from the θ₀ that minimises  Σ over tasks of  L_query(θ₀ − η·∇L_support(θ₀) − …): good to step from.

    Model-agnostic meta-learning: after ``steps`` steps of gradient descent on a task's few examples the queries should
    be right; the gradient goes through the steps, or, ``first_order``, ignores that they depend on θ₀, which costs
    half and is about as good. On the target it is trained as `FineTune`. For one to five labels a class; with more,
    training on the source as usual and fine-tuning is cheaper and often better.

    References
    ----------
    Finn, Abbeel & Levine, Model-agnostic meta-learning for fast adaptation of deep networks, ICML 2017.
    """

    name = "maml"
    reference = "Finn, Abbeel & Levine, ICML 2017"

    steps: int = Field(3, ge=1, le=50, description="Steps of gradient descent within a task.")
    task_rate: float = Field(0.1, gt=0, le=10, description="η, the size of these steps.")
    first_order: bool = Field(False, description="Whether the gradient leaves out second derivatives.")

    def step(self, network: Network, task: Task) -> None:
        """Gradient of the queries' loss after the steps."""
        import torch
        from torch.func import functional_call
        from torch.nn.functional import cross_entropy

        fast: dict[str, Any] = dict(network.named_parameters())
        for _ in range(self.steps):
            loss = cross_entropy(functional_call(network, fast, (task.inputs,))[1], task.answers)
            gradients = torch.autograd.grad(loss, list(fast.values()), create_graph=not self.first_order)
            fast = {
                name: value - self.task_rate * gradient
                for (name, value), gradient in zip(fast.items(), gradients, strict=True)
            }
        cross_entropy(functional_call(network, fast, (task.query_inputs,))[1], task.query_answers).backward()


class Reptile(_Episodic):
    """Σ_target L from a θ₀ that moves, task by task, towards where training on the task leads: θ₀ += ε·(θ_task − θ₀).

    A first-order cousin of `MAML` without queries: a task learns from them too. ε is the step of Adam on θ₀ − θ_task,
    as the authors allow. Cheaper than `MAML`, for the same few labels and no more of them.

    References
    ----------
    Nichol, Achiam & Schulman, On first-order meta-learning algorithms, arXiv 1803.02999, 2018.
    """

    name = "reptile"
    reference = "Nichol, Achiam & Schulman, 2018"

    steps: int = Field(5, ge=1, le=100, description="Steps of gradient descent within a task.")
    task_rate: float = Field(0.1, gt=0, le=10, description="The size of these steps.")

    def step(self, network: Network, task: Task) -> None:
        """θ₀ − θ_task."""
        import torch
        from torch.func import functional_call
        from torch.nn.functional import cross_entropy

        inputs = torch.cat([task.inputs, task.query_inputs])
        answers = torch.cat([task.answers, task.query_answers])
        fast: dict[str, Any] = {name: value.detach() for name, value in network.named_parameters()}
        for _ in range(self.steps):
            fast = {name: value.requires_grad_() for name, value in fast.items()}
            loss = cross_entropy(functional_call(network, fast, (inputs,))[1], answers)
            gradients = torch.autograd.grad(loss, list(fast.values()))
            fast = {
                name: (value - self.task_rate * gradient).detach()
                for (name, value), gradient in zip(fast.items(), gradients, strict=True)
            }
        for name, value in network.named_parameters():
            value.grad = value.detach() - fast[name]


def draw(inputs: Tensor, answers: Tensor, number: int, shots: int, queries: int, generator: Generator) -> Task:
    """Return a task: of each class ``shots`` and ``queries`` other examples, as far as there are so many."""
    import torch

    names = torch.randperm(number, generator=generator).to(answers.device)
    support, query = [], []
    for kind in answers.unique():
        rows = (answers == kind).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        enough = min(shots, max(1, len(rows) // 2))
        support.append(rows[:enough])
        query.append(rows[enough : enough + queries])
    mine, theirs = torch.cat(support), torch.cat(query)
    return Task(inputs[mine], names[answers[mine]], inputs[theirs], names[answers[theirs]])


def prototypes(features: Tensor, answers: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Return the mean of the rows (n, F) of each class, (K, F), and of which classes there are rows, (K,)."""
    from torch.nn.functional import one_hot

    members = one_hot(answers, number).to(features.dtype)
    counts = members.sum(0)
    return (members.T @ features) / counts.clamp(min=1)[:, None], counts > 0
