"""The framework-free definitions (schedules, losses, optimizers, resizing) against PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.losses import Cost, CrossEntropy, NegativeLogLikelihood, Objective, interpolation_matrix
from core.optim import SGD, Adam, AdamW, global_norm_clip
from core.resize import resize_bilinear
from core.schedule import Schedule, ScheduleConfig

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional
lr_scheduler = torch.optim.lr_scheduler

N = 20


def course(policy: str, base_lr: float, iterations: int, **fields: Any) -> Schedule:
    """A schedule, its configuration's fields by name."""
    return Schedule(ScheduleConfig(policy, **fields), base_lr, iterations)  # type: ignore[arg-type]


SCHEDULES: list[tuple[Schedule, Callable[[Any], Any]]] = [
    (course("constant", 0.1, N), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    (course("poly", 0.1, N), lambda o: lr_scheduler.PolynomialLR(o, total_iters=N, power=0.9)),
    (
        course("poly", 0.1, N + 1, power=2.0, last_is_end=True),
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=N, power=2.0),
    ),
    (course("cosine", 0.1, N, end_lr=0.02), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=N, eta_min=0.02)),
    (
        course("step", 0.1, N, milestones=(5, 12), gamma=0.3),
        lambda o: lr_scheduler.MultiStepLR(o, milestones=[5, 12], gamma=0.3),
    ),
    (
        course("poly", 0.1, N, warmup_iterations=7, warmup_ratio=0.1),
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.PolynomialLR(o, N, power=0.9), lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=7)]
        ),
    ),
    (
        course("step", 0.1, N, milestones=(5,), warmup="constant", warmup_iterations=7, warmup_ratio=0.25),
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.MultiStepLR(o, [5]), lr_scheduler.ConstantLR(o, factor=0.25, total_iters=7)]
        ),
    ),
]


@pytest.mark.parametrize(
    ("schedule", "make"), SCHEDULES, ids=lambda value: getattr(getattr(value, "config", None), "policy", "")
)
def test_schedules(schedule: Schedule, make: Callable[[Any], Any]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=schedule.base_lr)
    scheduler = make(optimizer)
    for iteration in range(N):
        assert schedule(iteration) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), iteration
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("smoothing", [0.0, 0.15])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0, 1.5)])
def test_cross_entropy(weights: tuple[float, ...] | None, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 3, 5))
    labels = rng.integers(0, 4, (2, 3, 5))
    labels[rng.random(labels.shape) < 0.3] = 255
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    criteria = [(CrossEntropy(smoothing=smoothing, class_weights=weights), F.cross_entropy)]
    if smoothing == 0:
        criteria.append((NegativeLogLikelihood(class_weights=weights), F.nll_loss))
    for term, criterion in criteria:
        value, gradient = term(logits, labels)
        tensor = torch.tensor(logits, requires_grad=True)
        options = {"label_smoothing": smoothing} if smoothing else {}
        theirs = criterion(tensor, torch.tensor(labels), weight=weight, ignore_index=255, **options)
        theirs.backward()
        assert value == pytest.approx(theirs.item(), rel=1e-12)
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_sum_over_outputs(align_corners: bool) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (2, 9, 8))
    labels[:, 2] = 255
    outputs = [rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 3, 2))]
    weights = (1.0, 0.4)
    costs = [Cost(i, CrossEntropy(weight=weight)) for i, weight in enumerate(weights)]
    objective = Objective(costs, [labels], align_corners)
    values, gradients = objective(outputs)
    tensors = [torch.tensor(x, requires_grad=True) for x in outputs]
    theirs = sum(
        weight
        * F.cross_entropy(
            F.interpolate(x, (9, 8), mode="bilinear", align_corners=align_corners),
            torch.tensor(labels),
            ignore_index=255,
        )
        for x, weight in zip(tensors, weights)
    )
    theirs.backward()
    assert objective.total(values) == pytest.approx(theirs.item(), rel=1e-12)
    for gradient, tensor in zip(gradients, tensors):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-13)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(7, 9), (20, 3), (1, 1), (64, 100)])
def test_resize(size: tuple[int, int], align_corners: bool) -> None:
    x = np.random.default_rng(2).normal(size=(3, 7, 10)).astype(np.float32)
    theirs = F.interpolate(torch.tensor(x)[None], size, mode="bilinear", align_corners=align_corners)[0].numpy()
    np.testing.assert_allclose(resize_bilinear(x, size, align_corners), theirs, atol=2e-5)
    exact = F.interpolate(torch.tensor(x).double()[None], size, mode="bilinear", align_corners=align_corners)[0].numpy()
    rows, columns = (interpolation_matrix(*sides, align_corners) for sides in zip(x.shape[1:], size))
    np.testing.assert_allclose(rows @ x.astype(np.float64) @ columns.T, exact, atol=1e-13)


OPTIMIZERS = [
    (lambda g: SGD(g, momentum=0.9), lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9)),
    (lambda g: SGD(g, momentum=0.0), lambda p: torch.optim.SGD(p, lr=1.0)),
    (lambda g: SGD(g, momentum=0.9, nesterov=True), lambda p: torch.optim.SGD(p, 1.0, momentum=0.9, nesterov=True)),
    (lambda g: Adam(g, betas=(0.5, 0.999)), lambda p: torch.optim.Adam(p, lr=1.0, betas=(0.5, 0.999))),
    (lambda g: AdamW(g, epsilon=1e-3), lambda p: torch.optim.AdamW(p, lr=1.0, eps=1e-3)),
]


@pytest.mark.parametrize("which", range(len(OPTIMIZERS)))
def test_optimizers_over_several_steps(which: int) -> None:
    make_ours, make_theirs = OPTIMIZERS[which]
    rng = np.random.default_rng(3)
    groups = {"a": (1.0, 0.01), "b": (10.0, 0.0), "c": (0.5, 0.3)}
    ours = {name: rng.normal(size=(3, 4)) for name in groups}
    tensors = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in ours.items()}
    optimizer = make_ours(groups)
    theirs = make_theirs([{"params": [tensors[name]], "weight_decay": decay} for name, (_, decay) in groups.items()])
    for step in range(6):
        lr = 0.1 * 0.7**step
        gradients = {name: rng.normal(size=(3, 4)) for name in groups}
        for group, (name, (multiplier, _)) in zip(theirs.param_groups, groups.items()):
            group["lr"] = lr * multiplier
            tensors[name].grad = torch.tensor(gradients[name])
        theirs.step()
        optimizer.step(ours, gradients, lr)
        for name in groups:
            np.testing.assert_allclose(ours[name], tensors[name].detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_global_norm_clip(max_norm: float) -> None:
    rng = np.random.default_rng(4)
    gradients = {name: rng.normal(size=(3, 4)) for name in "ab"}
    tensors = [torch.zeros(3, 4, dtype=torch.float64, requires_grad=True) for _ in gradients]
    for tensor, gradient in zip(tensors, gradients.values()):
        tensor.grad = torch.tensor(gradient)
    theirs = torch.nn.utils.clip_grad_norm_(tensors, max_norm)
    clipped, norm = global_norm_clip(gradients, max_norm)
    assert norm == pytest.approx(theirs.item(), rel=1e-12)
    for tensor, gradient in zip(tensors, clipped.values()):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12)
