"""Methods by attention against their formulas, on attentions computed in other ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import make_classifier
from conftest import quick_settings as settings
from explaining import SEEDS, TARGETS, assert_same_maps, run
from sightline.errors import SightlineError
from sightline.methods.attention.attention_rollout import fuse
from sightline.methods.catalogue import CATALOGUE
from sightline.models.attention import Attentions
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.models.state import hooks
from sightline.models.tokens import find_attention, no_attention


class Case(NamedTuple):
    """A transformer, its tokens before those of the image, and the rows that its score reads."""

    name: str
    args: dict[str, Any]
    prefix: int
    rows: str


CASES = [
    Case("test_vit", {}, 1, "first"),
    Case("test_vit2", {}, 1, "image"),
    Case("test_vit3", {"img_size": 96}, 1, "pool"),
    Case("deit_tiny_distilled_patch16_224", {"depth": 3, "img_size": 96}, 2, "prefix"),
    Case("vit_little_patch16_reg4_gap_256", {"depth": 2, "img_size": 96}, 4, "image"),
    Case("vit_small_patch16_dinov3", {"depth": 2, "img_size": 96}, 5, "image"),
    Case("beit_base_patch16_224", {"depth": 2, "img_size": 96}, 1, "image"),
    Case("deit3_small_patch16_224", {"depth": 2, "img_size": 96}, 1, "first"),
]
TOKENS = 36
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def transformers() -> dict[str, Classifier]:
    return {
        case.name: make_classifier(case.name, args={"num_classes": 8} | case.args) for case in CASES
    }


def rows_of(case: Case, tokens: int) -> list[int]:
    if case.rows == "first":
        return [0]
    return list(range(case.prefix) if case.rows == "prefix" else range(case.prefix, tokens))


@contextmanager
def unfused(module: nn.Module) -> Iterator[list[Tensor]]:
    """Attentions as timm's own modules compute them, step by step."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, attention: Tensor) -> Tensor:
        attention = attention.clone()
        if attention.requires_grad:
            attention.retain_grad()
        kept.append(attention)
        return attention

    fused = [one for one in module.modules() if hasattr(one, "fused_attn")]
    before = [one.fused_attn for one in fused]
    places = [one.attn_drop for one in fused if hasattr(one, "attn_drop")]
    try:
        for one in fused:
            one.fused_attn = False
        with hooks(place.register_forward_hook(keep) for place in places):
            yield kept
    finally:
        for one, flag in zip(fused, before, strict=True):
            one.fused_attn = flag


def by_hand(module: nn.Module, images: Tensor) -> list[np.ndarray]:
    """Attentions softmax(Q K^T / sqrt(d)) of what the layers' qkv gives, in float64."""
    kept: list[np.ndarray] = []
    blocks = [one for one in module.modules() if hasattr(one, "qkv")]

    def keep(block: Any, qkv: Tensor) -> None:
        count, tokens, _ = qkv.shape
        q, k, _ = qkv.view(count, tokens, 3, block.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k = block.q_norm(q).double().numpy(), block.k_norm(k).double().numpy()
        logits = np.einsum("nhid,nhjd->nhij", q, k) / math.sqrt(q.shape[-1])
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        kept.append(weights / weights.sum(axis=-1, keepdims=True))

    def hook(block: Any) -> Any:
        return block.qkv.register_forward_hook(lambda _module, _args, qkv: keep(block, qkv))

    with torch.no_grad(), hooks(hook(block) for block in blocks):
        module(images)
    return kept


def rolled_out(attentions: list[np.ndarray], heads: str = "mean", discard: float = 0) -> np.ndarray:
    """Rollout of each image, row by row; a last attention of another shape pools."""
    found = []
    for number in range(len(attentions[0])):
        product = None
        for layer in attentions:
            weights = getattr(np, heads)(layer[number].astype(float), axis=0)
            lowest = np.argsort(weights, axis=None)[: int(weights.size * discard)]
            weights.flat[lowest] = 0
            if weights.shape[0] == weights.shape[1]:
                weights = weights + np.eye(len(weights))
            weights = np.array([row / row.sum() for row in weights])
            product = weights if product is None else weights @ product
        found.append(product)
    return np.array(found)


def as_map(case: Case, relevance: np.ndarray) -> Tensor:
    if case.rows != "pool":
        relevance = relevance[:, rows_of(case, relevance.shape[-1])]
    tokens = relevance.mean(axis=1)[:, case.prefix : case.prefix + TOKENS]
    return torch.from_numpy(tokens.reshape(-1, 6, 6)).float()


# --- What is read -------------------------------------------------------------------------------


@each_case
def test_the_tokens_and_rows_that_are_read(
    case: Case, transformers: dict[str, Classifier], unchanged: Callable[[nn.Module], Any]
) -> None:
    classifier = transformers[case.name]
    with unchanged(classifier.module):
        found = find_attention(classifier)
    assert (found.tokens.prefix, found.tokens.height, found.tokens.width) == (case.prefix, 6, 6)
    assert found.pooled == (case.rows == "pool")
    assert list(found.rows) == ([] if found.pooled else rows_of(case, case.prefix + TOKENS))
    assert no_attention(classifier) is None


@each_case
def test_attentions_are_those_of_timms_own_steps(
    case: Case, transformers: dict[str, Classifier], images: Tensor
) -> None:
    module, seen = transformers[case.name].module, []

    def see(attention: Tensor) -> Tensor:
        seen.append(attention)
        return attention

    with torch.no_grad():
        with Attentions(see) as watched:
            scores = module(images)
        assert watched.unread == []
        torch.testing.assert_close(scores, module(images), rtol=1e-4, atol=1e-4)
        with unfused(module) as expected:
            module(images)
    squares = [one for one in seen if one.shape[-2] == one.shape[-1]]
    assert len(squares) == len(expected) > 1
    for found, known in zip(squares, expected, strict=True):
        torch.testing.assert_close(found, known, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found.sum(dim=-1), torch.ones(found.shape[:-1]))


# --- Rollout ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("heads", "discard"), [("mean", 0), ("max", 0.9), ("min", 0.5)])
@pytest.mark.parametrize("case", [CASES[i] for i in (0, 1, 3, 4, 7)], ids=lambda case: case.name)
def test_rollout_is_the_formula_on_queries_and_keys(
    case: Case, heads: str, discard: float, transformers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = transformers[case.name]
    attentions = by_hand(classifier.module, images)
    expected = rolled_out(attentions, heads, discard)
    np.testing.assert_allclose(expected.sum(axis=-1), 1)
    found = run("attention_rollout", classifier, images, heads=heads, discard=discard).maps
    # Rounding may discard another of two entries that are nearly the same.
    tolerance = 1e-5 if not discard else 5e-3
    expected_map = as_map(case, expected)
    peaks = expected_map.amax(dim=(1, 2), keepdim=True)
    assert ((found - expected_map).abs() <= tolerance * peaks).all()


@each_case
def test_rollout_is_the_formula_on_timms_own_attention(
    case: Case, transformers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = transformers[case.name]
    with torch.no_grad(), unfused(classifier.module) as kept:
        classifier.module(images)
    attentions = [one.numpy() for one in kept]
    if case.rows == "pool":
        attentions.append(pooling(classifier.module, images).numpy())
    assert_same_maps(
        run("attention_rollout", classifier, images).maps, as_map(case, rolled_out(attentions))
    )


def pooling(module: Any, images: Tensor) -> Tensor:
    """The attention of the pooling query, from its own weights."""
    pool, kept = module.attn_pool, []
    with (
        torch.no_grad(),
        hooks([pool.register_forward_pre_hook(lambda _, args: kept.append(args))]),
    ):
        module(images)
    (tokens,) = kept[0]
    with torch.no_grad():
        k, _ = pool.kv(tokens).unflatten(-1, (2, pool.num_heads, -1)).unbind(2)
        q = pool.q(pool.latent).unflatten(-1, (pool.num_heads, -1))
        k, q = pool.k_norm(k), pool.q_norm(q)
        logits = torch.einsum("qihd,njhd->nhij", q, k) * pool.scale
    return logits.softmax(dim=-1)


def test_what_is_discarded_is_the_lowest() -> None:
    attention = torch.tensor([[[[0.15, 0.2], [0.3, 0.4]], [[0.5, 0.0], [0.1, 0.2]]]])
    expected = {
        ("mean", 0.0): [[0.325, 0.1], [0.2, 0.3]],
        ("mean", 0.25): [[0.325, 0.0], [0.2, 0.3]],
        ("max", 0.5): [[0.5, 0.0], [0.0, 0.4]],
        ("min", 0.7): [[0.15, 0.0], [0.0, 0.2]],
    }
    for (heads, discard), values in expected.items():
        torch.testing.assert_close(fuse(attention, heads, discard), torch.tensor([values]))


# --- Weighted by its gradient -------------------------------------------------------------------


@each_case
def test_gradient_attention_is_the_formula(
    case: Case, transformers: dict[str, Classifier], images: Tensor
) -> None:
    classifier = transformers[case.name]
    module = classifier.module
    pooled: list[Tensor] = []

    def see(attention: Tensor) -> Tensor:
        if attention.shape[-2] != attention.shape[-1]:
            attention.retain_grad()
            pooled.append(attention)
        return attention

    with unfused(module) as kept, Attentions(see):
        scores = module(images.clone().requires_grad_())
        scores.gather(1, TARGETS[:, None]).sum().backward()
    module.zero_grad(set_to_none=True)
    found = []
    for number in range(len(images)):
        weighted = []
        for one in [*kept, *pooled]:
            assert one.grad is not None
            product = (one.detach() * one.grad)[number].numpy().astype(float)
            weighted.append(np.where(product > 0, product, 0).mean(axis=0))
        tokens = weighted[0].shape[1]
        gathered = np.eye(tokens)
        for one in weighted:
            gathered = gathered + one @ gathered if len(one) == tokens else one @ gathered
        found.append(gathered - np.eye(tokens) if case.rows != "pool" else gathered)
    expected = as_map(case, np.array(found))
    maps = run("gradient_attention", classifier, images).maps
    peaks = expected.amax(dim=(1, 2), keepdim=True)
    assert (peaks > 0).all()
    assert ((maps - expected).abs() <= 1e-4 * peaks).all()


# --- Torch's own attention ----------------------------------------------------------------------


def test_torchvisions_attention_is_seen(images: Tensor) -> None:
    classifier = make_classifier("torchvision:vit_b_16", args={"num_classes": 8, "image_size": 96})
    layers = [one for one in classifier.module.modules() if isinstance(one, nn.MultiheadAttention)]
    attentions: list[np.ndarray] = []

    def keep(module: Any, args: Any, _output: Any) -> None:
        with torch.no_grad():
            tokens = args[0]
            _, weights = module.forward(tokens, tokens, tokens, average_attn_weights=False)
            attentions.append(weights.numpy())

    with torch.no_grad(), hooks(one.register_forward_hook(keep) for one in layers):
        scores = classifier.module(images)
    assert len(attentions) == 12
    with torch.no_grad(), Attentions(lambda attention: attention) as watched:
        torch.testing.assert_close(classifier.module(images), scores, rtol=1e-4, atol=1e-4)
    assert watched.unread == []
    found = run("attention_rollout", classifier, images).maps
    assert_same_maps(found, as_map(Case("", {}, 1, "first"), rolled_out(attentions)))
    assert (run("gradient_attention", classifier, images).maps > 0).any()


@pytest.mark.parametrize("masked", [None, "float", "bool", "causal", "grouped"])
def test_fused_attention_step_by_step_is_the_kernel(masked: str | None) -> None:
    generator = torch.Generator().manual_seed(3)
    q, k, v = torch.randn(3, 2, 4, 7, 5, generator=generator)
    how: dict[str, Any] = {}
    if masked == "float":
        how = {"attn_mask": torch.randn(2, 1, 7, 7, generator=generator), "scale": 0.3}
    if masked == "bool":
        how = {"attn_mask": torch.rand(7, 7, generator=generator) > 0.3}
    if masked == "causal":
        how = {"is_causal": True}
    if masked == "grouped":
        k, v, how = k[:, :2], v[:, :2], {"enable_gqa": True}
    expected = nn.functional.scaled_dot_product_attention(q, k, v, **how)
    seen = []
    with Attentions(lambda attention: seen.append(attention) or attention):
        found = nn.functional.scaled_dot_product_attention(q, k, v, **how)
    torch.testing.assert_close(found, expected)
    assert seen[0].shape == (2, 4, 7, 7)


# --- A truth that is known ----------------------------------------------------------------------


class Bright(nn.Module):
    """A block whose tokens all attend to the brightest one."""

    def __init__(self, mixing: bool = False) -> None:
        super().__init__()
        self.mixing = mixing

    def forward(self, tokens: Tensor) -> Tensor:
        key = tokens[:, None, :, :1] * 100
        query = torch.ones_like(key)
        seen = nn.functional.scaled_dot_product_attention(query, key, tokens[:, None])[:, 0]
        # What does not look at the others by attention.
        other = tokens.roll(1, dims=1) if self.mixing else 0
        return tokens + 0.1 * seen + other


class Tokens(nn.Module):
    """Blocks over the patches' mean colours, averaged."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.embed = nn.AvgPool2d(4)
        self.flat = nn.Flatten(2)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(3, 5)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            nn.init.normal_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.flat(self.embed(images)).transpose(1, 2)
        return self.head(self.blocks(tokens).mean(dim=1))


def tokens_of(*blocks: nn.Module) -> Classifier:
    return Classifier(Tokens(*blocks), Preprocessing((24, 24)), name="odd")


def test_where_all_attend_to_one_token_it_gets_all() -> None:
    pictures = torch.zeros(3, 3, 24, 24)
    for number, (row, column) in enumerate([(0, 0), (2, 3), (5, 1)]):
        pictures[number, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 1
    classifier = tokens_of(Bright(), Bright())
    found = CATALOGUE["attention_rollout"].load()(
        classifier, pictures, torch.tensor([0, 1, 2]), SEEDS, settings("attention_rollout")
    )
    # (A/2 + I/2)^2 = 3/4 A + 1/4 I with A the same row throughout.
    expected = torch.full((3, 6, 6), 0.25 / 36)
    for number, (row, column) in enumerate([(0, 0), (2, 3), (5, 1)]):
        expected[number, row, column] += 0.75
    torch.testing.assert_close(found.maps, expected)


# --- Refusals -----------------------------------------------------------------------------------

WHOLE = {"num_classes": 8}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "test_resnet": ({}, "no attention of tokens to each other"),
    "mixer_s32_224": ({"img_size": 96}, "no attention of tokens to each other"),
    "swin_tiny_patch4_window7_224": (
        {"img_size": 96, "window_size": 3, "depths": (1, 1, 1, 1)},
        "attends within windows",
    ),
    "pvt_v2_b0": ({}, "attend to others than themselves"),
    "convit_tiny": ({"img_size": 96}, "changed after its softmax"),
    "xcit_nano_12_p16_224": ({}, "attend to others than themselves"),
    "levit_128s": ({"img_size": 96}, "to others than themselves|another number of tokens"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", ["attention_rollout", "gradient_attention"])
def test_other_attention_is_refused_by_name(method: str, name: str) -> None:
    args, reason = REFUSED[name]
    classifier = make_classifier(name, args=WHOLE | args)
    with pytest.raises(SightlineError, match=reason) as error:
        run(method, classifier, torch.zeros(3, 3, 96, 96))
    assert f"Model {name} cannot be explained" in str(error.value)
    assert no_attention(classifier) == str(error.value)


def test_more_than_attention_is_refused() -> None:
    assert no_attention(tokens_of(Bright(), Bright())) is None
    reason = no_attention(tokens_of(Bright(), Bright(mixing=True), Bright()))
    assert reason is not None
    assert "know of each other by more than attention" in reason


def test_attention_that_no_score_depends_on_is_refused() -> None:
    classifier = tokens_of(Bright(), Bright())
    nn.init.zeros_(classifier.module.get_submodule("head").weight)
    reason = no_attention(classifier)
    assert reason is not None
    assert "Model odd cannot be explained by its attention: no class score depends on" in reason
