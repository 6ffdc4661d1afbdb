"""Plain eager training, written the way the literature trains: the other side of every comparison.

Every position of every example is computed, one-hot inputs are dense, the optimizer is torch's own
and nothing is shared. Two families: the hooked one-layer transformer of progress-measure papers
(einsum over heads, explicit masks) and the decoder of standard PyTorch layers.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention by einsum over explicit head axes."""

    def __init__(self, d: int, heads: int, *, causal: bool, sequence: int) -> None:
        super().__init__()
        k = d // heads
        self.w_k = nn.Parameter(torch.randn(heads, k, d) / math.sqrt(d))
        self.w_q = nn.Parameter(torch.randn(heads, k, d) / math.sqrt(d))
        self.w_v = nn.Parameter(torch.randn(heads, k, d) / math.sqrt(d))
        self.w_o = nn.Parameter(torch.randn(d, d) / math.sqrt(d))
        self.register_buffer("mask", torch.tril(torch.ones(sequence, sequence)))
        self.causal = causal
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        keys = torch.einsum("ihd,bpd->biph", self.w_k, x)
        queries = torch.einsum("ihd,bpd->biph", self.w_q, x)
        values = torch.einsum("ihd,bpd->biph", self.w_v, x)
        scores = torch.einsum("biph,biqh->biqp", keys, queries)
        if self.causal:
            scores = torch.tril(scores) - 1e10 * (1 - self.mask)
        pattern = F.softmax(scores / math.sqrt(self.k), dim=-1)
        mixed = torch.einsum("biph,biqp->biqh", values, pattern)
        joined = mixed.permute(0, 2, 1, 3).reshape(*x.shape)
        return torch.einsum("df,bqf->bqd", self.w_o, joined)


class HookedTransformer(nn.Module):
    """One layer without LayerNorm; logits at every position, the last one is used."""

    def __init__(self, p: int, d: int, heads: int, d_mlp: int, *, causal: bool) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.randn(d, p + 1) / math.sqrt(d))
        self.position = nn.Parameter(torch.randn(3, d) / math.sqrt(d))
        self.attention = Attention(d, heads, causal=causal, sequence=3)
        self.d_mlp = d_mlp
        if d_mlp:
            self.w_in = nn.Parameter(torch.randn(d_mlp, d) / math.sqrt(d))
            self.b_in = nn.Parameter(torch.zeros(d_mlp))
            self.w_out = nn.Parameter(torch.randn(d, d_mlp) / math.sqrt(d))
            self.b_out = nn.Parameter(torch.zeros(d))
        self.unembed = nn.Parameter(torch.randn(d, p) / math.sqrt(p))

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.einsum("dbp->bpd", self.embed[:, tokens]) + self.position
        x = x + self.attention(x)
        if self.d_mlp:
            hidden = F.relu(torch.einsum("md,bpd->bpm", self.w_in, x) + self.b_in)
            x = x + torch.einsum("dm,bpm->bpd", self.w_out, hidden) + self.b_out
        return (x @ self.unembed)[:, -1]


class Decoder(nn.Module):
    """Pre-norm decoder of standard layers: nn.TransformerEncoderLayer with a causal mask."""

    def __init__(self, p: int, d: int, heads: int, d_mlp: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(p + 1, d)
        self.position = nn.Embedding(3, d)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                d, heads, d_mlp, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(d)
        self.unembed = nn.Linear(d, p, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(3))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.position(torch.arange(3))
        for layer in self.layers:
            x = layer(x, src_mask=self.mask, is_causal=True)
        return self.unembed(self.norm(x))[:, -1]


class Perceptron(nn.Module):
    """Dense one-hot vectors of length 2p through two linear layers."""

    def __init__(self, p: int, width: int) -> None:
        super().__init__()
        self.p = p
        self.layers = nn.Sequential(
            nn.Linear(2 * p, width), nn.ReLU(), nn.Linear(width, p, bias=False)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        hot = F.one_hot(tokens[:, :2], self.p).float().flatten(1)
        return self.layers(hot)


def addition(p: int, fraction: float) -> tuple[Tensor, Tensor]:
    """Return a random share of the sequences [a, b, =] and their sums modulo p."""
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    tokens = torch.cat([pairs, torch.full((p * p, 1), p)], dim=1)
    chosen = torch.randperm(p * p)[: int(fraction * p * p)]
    return tokens[chosen], pairs[chosen].sum(1) % p


def stepper(
    network: nn.Module, tokens: Tensor, targets: Tensor, *, lr: float, weight_decay: float
) -> Callable[[], float]:
    """Return a function that takes one full-batch AdamW step and returns the loss."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98)
    )

    def step() -> float:
        logits = network(tokens)
        loss = F.cross_entropy(logits.to(torch.float64), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
