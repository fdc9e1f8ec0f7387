"""See the attention of a model's tokens to each other, as they are applied.

    O = A V,   A = softmax(Q K^T / sqrt(d) + bias),   A (N, heads, L, L)

Nothing is known of the model's modules: while it runs, torch's own functions are
watched. A softmax is an attention when its result is what multiplies the values;
a fused kernel (`scaled_dot_product_attention`) and torch's `MultiheadAttention`,
which hide it, are computed step by step, for that pass alone. What cannot be read
so is counted, so that no part of a model's attention is passed over in silence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_SOFTMAX = (torch.softmax, Tensor.softmax, functional.softmax)
_PRODUCT = (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm)


class Attentions(TorchFunctionMode):
    """While the context lasts, show every attention of the models that run.

    Parameters
    ----------
    see
        Called with each attention, images first, its last axis over the tokens
        attended to, in the order of the model; returns what is taken in its
        stead. With gradients enabled it is part of autograd's graph, and
        starts it.

    Attributes
    ----------
    unread
        Softmaxes over the last of three axes or more that were not seen, and modules of
        torch's whose attention is of a kind that cannot be: complete when the
        context has ended.
    """

    def __init__(self, see: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.see = see
        self.unread: list[str] = []
        self._waiting: list[Tensor] = []

    def __exit__(self, *error: Any) -> None:
        self.unread += [f"a softmax of shape {tuple(one.shape)}" for one in self._waiting]
        self._waiting.clear()
        super().__exit__(*error)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            given = inspect.signature(func).bind(*args, **kwargs)
            given.apply_defaults()
            if _is_plain(given.arguments):
                return self._attend_by_heads(given.arguments), None
            self.unread.append("a MultiheadAttention with a mask or weights of its own")
        if func in _PRODUCT and any(args[0] is one for one in self._waiting):
            self._waiting = [one for one in self._waiting if one is not args[0]]
            return func(self.see(args[0]), *args[1:], **kwargs)
        result = func(*args, **kwargs)
        if func in _SOFTMAX and result.ndim > 2 and _axis(args, kwargs) in (-1, result.ndim - 1):
            result = _started(result)
            self._waiting.append(result)
        return result

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """`scaled_dot_product_attention`, step by step."""
        if enable_gqa:
            shared = query.shape[-3] // key.shape[-3]
            key, value = (one.repeat_interleave(shared, -3) for one in (key, value))
        scores = query * (query.shape[-1] ** -0.5 if scale is None else scale) @ key.mT
        if is_causal:
            attn_mask = torch.ones_like(scores[0, 0], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        weights = self.see(_started(scores.softmax(dim=-1)))
        return torch.dropout(weights, dropout_p, dropout_p > 0) @ value

    def _attend_by_heads(self, given: dict[str, Any]) -> Tensor:
        """`multi_head_attention_forward` of tokens (L, N, C) to themselves."""
        tokens, heads = given["query"], given["num_heads"]
        joined = functional.linear(tokens, given["in_proj_weight"], given["in_proj_bias"])
        query, key, value = (
            one.unflatten(-1, (heads, -1)).permute(1, 2, 0, 3) for one in joined.chunk(3, dim=-1)
        )
        result = self._attend(query, key, value).permute(2, 0, 1, 3).flatten(-2)
        return functional.linear(result, given["out_proj_weight"], given["out_proj_bias"])


def _axis(args: Any, kwargs: dict[str, Any]) -> Any:
    return kwargs["dim"] if "dim" in kwargs else args[1]


def _is_plain(given: dict[str, Any]) -> bool:
    """Whether tokens attend to themselves, all to all, and nobody asks for the weights."""
    absent = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")
    unset = ("add_zero_attn", "use_separate_proj_weight", "need_weights")
    return (
        given["query"] is given["key"] is given["value"]
        and given["query"].ndim == 3
        and all(given[name] is None for name in absent)
        and not any(given[name] for name in unset)
        and not (given["training"] and given["dropout_p"])
    )


def _started(attention: Tensor) -> Tensor:
    """The attention as part of autograd's graph, unless gradients are disabled."""
    if attention.requires_grad or not torch.is_grad_enabled():
        return attention
    return attention.detach().requires_grad_()
