"""What a step of a training computes, as formulas with its own numbers in them: figures and fixed signs, no words.

Each formula comes twice: as LaTeX, and as lines that a terminal shows and that Python computes: tests do, and hold the
result against torch. m and v are AdamW's two moments, theta a weight, g its gradient, z a logit, p a probability,
y what it should be (0 or 1), E the embeddings of a batch.
"""

import math
from dataclasses import dataclass
from typing import Literal

Objective = Literal["softmax", "sigmoid"]
BETAS, TINY = (0.9, 0.999), 1e-8  # of AdamW, as torch has them
CLIP_TINY = 1e-6  # what torch adds to a norm before it divides by it


@dataclass(frozen=True)
class Formula:
    """`latex` is made of numbers and fixed signs alone; `plain` says the same in signs that a keyboard has."""

    latex: str
    plain: str


def figure(value: float) -> str:
    """A number in seven digits at most: enough for what is computed with it to agree with the training."""
    return f"{value:.7g}"


def _tex(value: float) -> str:
    digits, _, power = figure(value).partition("e")
    if not power:
        return digits
    return (r"" if digits == "1" else digits + r" \times ") + f"10^{{{int(power)}}}"


def _came(value: float | None) -> tuple[str, str]:
    """What a loss came to, as LaTeX and as a remark; nothing where that isn't known."""
    if value is None:
        return "", ""
    shown = f"{value:.4g}"
    return f" = {_tex(float(shown))}", f"  # {shown}"


def loss(objective: Objective, weighted: bool, classes: int, value: float | None) -> Formula:
    """Of a batch of n scored items, with what it came to."""
    came_tex, came = _came(value)
    if objective == "sigmoid":
        tex = (
            rf"L = -\frac{{1}}{{{classes}\,n}} \sum_{{i=1}}^{{n}} \sum_{{k=1}}^{{{classes}}} "
            r"\left( y_{ik} \log p_{ik} + (1 - y_{ik}) \log (1 - p_{ik}) \right)"
            rf"{came_tex}, \qquad p_{{ik}} = \frac{{1}}{{1 + e^{{-z_{{ik}}}}}}"
        )
        plain = f"p = 1 / (1 + exp(-z))\nL = -sum(y * log(p) + (1 - y) * log(1 - p)) / ({classes} * n){came}"
        return Formula(tex, plain)
    p = rf"p_{{ik}} = \frac{{e^{{z_{{ik}}}}}}{{\sum_{{j=1}}^{{{classes}}} e^{{z_{{ij}}}}}}"
    if weighted:
        tex = rf"L = -\frac{{\sum_{{i=1}}^{{n}} c_{{y_i}} \log p_{{i y_i}}}}{{\sum_{{i=1}}^{{n}} c_{{y_i}}}}{came_tex}"
        plain = f"p = softmax(z)\nL = -sum(c * y * log(p)) / sum(c * y){came}"
    else:
        tex = rf"L = -\frac{{1}}{{n}} \sum_{{i=1}}^{{n}} \log p_{{i y_i}}{came_tex}"
        plain = f"p = softmax(z)\nL = -sum(y * log(p)) / n{came}"
    return Formula(rf"{tex}, \qquad {p}", plain)


def contrastive(temperature: float, value: float | None) -> Formula:
    """Of a batch of n texts, each held against all others by the cosine of their embeddings h, with what it came to."""
    came_tex, came = _came(value)
    tex = (
        r"L = -\frac{1}{n} \sum_{i=1}^{n} \frac{1}{\lvert P_i \rvert} \sum_{k \in P_i} "
        r"\log \frac{e^{s_{ik}}}{\sum_{j \neq i} e^{s_{ij}}}"
        rf"{came_tex}, \qquad s_{{ij}} = \frac{{h_i \cdot h_j}}{{{_tex(temperature)}\,"
        r"\lVert h_i \rVert \lVert h_j \rVert}"
    )
    return Formula(tex, f"s = cosine(h, h) / {figure(temperature)}\nL = -mean(mean(log_softmax(s), alike)){came}")


def by_logit(objective: Objective, weighted: bool, classes: int) -> Formula:
    """The gradient of the loss by each logit, of which all others follow by the chain rule."""
    left = r"\frac{\partial L}{\partial z_{ik}} = "
    if objective == "sigmoid":
        return Formula(left + rf"\frac{{p_{{ik}} - y_{{ik}}}}{{{classes}\,n}}", f"dz = (p - y) / ({classes} * n)")
    if weighted:
        tex = r"\frac{c_{y_i}\,(p_{ik} - y_{ik})}{\sum_{j=1}^{n} c_{y_j}}"
        return Formula(left + tex, "dz = sum(c * y, -1) * (p - y) / sum(c * y)")
    return Formula(left + r"\frac{p_{ik} - y_{ik}}{n}", "dz = (p - y) / n")


def clipped(clip: float, norm: float | None) -> Formula:
    """The gradient of all trained weights shortened to a norm of `clip`. `norm`: what it was, None: not known."""
    if norm is None:
        tex = rf"g \leftarrow g \cdot \min\left(1,\; \frac{{{_tex(clip)}}}{{\lVert g \rVert}}\right)"
        return Formula(tex, f"g = g * min(1, {figure(clip)} / norm(g))")
    tex = (
        rf"g \leftarrow g \cdot \min\left(1,\; \frac{{{_tex(clip)}}}{{\lVert g \rVert}}\right), \qquad "
        rf"\lVert g \rVert = {_tex(norm)} \;\Rightarrow\; g \leftarrow {_tex(shortening(clip, norm))}\, g"
    )
    return Formula(tex, f"g = g * min(1, {figure(clip)} / ({figure(norm)} + {figure(CLIP_TINY)}))")


def shortening(clip: float, norm: float) -> float:
    """What a gradient of that norm is multiplied by."""
    return min(1.0, clip / (norm + CLIP_TINY))


def rate(highest: float, warmup: float, step: int, steps: int) -> Formula:
    """The learning rate of step 1..steps: up over the share `warmup` of them, then down to 0."""
    rising, high = math.ceil(warmup * steps), _tex(highest)
    name = rf"\eta_{{{step}}} = {high} \cdot "
    if step <= rising:
        value = highest * step / rising
        tex = rf"{name}\frac{{{step}}}{{{rising}}} = {_tex(value)}"
        return Formula(tex, f"eta = {figure(highest)} * {step} / {rising}")
    falling = max(1, steps - rising)
    value = highest * (steps - step + 1) / falling
    tex = rf"{name}\frac{{{steps} - {step} + 1}}{{{falling}}} = {_tex(value)}"
    return Formula(tex, f"eta = {figure(highest)} * ({steps} - {step} + 1) / {falling}")


def update(step: int, eta: float, decay: float) -> Formula:
    """AdamW's step number `step` (Loshchilov & Hutter 2019, arXiv 1711.05101). `decay`: 0 for what is not decayed."""
    one, two = BETAS
    corrections = 1 - one**step, 1 - two**step
    first, second = (_tex(value) for value in corrections)
    keep = figure(1 - one), figure(1 - two)
    tex = (
        r"\begin{aligned}"
        rf"m &\leftarrow {figure(one)}\, m + {keep[0]}\, g \\ "
        rf"v &\leftarrow {figure(two)}\, v + {keep[1]}\, g^2 \\ "
        rf"\theta &\leftarrow (1 - {_tex(eta)} \cdot {_tex(decay)})\, \theta - {_tex(eta)} \cdot "
        rf"\frac{{m / {first}}}{{\sqrt{{v / {second}}} + {_tex(TINY)}}}"
        r"\end{aligned}"
    )
    lines = (
        f"m = {figure(one)} * m + {keep[0]} * g",
        f"v = {figure(two)} * v + {keep[1]} * g**2",
        f"theta = (1 - {figure(eta)} * {figure(decay)}) * theta - {figure(eta)} * (m / {figure(corrections[0])})"
        f" / (sqrt(v / {figure(corrections[1])}) + {figure(TINY)})",
    )
    return Formula(tex, "\n".join(lines))


def push(length: float) -> Formula:
    """What is added to each row's embeddings for a second look at the same batch (Miyato, Dai & Goodfellow 2017)."""
    tex = (
        rf"r = {_tex(length)} \cdot \frac{{\nabla_E L}}{{\lVert \nabla_E L \rVert}}, \qquad "
        r"g = \nabla_\theta L(E) + \nabla_\theta L(E + r)"
    )
    return Formula(tex, f"r = {figure(length)} * dE / norm(dE)\ng = grad(L(E)) + grad(L(E + r))")


def consistency(weight: float, temperature: float, sure: float, value: float | None) -> Formula:
    """What is learned from text without labels (Xie et al. 2020, arXiv 1904.12848), with what it came to.

    z, p: of a row as it is; z2, p': of the changed row; w: 0 where no p is `sure`, else 1 on average; n: choices.
    """
    came_tex, came = _came(None if value is None else weight * value)
    tex = (
        rf"L' = \frac{{{_tex(weight)}}}{{n}} \sum_{{i=1}}^{{n}} w_i \sum_k q_{{ik}} \log \frac{{q_{{ik}}}}{{p'_{{ik}}}}"
        rf"{came_tex}, \qquad q_{{ik}} = \frac{{e^{{z_{{ik}} / {_tex(temperature)}}}}}"
        rf"{{\sum_j e^{{z_{{ij}} / {_tex(temperature)}}}}}, "
        rf"\qquad w_i = 0 \;\Leftarrow\; \max_k p_{{ik}} < {_tex(sure)}"
    )
    first = f"q = softmax(z / {figure(temperature)})"
    each = "sum(q * (log(q) - log(softmax(z2))), -1)"
    return Formula(tex, f"{first}\nL2 = {figure(weight)} * sum(w * {each}) / n{came}")


def low_rank(rank: int, alpha: float) -> Formula:
    """A matrix with its low-rank update (Hu et al. 2021): W stays, A and B are trained."""
    sizes = rf"A \in \mathbb{{R}}^{{{rank} \times d}},\; B \in \mathbb{{R}}^{{d' \times {rank}}}"
    tex = rf"W' = W + \frac{{{_tex(alpha)}}}{{{rank}}}\, B A, \qquad {sizes}"
    return Formula(tex, f"W + {figure(alpha)} / {rank} * B @ A")


def solved(ridge: float) -> Formula:
    """The head that ridge regression of the classes gives, before it is made sharper.

    h: a standardised state with a 1 for the bias, c: what its class counts, D: 1 on the diagonal but 0 for the bias.
    """
    tex = (
        rf"W_0 = \left( \sum_i c_{{y_i}} h_i h_i^\top + {_tex(ridge)}\, D \right)^{{-1}} "
        r"\sum_i c_{y_i} h_i\, y_i^\top"
    )
    return Formula(tex, f"W0 = solve(H.T @ (c * H) + {figure(ridge)} * D, H.T @ (c * Y))")


def by_layer(factor: float, below: int) -> Formula:
    """The rate of the layer so many below the head, under layer-wise decay (Howard & Ruder 2018, arXiv 1801.06146)."""
    tex = rf"\eta_l = \eta \cdot {_tex(factor)}^{{\,{below} - l}}"
    return Formula(tex, f"eta_l = eta * {figure(factor)} ** ({below} - l)")


def dropped(share: float) -> Formula:
    """Dropout (Srivastava et al. 2014): each state is 0 with this probability; the others grow to make up for it."""
    tex = rf"h \leftarrow \frac{{b \cdot h}}{{1 - {_tex(share)}}}, \qquad P(b = 0) = {_tex(share)}"
    return Formula(tex, f"h = b * h / (1 - {figure(share)})")
