"""Where a step of the f-CMI network goes: its matrix products alone, the gradient, the step.

    python benchmarks/fcmi.py --profile

Every product of the gradient of one batch is read off its trace and timed alone; what the gradient
takes beyond their sum is moving images, normalisation and rounding, and what the step takes beyond
the gradient is Adam. Whatever of these were saved, a step would gain `step_over_products` at most.
The least processor milliseconds of several turns, one network, one batch.

The products say which library runs them. Half-precision factors summed in float32 are fused for
YNNPACK by the default flags of jaxlib 0.10, as the compiled program shows (`ynn_fusion`);
`gflops_of_products` beside that of float32 says what AVX512-BF16 gains. Kernels for AMX come with
the wheel (`dot_bf16_bf16_fp32_16x64x32_16x16x2_amxbf16`, google/XNNPACK, ynnpack/kernels/dot), and
a library of this kind takes the best its processor has: AMX should need no flag. That was read, not
run: this processor has none. oneDNN is in the wheel too, behind
`xla_cpu_experimental_onednn_custom_call` (openxla/xla pull requests 30997, 31025, 31511; off by
default); with it and what it asks for, YNNPACK off among it, the products become float32 ones.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

AMX = (
    "bfloat16 products summed in float32 go to YNNPACK by the default flags of jaxlib 0.10, whose "
    "AMX kernels are in the wheel: by reading no flag is needed. Not run here: this processor has "
    "no AMX. Sources in fcmi_profile.py"
)


def profile(batch: int = 128, repeats: int = 15) -> dict:
    """Processor milliseconds by part, in either precision."""
    import jax
    import jax.numpy as jnp
    import optax

    from ibjax.networks import NormalisedCNN, normalised

    found: dict[str, Any] = {
        "batch": batch,
        "unit": "processor ms of one network and batch",
        "amx": AMX,
    }
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(batch, 28, 28, 1)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 2, batch))
    adam = optax.adam(1e-3)
    for precision in ("float32", "bfloat16"):
        network = normalised.build(NormalisedCNN(precision=precision), 2, (28, 28, 1))
        params = network.init(jax.random.key(0), x)

        gradient = jax.grad(partial(_loss, network.apply))
        step = partial(_step, gradient, adam)
        kinds = Counter(products(jax.make_jaxpr(gradient)(params, x, y).jaxpr))
        calls: dict[Any, Any] = {kind: alone(*kind) for kind in kinds}
        calls["gradient"] = (jax.jit(gradient), (params, x, y))
        calls["step"] = (jax.jit(step), (params, adam.init(params), x, y))
        spent = {name: least(*call, repeats) for name, call in calls.items()}
        flop = sum(number * work(kind) for kind, number in kinds.items())
        total = sum(number * spent[kind] for kind, number in kinds.items())
        found[precision] = {
            "products": round(total, 2),
            "gradient_beyond_products": round(spent["gradient"] - total, 2),
            "step_beyond_gradient": round(spent["step"] - spent["gradient"], 2),
            "step": round(spent["step"], 2),
            "products_of_step": round(total / spent["step"], 2),
            "step_over_products": round(spent["step"] / total, 2),
            "mflop": round(flop / 1e6),
            "gflops_of_products": round(flop / total / 1e6, 1),
            "library": "YNNPACK" if any(map(fused, calls.values())) else "Eigen",
        }
    return found


def _loss(apply: Callable[..., Any], params: Any, x: Any, y: Any) -> Any:
    import jax.numpy as jnp
    import optax

    logits = apply(params, x, None, None)[0]
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))


def _step(gradient: Callable[..., Any], adam: Any, params: Any, state: Any, x: Any, y: Any) -> Any:
    import optax

    update, state = adam.update(gradient(params, x, y), state)
    return optax.apply_updates(params, update), state


def products(jaxpr: Any) -> Iterator[tuple]:
    """Shapes, types and dimensions of every product of a program, and of what it calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            sides = [(v.aval.shape, v.aval.dtype) for v in equation.invars]
            yield *sides, equation.params["dimension_numbers"], equation.outvars[0].aval.dtype
        for inner in equation.params.values():
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from list(products(inner)) * equation.params.get("length", 1)


def alone(one: tuple, other: tuple, dimensions: Any, out: Any) -> tuple[Callable[..., Any], tuple]:
    """A product by itself, and what it is of."""
    import jax
    import jax.numpy as jnp

    def call(a: Any, b: Any) -> Any:
        return jax.lax.dot_general(a, b, dimensions, preferred_element_type=out)

    return jax.jit(call), tuple(jnp.ones(shape, dtype) for shape, dtype in (one, other))


def work(kind: tuple) -> int:
    """Operations of a product."""
    (left, _), (right, _), ((summed, _), (batched, _)), _ = kind
    inner = math.prod(left[i] for i in (*summed, *batched))
    return 2 * math.prod(left) * math.prod(right) // inner


def fused(call: tuple) -> bool:
    """Whether the compiled program goes to YNNPACK."""
    return "ynn_fusion" in call[0].lower(*call[1]).compile().as_text()


def least(function: Callable[..., Any], arguments: tuple, repeats: int) -> float:
    """Least processor milliseconds of a call, compiled before, over batches of calls."""
    import jax

    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(5):
            jax.block_until_ready(function(*arguments))
        times.append((time.process_time() - start) / 5)
    return 1e3 * min(times)
